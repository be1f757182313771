"""The routes: path, access rights, parameters and responses of each, in one table."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lineage.serve.refusals import Refusal
from lineage.serve.shapes import Schema, complaint
from lineage.serve.tokens import Role

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from lineage.serve.service import Service

Given = dict[str, Any]

INDEX_HEADER = "Lineage-Index"
JOB_HEADER = "Lineage-Job"


@dataclass(frozen=True, slots=True)
class Call:
    """One request to one service, with the parameters that it was given."""

    service: Service
    request: Request
    given: Given


Answered = str | tuple[str, ...] | None
Handler = Callable[[Call], Awaitable["Response"]]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A part of the path or of the query. `schema` is of a string, an integer or a boolean."""

    name: str
    schema: Schema
    about: str
    default: Any = None
    is_required: bool = False
    where: str = "query"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One route. `body` is the schema of its JSON; with `takes_octets` it takes a sketch file, too or alone.

    `answers` maps each status of an answer to its media type and the name of its schema, None for what has none, or to
    several names of which one fits.
    """

    method: str
    path: str
    role: Role | None
    summary: str
    handler: Handler
    answers: dict[int, tuple[str, Answered]]
    parameters: tuple[Parameter, ...] = ()
    body: Schema | None = None
    takes_octets: bool = False


def given(endpoint: Endpoint, request: Request) -> Given:
    """The parameters of a request, with defaults. Raises Refusal for any that is missing, unknown or wrong."""
    known = {one.name: one for one in endpoint.parameters}
    unknown = next((name for name in request.query_params if name not in known), None)
    if unknown is not None:
        raise Refusal(
            400, "bad-request", f"no parameter {unknown[:40]!r} here; there are: {', '.join(known) or 'none'}"
        )
    return {one.name: _value(one, request) for one in endpoint.parameters}


def _value(one: Parameter, request: Request) -> Any:
    texts = [request.path_params[one.name]] if one.where == "path" else request.query_params.getlist(one.name)
    if len(texts) > 1:
        raise Refusal(400, "bad-request", f"{one.name} is given twice")
    if not texts:
        if one.is_required:
            raise Refusal(400, "bad-request", f"{one.name} is missing: {one.about}")
        return one.default
    value = _parsed(one.schema["type"], texts[0])
    wrong = complaint(one.schema, value, one.name)
    if wrong is not None:
        raise Refusal(404 if one.where == "path" else 400, "bad-request", wrong)
    return value


def _parsed(kind: str, text: str) -> Any:
    if kind == "boolean":
        return {"true": True, "false": False}.get(text, text)
    if kind == "integer":
        return int(text) if text.isascii() and text.removeprefix("-").isdigit() and len(text) < 12 else text
    return text
