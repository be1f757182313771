"""An accepted question is on disk: killed or stopped, the service finds it again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import urllib3
from filelock import FileLock

from lineage import api
from lineage.errors import LineageError, Locked
from lineage.serve import running
from lineage.serve.tokens import add_token
from tests.serve.conftest import Desk, Served, wait_for
from tests.small_models import published, trained
from tests.systems import needs_signals

ROOT = Path(__file__).parents[2]


def test_events_tell_of_a_job_until_it_is_over(served: Served):
    job = served.post("/api/whois?wait=0", {"checkpoint": {"path": "child"}, "depth": "sampled"})
    assert job.status == 202
    assert job.json["state"] in ("queued", "running")
    told = served.get(job.json["links"]["events"])
    assert told.headers["content-type"].startswith("text/event-stream")
    events = [line.removeprefix("event: ") for line in told.body.decode().splitlines() if line.startswith("event: ")]
    assert events[-1] == "done"
    assert set(events) <= {"queued", "running", "done"}
    last = json.loads([line for line in told.body.decode().splitlines() if line.startswith("data: ")][-1][6:])
    assert served.get(last["links"]["result"]).json["schema"] == "lineage/whois/2"


def test_models_are_added_by_a_job(start, tmp_path: Path):
    (tmp_path / "models").mkdir()
    published(trained(5), tmp_path / "models" / "five")
    index = tmp_path / "index"
    assert [one.event for one in api.ingest([tmp_path / "models" / "five"], index, name="first")] == ["ingested"]
    served = start(index=index, folders=(tmp_path / "models",))
    before = served.get("/readyz").headers["lineage-index"]
    assert [len(served.get("/api/graph").json["nodes"]) for _ in range(2)] == [1, 1]
    published(trained(6), tmp_path / "models" / "six")
    asked = {"checkpoints": [{"path": "six"}, {"path": "five"}]}
    said = served.post("/api/ingest", asked, role="ingest")
    assert said.status == 200, said.body
    assert sorted((one["event"], one["path"]) for one in said.json["events"]) == [
        ("ingested", "six"),
        ("unchanged", "five"),
    ]
    after = served.get("/readyz").headers["lineage-index"]
    assert before != after == said.headers["lineage-index"]
    assert len(served.get("/api/graph").json["nodes"]) == 2  # what was kept of the index before is not shown
    assert {one["name"] for one in served.get("/api/models").json["models"]} >= {"six"}


@contextmanager
def process(desk: Desk, state: Path, own_servers: set[tuple[str, int]]) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`lineage serve` in a process of its own, and its address."""
    code = "from lineage.cli import main; main()"
    words = ["serve", "--port", "0", "--index", desk.index, "--no-reference", "--state", state]
    words += ["--models", desk.folder / "models"]
    service = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    try:
        address = service.stdout.readline().split()[-1]
        own_servers.add(("127.0.0.1", int(address.rpartition(":")[2])))
        yield service, address
    finally:
        service.kill()
        service.communicate()


def ended(address: str, job: str) -> dict:
    """The job once it is over."""
    with urllib3.PoolManager() as pool:
        for _ in range(300):
            said = pool.request("GET", f"{address}/api/jobs/{job}").json()
            if said["state"] in ("done", "failed"):
                return said
            time.sleep(0.1)
    raise AssertionError(said)


@needs_signals
def test_a_killed_service_finds_every_job_again(desk: Desk, tmp_path: Path, own_servers):
    headers = {"Content-Type": "application/json"}
    accepted = []
    with process(desk, tmp_path, own_servers) as (service, address), urllib3.PoolManager() as pool:
        for asked in ({"path": "child"}, {"model": "base"}):
            body = json.dumps({"checkpoint": asked}).encode()
            said = pool.request("POST", f"{address}/api/whois?wait=0", body=body, headers=headers)
            assert said.status == 202
            accepted.append(said.json()["id"])
        workers = wait_for(lambda: workers_of(tmp_path))
        service.send_signal(signal.SIGKILL)
        service.wait()
        wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))
    with process(desk, tmp_path, own_servers) as (service, address):
        found = [ended(address, job) for job in accepted]
        assert [one["state"] for one in found] == ["done"] * 2
        with urllib3.PoolManager() as pool:
            answer = pool.request("GET", f"{address}/api/jobs/{accepted[0]}/result").json()
        assert answer["schema"] == "lineage/whois/2"
        service.send_signal(signal.SIGTERM)
        _, log = service.communicate(timeout=30)
    lines = [json.loads(line) for line in log.splitlines()]
    assert {"start", "request"} <= {line["event"] for line in lines}
    assert all({"time", "level", "event"} <= line.keys() for line in lines)


