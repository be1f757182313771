"""The tools for agents, asked by the client of the SDK: over standard input and output, and over HTTP."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters

from lineage.serve.agents import TOOLS, local_agents
from tests.cli.test_schemas import check
from tests.serve.conftest import Desk, Served

ROOT = Path(__file__).parents[2]


def questions(child: str) -> dict[str, dict[str, Any]]:
    return {
        "whois": {"checkpoint": child},
        "compare": {"a": child, "b": "base"},
        "trace": {"model": "base"},
        "graph": {"model": "base", "family": True},
        "audit": {"checkpoint": child, "policy": "licence", "rules": 'format = 1\npolicy = "licence"\n'},
        "decompose": {"checkpoint": child},
        "descendants": {"model": "base"},
        "verify": {"checkpoint": child, "claims": "---\nbase_model: base\n---\n"},
    }


async def asked_more(client: Client, place: str) -> None:
    """Adapters, tokenizers, and rules of one's own that are wrong; `place` is where the models lie."""
    merged = await client.call_tool("whois", {"checkpoint": f"{place}base", "adapter": f"{place}lora"})
    assert not merged.is_error, merged.content
    check("whois.json", merged.structured_content)
    assert merged.structured_content["checkpoint"]["name"] == "base+lora"
    same = await client.call_tool("compare", {"a": f"{place}words", "b": f"{place}words"})
    check("compare-tokenizers.json", same.structured_content)
    assert same.structured_content["relation"] == "identical"
    for kind, given, line in (
        ("audit", {"checkpoint": "base", "policy": "licence", "rules": "x = ["}, "rules.toml: line 1: "),
        ("whois", {"checkpoint": "nowhere", "adapter": f"{place}lora"}, "an adapter is merged onto weights"),
        ("whois", {"checkpoint": f"{place}base", "adapter": f"{place}nova"}, "an adapter is merged onto weights"),
    ):
        said = await client.call_tool(kind, given)
        assert (said.is_error, said.content[0].text.startswith(line)) == (True, True), said.content


async def asked_all(client: Client, child: str, kinds: tuple[str, ...]) -> None:
    """Ask tools, and things that none can answer."""
    listed = (await client.list_tools()).tools
    assert {one.name for one in listed} == {one.kind for one in TOOLS}
    for kind in kinds:
        said = await client.call_tool(kind, questions(child)[kind])
        assert not said.is_error, said.content
        check(f"{kind}.json", said.structured_content)
        assert json.loads(said.content[0].text) == said.structured_content
    for given in ({"checkpoint": "nova"}, {"checkpoint": ""}, {"checkpoint": child, "x": 1}, {}):
        said = await client.call_tool("whois", given)
        assert said.is_error
        assert len(said.content[0].text.splitlines()) == 1


def ran(work: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine returns, in a thread of its own: a browser's tests may have left a loop running in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def test_over_standard_input_and_output(desk: Desk):
    code = "from lineage.cli import main; main()"
    words = ["-c", code, "mcp", "--index", str(desk.index), "--no-reference"]
    started = StdioServerParameters(command=sys.executable, args=words, env=os.environ | {"PYTHONPATH": str(ROOT)})

    async def talk() -> None:
        async with Client(started) as client:
            await asked_all(client, str(desk.folder / "child.sketch"), tuple(tool.kind for tool in TOOLS))
            await asked_more(client, f"{desk.folder}/models/")

    ran(talk())


def test_over_http_with_the_paths_of_the_service_alone(served: Served, desk: Desk):
    async def talk() -> None:
        async with Client(f"{served.address}/mcp") as client:
            await asked_all(client, "child", ("whois", "audit", "verify", "decompose"))
            await asked_more(client, "")
            for outside in (str(desk.folder / "child.sketch"), "../secret.safetensors", "http://127.0.0.1/x"):
                said = await client.call_tool("whois", {"checkpoint": outside})
                assert said.is_error
                assert "secret" not in said.content[0].text or "'../secret" in said.content[0].text

    ran(talk())
    assert list((served.settings.state / "answers").iterdir()) == []  # neither answers nor their reports stay


def test_over_http_one_may_ask_or_is_refused(start):
    served: Served = start(anonymous=False)
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    accept = {"Accept": "application/json, text/event-stream"}
    assert served.post("/mcp", body, **accept).status == 401
    assert served.post("/mcp", body, role="ask", **accept).status == 200


def test_there_is_no_stream_to_wait_at(served: Served):
    said = served.get("/mcp", Accept="text/event-stream")
    check("error.json", said.json)
    assert (said.status, said.json["message"]) == (405, "this path takes POST alone")


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.kind)
def test_a_result_is_typed(desk: Desk, tool):
    async def schema() -> Any:
        async with Client(local_agents(desk.index, reference=False)) as client:
            return next(one.output_schema for one in (await client.list_tools()).tools if one.name == tool.kind)

    described = ran(schema())
    named = described["$defs"][tool.kind]["properties"]["schema"]["const"]
    assert named.startswith(f"lineage/{tool.kind}/")
