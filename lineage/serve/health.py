"""Whether the service answers, whether it can take questions, and its counters."""

from __future__ import annotations

import asyncio

from starlette.responses import JSONResponse, Response

from lineage import api
from lineage.serve.endpoints import INDEX_HEADER, Call
from lineage.serve.metrics import CONTENT_TYPE
from lineage.serve.refusals import Refusal


async def alive(_: Call) -> Response:
    """The process answers."""
    return JSONResponse({"schema": "lineage/health/1", "status": "ok"})


async def ready(call: Call) -> Response:
    """It can take questions: the index opens, and it is not about to stop."""
    if call.service.is_stopping.is_set():
        raise Refusal(503, "stopping", "this service is about to stop")
    index_id = await call.service.index_id()
    return JSONResponse({"schema": "lineage/health/1", "status": "ok"}, headers={INDEX_HEADER: index_id})


async def measured(call: Call) -> Response:
    """The counters."""
    settings = call.service.settings
    count = len(await asyncio.to_thread(api.models, settings.index, reference=settings.reference))
    counts = call.service.jobs.counts
    gauges: dict[str, tuple[str, float]] = {
        "lineage_models": ("Models that are searched.", count),
        "lineage_jobs_live": ("Jobs that are not over.", call.service.jobs.live()),
        "lineage_questions_waiting": ("Questions that no process has taken yet.", call.service.lanes.waiting()),
        "lineage_workers_busy": ("Processes that work on a question.", call.service.lanes.busy),
    }
    counters: dict[str, tuple[str, float]] = {
        f"lineage_jobs_{state}_total": (f"Jobs {state} since the start.", counts[state]) for state in sorted(counts)
    }
    counters["lineage_workers_replaced_total"] = ("Processes that ended or were ended.", call.service.lanes.replaced)
    return Response(call.service.metrics.text(gauges, counters), media_type=CONTENT_TYPE)
