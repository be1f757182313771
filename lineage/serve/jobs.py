"""Questions that were accepted, each a folder on disk: what was asked, its progress, its outcome.

A job is on disk before it is accepted, and its state is written whole each time, so that a service that is killed
finds every job again: what had not ended is asked once more, and twice at most.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from lineage.atomic_write import write_whole
from lineage.serve.answering import TEXT, page_beside
from lineage.serve.answers import REPORTS
from lineage.serve.asked import Asked, called, located, reads_weights
from lineage.serve.lanes import Lanes
from lineage.serve.refusals import Refusal, Refused
from lineage.serve.settings import Settings
from lineage.serve.tables import rows
from lineage.serve.uploads import age, forget_uploads
from lineage.serve.waiting import Question, Step

_LOG = logging.getLogger("lineage.serve")
JOBS = "jobs"
_STATE, _RESULT, _SKETCH = "job.json", "result.json", "asked.sketch"
_ATTEMPTS = 2
_DAY_S = 86_400
_ACCEPTED_UNTIL_FORGOTTEN = 100

State = Literal["queued", "running", "done", "failed"]


@dataclass(frozen=True, slots=True)
class Job:
    """One accepted question. Dates are ISO 8601 in UTC; `index_id` names what the answer was made from."""

    id: str
    kind: str
    asked: Asked
    key: str
    state: State
    accepted: str
    attempts: int = 0
    ended: str | None = None
    index_id: str | None = None
    error: Refused | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come of it."""
        return self.state in ("done", "failed")


