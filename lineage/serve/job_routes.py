"""Jobs as they stand, their answers, their reports."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

from starlette.responses import JSONResponse, Response, StreamingResponse

from lineage import report
from lineage.serve.answering import page_beside
from lineage.serve.answers import EVENTS, rendered, require_parts
from lineage.serve.endpoints import Call
from lineage.serve.questions import of_job
from lineage.serve.refusals import Refusal

_HEARTBEAT_S = 15.0


async def job_state(call: Call) -> Response:
    """A job as it stands."""
    return JSONResponse(call.service.jobs.value(call.service.jobs.find(call.given["job"])))


async def job_result(call: Call) -> Response:
    """The answer."""
    return await of_job(call, call.service.jobs.find(call.given["job"]))


async def job_events(call: Call) -> Response:
    """The job at each change, until it is over."""
    job = call.service.jobs.find(call.given["job"])

    async def told() -> AsyncIterator[str]:
        is_over = False
        while not (is_over or call.service.is_stopping.is_set()):
            found = call.service.jobs.find(job.id)
            is_over = found.is_over
            yield f"event: {found.state}\ndata: {json.dumps(call.service.jobs.value(found))}\n\n"
            while not is_over and not call.service.is_stopping.is_set():
                if await call.service.jobs.change(job.id, _HEARTBEAT_S):
                    break
                yield ": still there\n\n"

    return StreamingResponse(told(), media_type=EVENTS, headers={"X-Accel-Buffering": "no"})


async def job_report(call: Call) -> Response:
    """The answer of a whois or a comparison as a page, or its graph, made from the index as it is now."""
    job, ending = call.service.jobs.find(call.given["job"]), call.given["format"]
    if job.state != "done" or job.kind not in ("whois", "compare"):
        raise Refusal(404, "no-report", "only a whois or a comparison that is done has a report")
    if job.kind == "compare" and f".{ending}" in report.graphs.UPWARD:
        raise Refusal(400, "unknown-format", f"{ending} says what one model comes from: ask whois of it")
    require_parts(ending)
    made = page_beside(call.service.jobs.result(job), ending)
    if made.is_file():
        content = await asyncio.to_thread(made.read_bytes)
        return rendered(content, ending, str(job.index_id), f"{job.kind}-{job.id[:12]}")
    if job.kind == "whois":
        content, index_id = await call.service.read("report", {**call.service.jobs.subject(job), "format": ending})
    else:
        located = call.service.located({key: job.asked[key] for key in ("a", "b")})
        content, index_id = await call.service.read("pair-report", {**located, "format": ending})
    return rendered(content, ending, index_id, f"{job.kind}-{job.id[:12]}")