@needs_signals
def test_killed_in_the_middle_of_every_kind_of_job(desk: Desk, tmp_path: Path, own_servers):
    own = replace(desk, index=tmp_path / "index")
    shutil.copytree(desk.index, own.index)
    token = add_token(tmp_path, "ci", "ingest")
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    child, base = {"path": "child"}, {"path": "base"}
    questions = {
        "table": {"checkpoints": [child, base, {"path": "nova"}, base] * 5},
        "ingest": {"checkpoints": [child, {"path": "lora"}]},
        "whois": {"checkpoint": base, "adapter": {"path": "lora"}},
        "compare": {"a": {"path": "words"}, "b": {"path": "words"}},
        "audit": {"checkpoint": child, "policy": "licence", "rules": 'format = 1\npolicy = "licence"\n'},
        "verify": {"checkpoint": child, "claims": "---\nbase_model: base\n---\n"},
        "decompose": {"checkpoint": child},
    }
    accepted = {}
    with process(own, tmp_path, own_servers) as (service, address), urllib3.PoolManager() as pool:
        for kind, asked in questions.items():
            said = pool.request(
                "POST", f"{address}/api/{kind}?wait=0", body=json.dumps(asked).encode(), headers=headers
            )
            assert said.status == 202, said.data
            accepted[kind] = said.json()["id"]
        rows = tmp_path / "jobs" / accepted["table"]
        wait_for(lambda: len(list(rows.glob("row-*.json"))) >= 3)
        service.send_signal(signal.SIGKILL)
        service.wait()
    answered = {place: place.stat().st_mtime_ns for place in rows.glob("row-*.json")}
    assert 3 <= len(answered) < 20
    with process(own, tmp_path, own_servers) as (service, address), urllib3.PoolManager() as pool:
        found = {kind: ended(address, job) for kind, job in accepted.items()}
        assert {kind: (one["state"], one["error"]) for kind, one in found.items()} == dict.fromkeys(
            questions, ("done", None)
        )
        table = pool.request("GET", f"{address}/api/jobs/{accepted['table']}/result").json()
        assert [row["error"] is None for row in table["rows"]] == [True, True, False, True] * 5
        kinds = [pool.request("GET", f"{address}/api/jobs/{job}/result").json() for job in accepted.values()]
        assert all("error" not in one["schema"] for one in kinds)
    assert {place: place.stat().st_mtime_ns for place in answered} == answered  # what was answered is not asked again
    # An ingest that was killed stays on record; it was repeated.
    assert not any(one.is_damage for one in api.doctor(own.index)[1])


@needs_signals
def test_a_table_that_gets_on_is_not_given_up_and_one_that_does_not_is(start, settings):
    served: Served = start()
    asked = {"checkpoints": [{"path": "base"}, {"path": "child"}]}
    job = served.post("/api/table?wait=60", asked).headers["lineage-job"]
    kept = json.loads((settings.state / "jobs" / job / "job.json").read_text())
    states = {"stuck": 2, "moving": 1}
    for i, attempts in enumerate(states.values()):
        place = settings.state.with_name("again") / "jobs" / f"{i}".rjust(32, "0")
        place.mkdir(parents=True)
        (place / "job.json").write_text(
            json.dumps({**kept, "id": place.name, "state": "running", "attempts": attempts, "ended": None})
        )
    again: Served = start(state=settings.state.with_name("again"))
    stuck, moving = (f"{i}".rjust(32, "0") for i in range(2))
    assert again.get(f"/api/jobs/{stuck}").json["error"]["error"] == "interrupted"
    wait_for(lambda: again.get(f"/api/jobs/{moving}").json["state"] == "done")
    assert again.get(f"/api/jobs/{moving}").json["attempts"] == 1


def workers_of(state: Path) -> set[int]:
    """The processes that answer for the service of this state folder."""
    listed = subprocess.run(["ps", "-ww", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()[1:]]
    services = {row[0] for row in rows if str(state) in row[2]}
    return {int(row[0]) for row in rows if row[1] in services and "lineage.serve.worker" in row[2]}


def test_what_fails_again_and_again_is_given_up_with_its_reason(served: Served, start, settings):
    job = served.post("/api/whois", {"checkpoint": {"path": "child"}}).headers["lineage-job"]
    kept = json.loads((served.settings.state / "jobs" / job / "job.json").read_text())
    (settings.state / "jobs" / job).mkdir(parents=True)
    (settings.state / "jobs" / job / "job.json").write_text(json.dumps({**kept, "state": "running", "attempts": 2}))
    again: Served = start()
    found = again.get(f"/api/jobs/{job}").json
    assert (found["state"], found["error"]["error"]) == ("failed", "interrupted")
    assert again.get(f"/api/jobs/{job}/result").status == 422


def test_a_damaged_job_stops_nothing(start, settings):
    for i, damage in enumerate((b"", b"{", b"[]", b'{"id": 1}')):
        place = settings.state / "jobs" / (f"{i}" * 32)
        place.mkdir(parents=True)
        (place / "job.json").write_bytes(damage)
    served: Served = start()
    for i in range(4):
        assert served.get(f"/api/jobs/{f'{i}' * 32}").status == 404
    assert served.get("/readyz").status == 200


def test_two_services_do_not_share_a_state(settings, monkeypatch):
    monkeypatch.setattr(running, "_PATIENCE_S", 0.1)
    settings.state.mkdir()
    with FileLock(settings.state / running.LOCK), pytest.raises(Locked, match="another service works there"):
        running.run(settings, print)


def test_an_address_that_is_taken_is_said_in_one_line(settings):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LineageError, match=f"127.0.0.1:{port}: cannot listen there"):
            running.run(replace(settings, port=port), print)