@dataclass(slots=True)
class _Live:
    """What is known of a job that is not over; `changed` is set, and replaced, at each change."""

    job: Job
    step: Step | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class Jobs:
    """The jobs of one service."""

    def __init__(self, settings: Settings, lanes: Lanes) -> None:
        self._settings = settings
        self._folder = settings.state / JOBS
        self._lanes = lanes
        self._live: dict[str, _Live] = {}
        self._ended: dict[str, str] = {}  # key of what was asked of which index -> the job that answered it
        self._tasks: set[asyncio.Task[None]] = set()
        self._ingesting = asyncio.Lock()
        self._accepted = 0
        self._is_stopping = False
        self.counts = {"done": 0, "failed": 0, "resumed": 0}

    # -- from start to stop

    def start(self) -> None:
        """Resume what had not ended, and delete what was kept long enough."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for job in self._kept():
            if job.is_over:
                self._remember(job)
            elif job.attempts >= _ATTEMPTS:
                said = f"the service ended {job.attempts} times while this was worked on"
                self._write(replace(job, state="failed", ended=_now(), error=Refused(422, "interrupted", said)))
            else:
                self.counts["resumed"] += job.attempts > 0
                self._begin(replace(job, state="queued"))
        self._forget()

    def wake(self) -> None:
        """Wake all that wait for a job."""
        self._is_stopping = True
        for job in self._live:
            self._tell(job)

    async def stop(self) -> None:
        """Stop working; what has not ended waits on disk for the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for live in self._live.values():
            if live.job.state == "running":  # stopped in order: this was no attempt that failed
                self._write(replace(live.job, state="queued", attempts=live.job.attempts - 1))

    def live(self) -> int:
        """Number of jobs that are not over."""
        return len(self._live)

    # -- asking

    def accept(self, kind: str, asked: Asked, index_id: str) -> Job:
        """Store a question and start work on it; a job of the same question to the same index is used again.

        Raises Refusal if too many jobs wait, or if the subject of the question does not exist.
        """
        if kind != "table":  # of a table, what is not there costs its row alone
            located(asked, self._settings)
        key = _key(kind, asked, index_id)
        known = self._known(key) if kind != "ingest" else None
        if known is not None:
            return known
        if len(self._live) >= self._settings.limits.waiting:
            raise Refusal(429, "busy", "too many questions wait: ask again in a minute", {"Retry-After": "60"})
        job = Job(secrets.token_hex(16), kind, asked, key, "queued", _now())
        (self._folder / job.id).mkdir(mode=0o700)
        self._write(job)
        self._begin(job)
        self._accepted += 1
        if self._accepted % _ACCEPTED_UNTIL_FORGOTTEN == 0:
            self._forget()
        return job

    def find(self, job: str) -> Job:
        """The job of that id. Raises Refusal."""
        live = self._live.get(job)
        if live is not None:
            return live.job
        found = _read(self._folder / job / _STATE)
        if found is None:
            raise Refusal(404, "unknown-job", "no such job: it may have been kept long enough; ask again")
        return found

    async def ended(self, job: Job, seconds: float) -> Job:
        """The job when it has ended, or its state after `seconds`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while (live := self._live.get(job.id)) is not None and not self._is_stopping:
                    await live.changed.wait()
        return self.find(job.id)

    async def change(self, job: str, seconds: float) -> bool:
        """Wait until something of a job changes; False if nothing did for `seconds`."""
        live = self._live.get(job)
        if live is None:
            return True
        try:
            async with asyncio.timeout(seconds):
                await live.changed.wait()
        except TimeoutError:
            return False
        return True

    def result(self, job: Job) -> Path:
        """The path of a job's answer."""
        return self._folder / job.id / _RESULT

    def subject(self, job: Job) -> Asked:
        """What a whois was about, for its reports: the upload or model, or the sketch that was made of it."""
        checkpoint: Asked = job.asked["checkpoint"]
        made = self._folder / job.id / _SKETCH
        about: Asked = {key: value for key, value in job.asked.items() if key in ("checkpoint", "adapter")}
        if made.is_file() and "model" not in checkpoint:
            shown = " + ".join(called(one) for one in about.values())
            return {"checkpoint": {"file": str(made), "shown": shown, "seen": True}}
        return located(about, self._settings)

    def reports(self, job: Job) -> tuple[str, ...]:
        """The formats of a job's answer besides JSON; none before it is done."""
        if job.state != "done":
            return ()
        offered = REPORTS.get(job.kind, ())
        made = tuple(ending for ending in offered if page_beside(self.result(job), ending).is_file())
        is_drawn = job.kind in ("whois", "compare") and TEXT not in made  # about tokenizers it is made with the answer
        return offered if is_drawn else made

    def value(self, job: Job) -> dict[str, Any]:
        """`lineage/job/1`."""
        live = self._live.get(job.id)
        step = None if live is None else live.step
        reports = self.reports(job)
        links = {"self": f"/api/jobs/{job.id}", "events": f"/api/jobs/{job.id}/events"}
        if job.state == "done":
            links["result"] = f"/api/jobs/{job.id}/result"
            if reports:
                links["report"] = f"/api/jobs/{job.id}/report"
        return {
            "schema": "lineage/job/1",
            "id": job.id,
            "kind": job.kind,
            "asked": job.asked,
            "state": job.state,
            "accepted": job.accepted,
            "ended": job.ended,
            "attempts": job.attempts,
            "progress": None if step is None else dict(zip(("what", "done", "total"), step, strict=True)),
            "index_id": job.index_id,
            "error": None if job.error is None else job.error.value(),
            "links": links,
            "reports": list(reports),
        }

    # -- working

    def _begin(self, job: Job) -> None:
        self._live[job.id] = _Live(job)
        task = asyncio.create_task(self._work(job.id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self, job_id: str) -> None:
        job = self._live[job_id].job
        folder = self._folder / job.id
        try:
            if job.kind == "table":
                found = await self._table(job_id, folder)
            else:
                question = Question(job.kind, located(job.asked, self._settings), folder / _RESULT, folder / _SKETCH)
                found = await self._asked(job_id, replace(question, is_long=_is_long(job)))
            if job.kind == "ingest":
                self._ended.clear()  # a further layout changes answers and no id
        except Refusal as gone:  # of an upload, between two starts of the service
            found = gone.refused
        except OSError as error:
            _LOG.exception("job", extra={"fields": {"job": job_id}})
            found = Refused(503, "disk", f"the service cannot write or read: {error.strerror}")
        self._over(job_id, found)

    async def _table(self, job_id: str, folder: Path) -> str | Refused:
        """Row by row; a job that makes progress is not given up, however often the service ends."""

        def told(done: int, total: int) -> None:
            job = self._live[job_id].job
            if job.attempts > 1 and done < total:
                self._set(job_id, replace(job, attempts=1))
            self._step(job_id, ("checkpoints", done, total))

        async def row(question: Question) -> str | Refused:
            return await self._lanes.answer(question, started=lambda: self._started(job_id))

        asked = self._live[job_id].job.asked
        table = await rows(asked, folder, self._settings, row, told)
        return await self._asked(job_id, Question("table", table, folder / _RESULT))

    async def _asked(self, job_id: str, question: Question) -> str | Refused:
        async with self._ingesting if question.kind == "ingest" else nullcontext():
            return await self._lanes.answer(
                question, lambda told: self._step(job_id, told), lambda: self._started(job_id)
            )

    def _started(self, job_id: str) -> None:
        job = self._live[job_id].job
        if job.state != "running":
            self._set(job_id, replace(job, state="running", attempts=job.attempts + 1))

    def _step(self, job_id: str, told: Step) -> None:
        self._live[job_id].step = told
        self._tell(job_id)

    def _over(self, job_id: str, found: str | Refused) -> None:
        job = self._live[job_id].job
        if isinstance(found, Refused):
            job = replace(job, state="failed", ended=_now(), error=found)
        else:
            job = replace(job, state="done", ended=_now(), index_id=found)
        self.counts[job.state] += 1
        self._set(job_id, job)
        live = self._live.pop(job_id)
        self._remember(job)
        live.changed.set()

    def _set(self, job_id: str, job: Job) -> None:
        self._write(job)
        self._live[job_id].job = job
        self._tell(job_id)

    def _tell(self, job_id: str) -> None:
        live = self._live[job_id]
        live.changed.set()
        live.changed = asyncio.Event()

    # -- on disk

    def _write(self, job: Job) -> None:
        write_whole(self._folder / job.id / _STATE, json.dumps(asdict(job)).encode())

    def _known(self, key: str) -> Job | None:
        """A job of the same question, done or under way."""
        live = next((one.job for one in self._live.values() if one.job.key == key), None)
        if live is not None or key not in self._ended:
            return live
        found = _read(self._folder / self._ended[key] / _STATE)
        return found if found is not None and self.result(found).is_file() else None

    def _remember(self, job: Job) -> None:
        if job.state == "done" and job.kind != "ingest":
            self._ended[job.key] = job.id

    def _kept(self) -> Iterator[Job]:
        for folder in sorted(self._folder.iterdir()):
            job = _read(folder / _STATE)
            if job is not None:
                yield job
            elif not (folder / _STATE).exists():  # killed before the question was accepted
                shutil.rmtree(folder, ignore_errors=True)
            else:
                _LOG.warning("damaged job", extra={"fields": {"job": folder.name}})

    def _forget(self) -> None:
        """Delete jobs and uploads that are older than `keep_days`, and the oldest jobs beyond `keep_jobs`."""
        limits = self._settings.limits
        oldest = time.time() - limits.keep_days * _DAY_S
        kept = sorted((age(folder), folder) for folder in self._folder.iterdir() if folder.name not in self._live)
        spare = len(kept) + len(self._live) - limits.keep_jobs
        for i, (written, folder) in enumerate(kept):
            if i < spare or written < oldest:
                shutil.rmtree(folder, ignore_errors=True)
        self._ended = {key: job for key, job in self._ended.items() if (self._folder / job).is_dir()}
        forget_uploads(self._settings.state, limits)


def _is_long(job: Job) -> bool:
    """Whether a job reads weights, or writes to the index."""
    checkpoints = [one for one in job.asked.values() if isinstance(one, dict)]
    return job.kind == "ingest" or any(map(reads_weights, checkpoints))


def _key(kind: str, asked: Asked, index_id: str) -> str:
    from lineage import __version__

    return sha256(json.dumps([__version__, kind, asked, index_id], sort_keys=True).encode()).hexdigest()


def _read(place: Path) -> Job | None:
    try:
        read = json.loads(place.read_bytes())
        error = None if read["error"] is None else Refused(**read["error"])
        return Job(**{**read, "error": error})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
