"""A service on a free port, in this process; the processes that answer are its own."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import urllib3

from lineage import api
from lineage.serve.running import bound, server_of
from lineage.serve.settings import Limits, Settings
from lineage.serve.tokens import ROLES, add_token, revoke_token
from lineage.serve.tokens import tokens as kept_tokens
from tests.adapter_files import drawn, write_adapter
from tests.small_models import published, sketched, trained, tuned
from tests.tokenizer_files import pool, tokenizer_json, write
from tests.tokenizer_files import trained as words_of_a_text

FACTORS = drawn(
    {n.removesuffix(".weight"): w.shape for n, w in trained(1).items() if w.ndim == 2 and "layer." in n}, 4, 3, 0.004
)
WORDS = tokenizer_json(words_of_a_text(pool(), 3000, 1))
OCTETS = {"Content-Type": "application/octet-stream"}
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Said:
    """What the service answered."""

    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Served:
    """A service that runs; `tokens` has one of each role."""

    settings: Settings
    address: str
    tokens: dict[str, str]
    pool: urllib3.PoolManager = field(default_factory=lambda: urllib3.PoolManager(timeout=60, retries=False))

    def ask(self, method: str, path: str, body: Any = None, role: str | None = None, **headers: str) -> Said:
        """One request; a body that is not bytes is sent as JSON."""
        sent = headers | ({} if role is None else {"Authorization": f"Bearer {self.tokens[role]}"})
        if body is not None and not isinstance(body, bytes):
            body, sent = json.dumps(body).encode(), JSON | sent
        elif body is not None:
            sent = OCTETS | sent
        done = self.pool.request(method, self.address + path, body=body, headers=sent)
        return Said(done.status, done.data, {name.lower(): value for name, value in done.headers.items()})

    def get(self, path: str, **more: Any) -> Said:
        return self.ask("GET", path, **more)

    def post(self, path: str, body: Any, **more: Any) -> Said:
        return self.ask("POST", path, body, **more)


@contextmanager
def serving(settings: Settings) -> Iterator[Served]:
    """Run a service in a thread until the block ends."""
    for known in kept_tokens(settings.state):  # of a service that was here before
        revoke_token(settings.state, known.name)
    tokens = {role: add_token(settings.state, role, role) for role in ROLES}
    ready = threading.Event()
    listening = bound(settings)
    port = listening.getsockname()[1]
    server = server_of(settings, listening, lambda _: ready.set())
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        assert ready.wait(20)
        served = Served(settings, f"http://{settings.host}:{port}", tokens)
        yield served
        served.pool.clear()
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


@dataclass(frozen=True)
class Desk:
    """A folder with models, an index that holds `base`, and the sketch of its `child`.

    The models are `base`, `child`, a LoRA `lora` that fits them, and `words`, a tokenizer without weights.
    """

    folder: Path
    index: Path
    sketch: bytes


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    folder = tmp_path_factory.mktemp("service")
    base = trained(1)
    (folder / "models").mkdir()
    published(base, folder / "models" / "base")
    published(tuned(base, 2), folder / "models" / "child")
    write_adapter(folder / "models" / "lora", FACTORS, base_model_name_or_path="org/base")
    write(folder / "models" / "words", "tokenizer.json", WORDS)
    (folder / "secret.safetensors").write_bytes(b"not for you")
    (folder / "models" / "out").symlink_to(folder)
    index = folder / "index"
    assert [done.event for done in api.ingest([folder / "models" / "base"], index)] == ["ingested"]
    api.save_sketch(sketched(tuned(base, 2), "child"), folder / "child.sketch")
    return Desk(folder, index, (folder / "child.sketch").read_bytes())


@pytest.fixture
def settings(desk: Desk, tmp_path: Path) -> Settings:
    return Settings(
        tmp_path / "state",
        desk.index,
        reference=False,
        port=0,
        folders=(desk.folder / "models",),
        hub=False,
        limits=Limits(prepared=0),
    )


Start = Callable[..., Served]


@pytest.fixture
def start(settings: Settings, own_servers: set[tuple[str, int]]) -> Iterator[Start]:
    """`start(anonymous=False)`: a service with these settings, which ends with the test."""
    with ExitStack() as stack:

        def begin(**changed: Any) -> Served:
            served = stack.enter_context(serving(replace(settings, **changed)))
            own_servers.add(("127.0.0.1", int(served.address.rpartition(":")[2])))
            return served

        yield begin


@pytest.fixture(scope="session")
def shared(desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    state = tmp_path_factory.mktemp("shared") / "state"
    folders = (desk.folder / "models",)
    limits = Limits(workers=1, prepared=0)
    with serving(
        Settings(state, desk.index, reference=False, port=0, folders=folders, hub=False, limits=limits)
    ) as served:
        yield served


@pytest.fixture
def served(shared: Served, own_servers: set[tuple[str, int]]) -> Served:
    """A service that many tests ask: its processes have long begun."""
    own_servers.add(("127.0.0.1", int(shared.address.rpartition(":")[2])))
    return shared


def wait_for(found: Callable[[], Any]) -> Any:
    """What is there in the end; what never is fails."""
    for _ in range(400):
        if value := found():
            return value
        time.sleep(0.05)
    raise AssertionError("it never came")
