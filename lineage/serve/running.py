"""A service from its start to its end, under uvicorn."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from lineage.errors import LineageError, Locked
from lineage.serve.settings import Settings

if TYPE_CHECKING:
    import uvicorn

LOCK = "service.lock"
_GRACE_S = 10
_PATIENCE_S = 5.0  # longer than a service takes to end
_MOST_CONNECTIONS = 1000
_LONGEST_HEAD = 1 << 16


def run(settings: Settings, told: Callable[[str], None]) -> None:
    """Serve until the process is told to stop; requests under way are given time to end.

    `told` is called with the address once it accepts requests. Raises Locked if another service uses the state folder,
    LineageError if nothing can be searched or the address is taken.
    """
    from lineage import api
    from lineage.serve.logs import to_standard_error

    api.index_id(settings.index, reference=settings.reference)  # NoIndex, before anything listens
    settings.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = FileLock(settings.state / LOCK)
    try:
        lock.acquire(timeout=_PATIENCE_S)
    except Timeout:
        raise Locked(f"{settings.state}: another service works there: choose another --state") from None
    with lock, closing(bound(settings)) as listening:
        to_standard_error()
        server_of(settings, listening, told).run(sockets=[listening])


def bound(settings: Settings) -> socket.socket:
    """A socket at the address of a service. Raises LineageError where it is taken."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
    except OSError as error:
        listening.close()
        place = f"{settings.host}:{settings.port}"
        raise LineageError(f"{place}: cannot listen there ({error.strerror}): choose --host and --port") from error
    return listening


def server_of(settings: Settings, listening: socket.socket, told: Callable[[str], None]) -> uvicorn.Server:
    """The server of a service, which listens at a socket that is bound."""
    import uvicorn

    from lineage.serve.app import application

    app = application(settings)
    name = f"[{settings.host}]" if ":" in settings.host else settings.host
    address = f"http://{name}:{listening.getsockname()[1]}"

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            """Report the address once it listens."""
            await super().startup(sockets)
            if self.started:
                logging.getLogger("lineage.serve").info("start", extra={"fields": {"address": address}})
                told(address)

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            """End waiting requests first: streams of events would delay the shutdown."""
            app.state.service.stopping()
            await super().shutdown(sockets)

    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_S,
        limit_concurrency=_MOST_CONNECTIONS,
        h11_max_incomplete_event_size=_LONGEST_HEAD,
        lifespan="on",
    )
    return Server(config)
