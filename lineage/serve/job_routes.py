"""The state of jobs, their answers, their reports."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

from starlette.responses import JSONResponse, Response, StreamingResponse

from lineage.serve.answering import page_beside
from lineage.serve.answers import EVENTS, REPORTS, rendered, require_parts
from lineage.serve.endpoints import INDEX_HEADER, Call
from lineage.serve.jobs import Job
from lineage.serve.questions import of_job
from lineage.serve.refusals import Refusal

_HEARTBEAT_S = 15.0
_OLD = "it is older than its reports: ask again"
_WHY_NOT = {
    "decompose": "no merge was found",
    **dict.fromkeys(("whois", "compare"), "it is about tokenizers, and is read as txt"),
}


async def job_state(call: Call) -> Response:
    """The state of a job."""
    job = call.service.jobs.find(call.given["job"])
    return JSONResponse(call.service.jobs.value(job), headers=made_from(job))


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
            value = {key: told for key, told in call.service.jobs.value(found).items() if key != "asked"}  # may be long
            yield f"event: {found.state}\ndata: {json.dumps(value)}\n\n"
            while not is_over and not call.service.is_stopping.is_set():
                if await call.service.jobs.change(job.id, _HEARTBEAT_S):
                    break
                yield ": still there\n\n"

    return StreamingResponse(told(), media_type=EVENTS, headers={"X-Accel-Buffering": "no", **made_from(job)})


def made_from(job: Job) -> dict[str, str]:
    """The header of a job that is done; of another it is the index as it is, as of every answer."""
    return {} if job.index_id is None else {INDEX_HEADER: job.index_id}


async def job_report(call: Call) -> Response:
    """The answer of a job as a page, text, graph or SARIF; formats not made with it use the present index."""
    job = call.service.jobs.find(call.given["job"])
    if job.state != "done" or job.kind not in REPORTS:
        raise Refusal(404, "no-report", f"only a job that is done has a report, of {', '.join(REPORTS)}")
    offered = call.service.jobs.reports(job)
    ending = call.given["format"] or (*offered, *REPORTS[job.kind])[0]
    if ending not in REPORTS[job.kind]:
        raise Refusal(400, "unknown-format", f"the report of {job.kind} is made as {', '.join(REPORTS[job.kind])}")
    if ending not in offered:
        raise Refusal(404, "no-report", f"this answer has no {ending}: {_WHY_NOT.get(job.kind, _OLD)}")
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
