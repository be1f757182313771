"""The models of the indexes: pages of them, one of them, their graph."""

from __future__ import annotations

import asyncio
import json

from starlette.responses import JSONResponse, Response

from lineage import api, report
from lineage.serve.answers import JSON, answer, rendered, require_parts
from lineage.serve.endpoints import INDEX_HEADER, Call, Given, Handler
from lineage.serve.refusals import Refusal


async def models(call: Call) -> Response:
    """A page of models."""
    settings = call.service.settings
    index_id = await call.service.index_id()
    listed = await asyncio.to_thread(api.models, settings.index, reference=settings.reference)
    kin = None
    if call.given["family"] is not None:
        content, _ = await call.service.read("graph", {"model": call.given["family"], "family": True, "format": "json"})
        kin = {one for node in json.loads(content)["nodes"] for one in (node["id"], *node["copies"])}
    found = [one for one in listed if _fits(one, call.given) and (kin is None or one.record.id in kin)]
    start, end = call.given["offset"], call.given["offset"] + call.given["limit"]
    value = {
        "schema": "lineage/models/1",
        "total": len(found),
        "next": end if end < len(found) else None,
        "models": [report.listing.model_value(one.record, one.is_reference, one.layer) for one in found[start:end]],
    }
    return JSONResponse(value, headers={INDEX_HEADER: index_id})


def _fits(listed: api.Listed, given: Given) -> bool:
    record = listed.record
    names = (record.name, record.id, *record.aliases)
    wanted, licence = given["search"], given["licence"]
    return (wanted is None or any(wanted.casefold() in name.casefold() for name in names)) and (
        licence is None or (record.licence or "").casefold() == licence.casefold()
    )


def reading(kind: str) -> Handler:
    """The handler of a question about one model."""

    async def read(call: Call) -> Response:
        content, index_id = await call.service.read(kind, {"model": call.given["model"]})
        return answer(content, JSON, index_id)

    return read


async def graph(call: Call) -> Response:
    """The graph of all models, or of one with its neighbours or its family."""
    ending, model = call.given["format"], call.given["model"]
    if model is None and (call.given["family"] or f".{ending}" in report.graphs.UPWARD):
        raise Refusal(400, "bad-request", "family, and formats that say what a model comes from, need a model")
    require_parts(ending)
    asked = {"model": model, "format": ending, "family": call.given["family"]}
    content, index_id = await call.service.read("graph", asked)
    return rendered(content, ending, index_id, "graph")
