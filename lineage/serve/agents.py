"""The questions as tools for agents (Model Context Protocol), with results typed by the schemas of index/schema."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lineage import __version__
from lineage.checkpoints import is_remote
from lineage.errors import LineageError
from lineage.serve.answering import Desk, answer
from lineage.serve.asked import Asked, below
from lineage.serve.openapi import schemas
from lineage.serve.refusals import Refusal
from lineage.serve.settings import Settings
from lineage.serve.shapes import MODEL, QUESTIONS, RULES, Schema, complaint, shape

if TYPE_CHECKING:
    from mcp import types
    from mcp.server import Server

    from lineage.serve.service import Service

Answer = Callable[[str, Asked], Awaitable[bytes]]
"""Has a question of that kind answered; raises Refusal or LineageError."""

Means = Callable[[str], dict[str, Any]]
"""What an agent means by a checkpoint: a text becomes one of the forms that a question knows."""

_CHECKPOINT: Schema = {
    "type": "string",
    "minLength": 1,
    "maxLength": 1000,
    "description": "A path, an address such as hf:org/name, or the name or id of a model of the index.",
}

_ADAPTER: Schema = {**_CHECKPOINT, "description": "A LoRA or DoRA: a path or an address such as hf:org/name."}


@dataclass(frozen=True, slots=True)
class Tool:
    """One question: its parameters, and its answer. `checkpoints` are the keys that name one.

    The answer has the schema of its kind, or that of two tokenizers where it may be about such.
    """

    kind: str
    about: str
    asked: Schema
    checkpoints: tuple[str, ...] = ()
    is_of_tokenizers: bool = False


TOOLS = (
    Tool(
        "whois",
        "Say what a checkpoint descends from, component by component, with the p-value of a permutation test."
        " No match never proves that a model was trained from scratch; `limits` says what could not have been seen."
        " Of an adapter alone it says its base and what it was merged into; with `adapter` the question is about the"
        " model that this LoRA or DoRA makes of the checkpoint. Of a tokenizer without weights it names the nearest.",
        shape({"checkpoint": _CHECKPOINT}, adapter=_ADAPTER),
        ("checkpoint", "adapter"),
        is_of_tokenizers=True,
    ),
    Tool(
        "compare",
        "Say how checkpoint a relates to checkpoint b, component by component and tensor by tensor; where one is a"
        " tokenizer without weights, how their tokenizers relate.",
        shape({"a": _CHECKPOINT, "b": _CHECKPOINT}),
        ("a", "b"),
        is_of_tokenizers=True,
    ),
    Tool(
        "decompose",
        "Say whether a checkpoint is a merge of known models, of which, and with which weights.",
        shape({"checkpoint": _CHECKPOINT}),
        ("checkpoint",),
    ),
    Tool("trace", "Show the ancestry of a model of the index up to its roots.", shape({"model": MODEL})),
    Tool("descendants", "Show what comes from a model of the index, over generations.", shape({"model": MODEL})),
    Tool(
        "graph",
        "Show which models descend from which: of a model its neighbours, with `family` all its relatives; without a"
        " model everything. Declared edges are kept apart from measured ones.",
        shape({}, model=MODEL, family={"type": "boolean"}),
    ),
    Tool(
        "audit",
        "Hold a checkpoint against a policy: the licences of its ancestors, training from scratch, or its T-Class. A"
        " finding is not legal advice and certifies nothing.",
        shape({"checkpoint": _CHECKPOINT, "policy": QUESTIONS["audit"]["properties"]["policy"]}, rules=RULES),
        ("checkpoint",),
    ),
    Tool(
        "verify",
        "Check what a model card or a file of claims says against the weights, claim by claim.",
        shape(
            {"checkpoint": _CHECKPOINT, "claims": QUESTIONS["verify"]["properties"]["claims"]},
            claims_format=QUESTIONS["verify"]["properties"]["claims_format"],
        ),
        ("checkpoint",),
    ),
)


def agent_server(answered: Answer, means: Means) -> Server[Any]:
    """The server of these tools, for any transport."""
    from mcp import types
    from mcp.server import Server

    tools = {one.kind: one for one in TOOLS}

    async def listed(*_: Any) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[_described(one) for one in TOOLS])

    async def called(_: Any, asked: types.CallToolRequestParams) -> types.CallToolResult:
        try:
            if asked.name not in tools:
                raise Refusal(404, "unknown-tool", f"no tool {asked.name[:40]!r}; there are {', '.join(tools)}")
            content = await answered(asked.name, _question(tools[asked.name], asked.arguments or {}, means))
        except (Refusal, LineageError, OSError) as error:
            return types.CallToolResult(content=[types.TextContent(type="text", text=str(error))], is_error=True)
        text = content.decode("ascii")
        said = types.TextContent(type="text", text=text)
        return types.CallToolResult(content=[said], structured_content=json.loads(text))

    return Server(
        "lineage",
        version=__version__,
        instructions="Says where model weights come from. A relation is not a direction, and no match proves nothing.",
        on_list_tools=listed,
        on_call_tool=called,
    )


def _described(one: Tool) -> types.Tool:
    from mcp import types

    answers: dict[str, Any] = {"type": "object", "$defs": schemas("#/$defs")}
    if one.is_of_tokenizers:
        answers["anyOf"] = [{"$ref": f"#/$defs/{kind}"} for kind in (one.kind, "compare-tokenizers")]
    else:
        answers["$ref"] = f"#/$defs/{one.kind}"
    hints = types.ToolAnnotations(read_only_hint=True, idempotent_hint=True)
    return types.Tool(
        name=one.kind, description=one.about, input_schema=one.asked, output_schema=answers, annotations=hints
    )


def _question(tool: Tool, given: dict[str, Any], means: Means) -> Asked:
    wrong = complaint(tool.asked, given, "the question")
    if wrong is not None:
        raise Refusal(400, "bad-request", wrong)
    asked: Asked = {key: means(value) if key in tool.checkpoints else value for key, value in given.items()}
    if "adapter" in asked and ("model" in asked["adapter"] or "model" in asked["checkpoint"]):
        raise Refusal(400, "bad-request", "an adapter is merged onto weights: give both as paths or addresses")
    return {**asked, "format": "json"} if tool.kind == "graph" else asked


def local_agents(index: str | Path | None, reference: bool) -> Server[Any]:
    """The tools over this user's own index and files, answered in this process."""

    def worked(kind: str, asked: Asked) -> bytes:
        with tempfile.TemporaryDirectory(prefix="lineage-") as folder:
            target = Path(folder) / "answer"
            answer(kind, asked, Desk(index, reference, target, None, lambda *_: None))
            return target.read_bytes()

    async def answered(kind: str, asked: Asked) -> bytes:
        return await asyncio.to_thread(worked, kind, asked)

    def means(text: str) -> dict[str, Any]:
        if is_remote(text):
            return {"address": text}
        return {"file": text, "shown": text} if Path(text).exists() else {"model": text}

    return agent_server(answered, means)


def served_agents(service: Service) -> Server[Any]:
    """The tools over a service: its index, the folders that it reads, and the hub if it does."""

    async def answered(kind: str, asked: Asked) -> bytes:
        return (await service.read(kind, service.located(asked)))[0]

    return agent_server(answered, lambda text: _served(text, service.settings))


def _served(text: str, settings: Settings) -> dict[str, Any]:
    if is_remote(text):
        if complaint(QUESTIONS["whois"]["properties"]["checkpoint"], {"address": text}) is not None:
            raise Refusal(400, "bad-request", "of addresses this service reads those of the hub alone: hf:org/name")
        return {"address": text}
    try:
        below(settings.folders, text)
    except Refusal:
        return {"model": text}
    return {"path": text}


def run_over_stdio(index: str | Path | None, reference: bool) -> None:
    """Answer one agent over standard input and output until it goes. Raises NoIndex."""
    from mcp.server.stdio import stdio_server

    from lineage import api

    api.index_id(index, reference=reference)
    server = local_agents(index, reference)

    async def serve() -> None:
        async with stdio_server() as (read, write):
            await server.run(read, write, server.create_initialization_options())

    asyncio.run(serve())
