"""What holds in every test: no network but the test's own servers, and nothing of the user's own folders is touched."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hub_server import Hub, serving
from hypothesis import settings

from tests.milvus_server import Indexes, milvus_server

# Hypothesis tries the same examples in every run, whichever tests are run, and time is no criterion.
settings.register_profile("same-every-time", derandomize=True, deadline=None, max_examples=50)
settings.load_profile("same-every-time")


HERE = Path(__file__).parent
UNTRACED = ("contract", "hostile", "property")
SLOW = frozenset({"installed", "browser", "serve", "test_zoo_policies.py", "test_worked_cases.py"})


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Count no lines in tests that try thousands of inputs: tracing would take as long as they do.

    What takes minutes goes first, in whatever order the rest is shuffled, so that no process is left alone with it.
    """
    for item in items:
        if item.path.relative_to(HERE).parts[0] in UNTRACED:
            item.add_marker("no_cover")
    yield  # and so shuffled
    items.sort(key=lambda item: SLOW.isdisjoint(item.path.relative_to(HERE).parts))


@pytest.fixture(autouse=True)
def own_servers(monkeypatch: pytest.MonkeyPatch) -> set[tuple[str, int]]:
    """Addresses (host, port) that this test may connect to: servers that it has started."""
    connect = socket.socket.connect
    own: set[tuple[str, int]] = set()

    def refuse(self: socket.socket, address: Any) -> None:
        if self.family != getattr(socket, "AF_UNIX", None) and address not in own:
            pytest.fail(f"a test reached for the network: {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", refuse)
    return own


@pytest.fixture(autouse=True)
def own_folders(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Point the data and cache folders of the user at an empty one, for this process and the ones it starts."""
    home = tmp_path_factory.mktemp("home")
    for variable in (
        "HOME",
        "USERPROFILE",
        "LOCALAPPDATA",
        "XDG_DATA_HOME",
        "XDG_CACHE_HOME",
        "XDG_STATE_HOME",
        "LINEAGE_CACHE",
    ):
        monkeypatch.setenv(variable, str(home))
    return home


@pytest.fixture
def hub(own_servers: set[tuple[str, int]], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Hub]]:
    """`hub({"org/name": folder}, ranges=False)`: a hub of the test's own, which HF_ENDPOINT names; no pause is long."""
    monkeypatch.setattr("lineage.checkpoints.remote.session.FIRST_PAUSE_S", 0.001)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with ExitStack() as stack:

        def start(repos: dict[str, Path], **settings: Any) -> Hub:
            started = stack.enter_context(serving(Hub(repos, **settings)))
            for url in (started.url, started.store):
                parts = urlsplit(url)
                own_servers.add((str(parts.hostname), int(parts.port or 0)))
            monkeypatch.setenv("HF_ENDPOINT", started.url)
            return started

        yield start


@pytest.fixture(scope="session")
def on_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Indexes]:
    """Indexes on a Milvus server; a test that asks for them is skipped where there is none."""
    with milvus_server() as (host, port):
        indexes = Indexes(host, port, tmp_path_factory.mktemp("sketches"))
        yield indexes
        indexes.close()
