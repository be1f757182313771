"""Sketches and tokenizers that are sent, and questions that become jobs."""

from __future__ import annotations

import asyncio
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from lineage.checkpoints.io.strict_json import parse_object
from lineage.errors import Malformed
from lineage.serve.answers import JSON, answer
from lineage.serve.asked import Asked
from lineage.serve.endpoints import JOB_HEADER, Call, Handler
from lineage.serve.jobs import Job
from lineage.serve.refusals import Refusal
from lineage.serve.shapes import QUESTIONS, complaint
from lineage.serve.uploads import OCTETS, read_body, received, suffix_of

_MOST_JSON = 2 << 20


async def upload(call: Call) -> Response:
    """Keep a sketch, or a tokenizer under its name, once it was read through."""
    if _media_type(call.request) != OCTETS:
        raise Refusal(415, "media-type", f"send the bytes of a .sketch file, or of a named tokenizer, as {OCTETS}")
    asked = {"checkpoint": await _received(call)}
    content, index_id = await call.service.read("check", call.service.located(asked))
    return answer(content, JSON, index_id, status=201)


async def _received(call: Call) -> Asked:
    """Keep the body of a request; how a question names it."""
    name, settings = call.given["name"], call.service.settings
    digest = await received(call.request, settings.state, settings.limits, suffix_of(name))
    return {"upload" if name is None else "tokenizer": digest}


def question(kind: str) -> Handler:
    """The handler of one kind of job."""

    async def ask(call: Call) -> Response:
        asked = await _asked(kind, call)
        job = call.service.jobs.accept(kind, asked, await call.service.index_id())
        job = await call.service.jobs.ended(job, call.given["wait"])
        return await of_job(call, job)

    return ask


async def _asked(kind: str, call: Call) -> Asked:
    media, settings = _media_type(call.request), call.service.settings
    if kind == "whois" and media == OCTETS:
        return {"checkpoint": await _received(call)}
    if media != JSON:
        also = f", or a .sketch file as {OCTETS}" if kind == "whois" else ""
        raise Refusal(415, "media-type", f"send the question as {JSON}{also}")
    body = await read_body(call.request, _MOST_JSON, settings.limits)
    try:
        asked = parse_object(Path("request"), body, "the body")
    except Malformed as error:
        raise Refusal(400, "bad-request", error.problem) from None
    wrong = complaint(QUESTIONS[kind], asked)
    if wrong is not None:
        raise Refusal(400, "bad-request", wrong)
    wrong = _at_odds(kind, asked, call)
    if wrong is not None:
        raise Refusal(400, "bad-request", wrong)
    return asked


def _at_odds(kind: str, asked: Asked, call: Call) -> str | None:
    """What does not fit together in a question of the right shape, in one line, or None."""
    if kind == "whois" and call.given["name"] is not None:
        return f"name is that of a tokenizer whose bytes are the body, sent as {OCTETS}"
    if kind == "ingest" and "name" in asked and len(asked["checkpoints"]) > 1:
        return "name is what to call one model: give one checkpoint with it"
    if "adapter" in asked and not {"path", "address"} & asked["checkpoint"].keys():
        return "an adapter is merged onto weights: give the checkpoint as path or address, or send the sketch of both"
    return None


async def of_job(call: Call, job: Job) -> Response:
    """The answer of a job that is done, its error, or the state of the job."""
    headers = {JOB_HEADER: job.id}
    if job.state == "done":
        content = await asyncio.to_thread(call.service.jobs.result(job).read_bytes)
        return answer(content, JSON, str(job.index_id), headers)
    if job.error is not None:
        raise Refusal(job.error.status, job.error.error, job.error.message, headers)
    return JSONResponse(call.service.jobs.value(job), 202, {**headers, "Location": f"/api/jobs/{job.id}"})


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()
