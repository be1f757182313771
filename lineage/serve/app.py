"""The service as an ASGI application: routes, their access rights, errors in one shape, and metrics."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lineage.errors import LineageError
from lineage.serve.endpoints import INDEX_HEADER, Call, Endpoint, given
from lineage.serve.pages import pages
from lineage.serve.refusals import Refusal, Refused
from lineage.serve.routes import ENDPOINTS
from lineage.serve.service import Service
from lineage.serve.settings import Settings
from lineage.serve.tokens import Role, allows, bearer

_LOG = logging.getLogger("lineage.serve")
_MOST_OF_A_CALL = 1 << 20
_ALIVE = "/healthz"  # answers whatever becomes of the index
_WORDS = {404: "unknown-path", 405: "method"}
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_POLICY = "default-src 'none'; frame-ancestors 'self'; sandbox"


def application(settings: Settings) -> Starlette:
    """The service of these settings; it starts and stops with the application's lifespan."""
    service = Service(settings)
    routes: list[BaseRoute] = [Route(one.path, _taken(one, service), methods=[one.method]) for one in ENDPOINTS]
    routes += [Route(path, page, methods=["GET"]) for path, page in pages().items()]

    agents = Agents(service) if find_spec("mcp") is not None else None
    if agents is not None:
        routes.append(Route("/mcp", agents, methods=["POST"]))  # without sessions, shutdown waits for nothing

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await service.start()
        try:
            async with agents.running() if agents is not None else nullcontext():
                yield
        finally:
            await service.stop()

    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers={HTTPException: _unrouted})
    app.state.service = service
    app.add_middleware(Observed, service=service)
    return app


def _taken(endpoint: Endpoint, service: Service) -> Callable[[Request], Awaitable[Response]]:
    async def take(request: Request) -> Response:
        held = _role(request, service)
        if not allows(held, endpoint.role):
            raise _forbidden(request, held, endpoint.role)
        return await endpoint.handler(Call(service, request, given(endpoint, request)))

    async def answered(request: Request) -> Response:
        try:
            return await take(request)
        except Refusal as refusal:
            return error_of(request, refusal.refused, refusal.headers)
        except (LineageError, MemoryError) as error:
            return error_of(request, service.refused(error))
        except OSError as error:  # a full disk, too many open files
            _LOG.exception("disk", extra={"fields": {"request": request.scope["lineage.request"]}})
            return error_of(request, Refused(503, "disk", f"the service cannot write or read: {error.strerror}"))

    return answered


class Agents:
    """The tools for agents at one path (streamable HTTP, without sessions), for clients that may ask."""

    def __init__(self, service: Service) -> None:
        from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

        from lineage.serve.agents import served_agents

        self._service = service
        self._manager = StreamableHTTPSessionManager(
            served_agents(service), json_response=True, stateless=True, max_request_body_size=_MOST_OF_A_CALL
        )

    def running(self) -> AbstractAsyncContextManager[None]:
        """The context in which it answers."""
        return self._manager.run()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call."""
        request = Request(scope)
        try:
            held = _role(request, self._service)
            if not allows(held, "ask"):
                raise _forbidden(request, held, "ask")
        except Refusal as refusal:
            await error_of(request, refusal.refused, refusal.headers)(scope, receive, send)
            return
        await self._manager.handle_request(scope, receive, send)


def _role(request: Request, service: Service) -> Role | None:
    """The role of the token that a request brings; that of anyone without one. Raises Refusal for a wrong token."""
    header = request.headers.get("authorization")
    if header is None:
        return "ask" if service.settings.may_ask_without_token else None
    scheme, _, secret = header.partition(" ")
    found = bearer(secret.strip(), service.tokens()) if scheme.lower() == "bearer" else None
    if found is None:
        raise Refusal(401, "token", "no such token: it may have been revoked", {"WWW-Authenticate": "Bearer"})
    request.scope["lineage.token"] = found.name
    return found.role


def _forbidden(request: Request, held: Role | None, needed: Role | None) -> Refusal:
    if "lineage.token" not in request.scope:
        said = f"needs a token of the role {needed}, as Authorization: Bearer TOKEN; its operator has `lineage token`"
        return Refusal(401, "token", said, {"WWW-Authenticate": "Bearer"})
    return Refusal(403, "role", f"needs a token of the role {needed}; this one may {held}")


def error_of(request: Request, found: Refused, headers: dict[str, str] | None = None) -> JSONResponse:
    """`lineage/error/1`."""
    return JSONResponse(found.value(request.scope.get("lineage.request")), found.status, headers)


async def _unrouted(request: Request, error: Exception) -> Response:
    """What Starlette itself refuses: an unknown path, a method that a path does not have."""
    assert isinstance(error, HTTPException)
    word = _WORDS.get(error.status_code, "bad-request")
    takes = (error.headers or {}).get("Allow", "other methods")
    said = {404: "nothing is served at this path: /api/openapi.json lists all", 405: f"this path takes {takes} alone"}
    found = Refused(error.status_code, word, said.get(error.status_code, error.detail))
    return error_of(request, found, dict(error.headers or {}))


class Observed:
    """Gives each request an id and each answer that of the index, refuses other hosts, logs and counts how it ended."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request; other events are passed on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["lineage.request"] = secrets.token_hex(8)
        started, status = time.perf_counter(), 500

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *await self._headers(scope, message)]
            await send(message)

        try:
            request = Request(scope)
            if self._is_ours(request):
                await self._app(scope, receive, sent)
            else:
                said = "is not what this service is called: the setting `hosts` lists its names"
                name = request.headers.get("host", "")[:100]
                await error_of(request, Refused(421, "host", f"{name!r} {said}"))(scope, receive, sent)
        except Exception:
            _LOG.exception("fault", extra={"fields": {"request": scope["lineage.request"]}})
            if status == 500:
                found = Refused(500, "fault", "this service made a mistake: its log has more under the request's id")
                await error_of(Request(scope), found)(scope, receive, sent)
        finally:
            self._count(scope, status, time.perf_counter() - started)

    def _is_ours(self, request: Request) -> bool:
        """Whether a request is addressed to this service: other host names are refused (DNS rebinding)."""
        if request.url.path == _ALIVE:
            return True
        try:
            name = urlsplit(f"//{request.headers.get('host', '')}").hostname
        except ValueError:
            return False
        return name in self._service.settings.names

    async def _headers(self, scope: Scope, message: Message) -> list[tuple[bytes, bytes]]:
        present = {name.lower() for name, _ in message["headers"]}
        wanted = {**_HEADERS, "Lineage-Request": scope["lineage.request"]}
        if not any(value.startswith(b"text/html") for name, value in message["headers"] if name == b"content-type"):
            wanted["Content-Security-Policy"] = _POLICY
        else:
            wanted["Content-Security-Policy"] = "frame-ancestors 'self'"
        if INDEX_HEADER.lower().encode() not in present and scope["path"] != _ALIVE:
            index_id = await self._service.index_id_if_any()
            wanted |= {} if index_id is None else {INDEX_HEADER: index_id}
        return [(k.encode(), v.encode()) for k, v in wanted.items() if k.lower().encode() not in present]

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unknown")
        self._service.metrics.request(route, scope["method"] if route != "unknown" else "any", status, seconds)
        fields: dict[str, Any] = {
            "request": scope["lineage.request"],
            "method": scope["method"],
            "route": route,
            "status": status,
            "seconds": round(seconds, 4),
            "token": scope.get("lineage.token"),
        }
        _LOG.info("request", extra={"fields": fields})
