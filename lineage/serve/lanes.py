"""Processes that answer questions, a few at a time, and what bounds them."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from lineage.serve.asked import PREPARE
from lineage.serve.refusals import Refused
from lineage.serve.settings import Settings
from lineage.serve.waiting import Question, Queue, Step, Waiting, model_of

_LOG = logging.getLogger("lineage.serve")
_LINE = 1 << 20  # bytes of a line from a worker
_MOST_ANSWERS = 200  # of one process, so that whatever a library does not give back is bounded


class Lanes:
    """`limits.workers` processes; each is started when it is needed and replaced when it ends or is ended.

    Where models are to be prepared, they are started at once.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._queue = Queue()
        self._changed = asyncio.Condition()
        self._tasks: list[asyncio.Task[None]] = []
        self.busy = 0
        self.replaced = 0

    def start(self) -> None:
        """Begin to take questions."""
        count = self._settings.limits.workers
        self._tasks = [asyncio.create_task(self._lane(i, takes_long=i > 0 or count == 1)) for i in range(count)]

    async def stop(self) -> None:
        """End every process, whatever it does."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def waiting(self) -> int:
        """Number of questions that no process has taken yet."""
        return len(self._queue)

    async def answer(
        self,
        question: Question,
        step: Callable[[Step], None] = lambda _: None,
        started: Callable[[], None] = lambda: None,
    ) -> str | Refused:
        """The id of the index that the answer was made from, once the answer is at its target, or the refusal."""
        one = Waiting(question, step, started, model=model_of(question.asked))
        async with self._changed:
            self._queue.put(one)
            self._changed.notify_all()
        try:
            return await one.ended
        finally:
            self._queue.remove(one)

    async def _lane(self, number: int, *, takes_long: bool) -> None:
        process = await self._ahead(number)
        answered = 0
        try:
            while True:
                one = await self._next(number, takes_long=takes_long)
                self.busy += 1
                try:
                    if process is None or process.returncode is not None or answered >= _MOST_ANSWERS:
                        await _end(process)
                        self._queue.restarted(number, one)
                        process, answered = await self._begin(number), 0
                    answered += 1
                    one.started()
                    if not await self._asked(process, one):
                        self.replaced += 1
                        await _end(process)
                        process = None
                except OSError as error:  # a full disk, too many processes: the next question may fare better
                    _LOG.exception("lane")
                    one.end(Refused(503, "not-now", f"the service cannot work on it: {error.strerror}"))
                finally:
                    self.busy -= 1
        finally:
            await _end(process)

    async def _next(self, number: int, *, takes_long: bool) -> Waiting:
        async with self._changed:
            await self._changed.wait_for(lambda: self._queue.has_some(takes_long=takes_long))
            return self._queue.take(number)

    async def _ahead(self, number: int) -> Process | None:
        """A process that begins before anyone asks, where it is to prepare some models."""
        if not self._settings.limits.prepared:
            return None
        try:
            return await self._begin(number)
        except OSError:  # the first question begins another
            _LOG.exception("lane")
            return None

    async def _begin(self, number: int) -> Process:
        settings = {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
        words = [sys.executable, "-m", "lineage.serve.worker", str(self._settings.limits.memory_mib)]
        process = await asyncio.create_subprocess_exec(
            *words, stdin=PIPE, stdout=PIPE, limit=_LINE, env=os.environ | settings
        )
        limits = self._settings.limits
        if limits.prepared and process.stdin is not None:
            # Each begins with other models, so that together they are ready for most of them early.
            line = {"kind": PREPARE, "most": limits.prepared, "first": number / limits.workers, **self._searched()}
            process.stdin.write(json.dumps(line).encode() + b"\n")
        return process

    def _searched(self) -> dict[str, Any]:
        """The indexes, as a process is told of them."""
        index = self._settings.index
        return {"index": None if index is None else str(index), "reference": self._settings.reference}

    async def _asked(self, process: Process, one: Waiting) -> bool:
        """Have one question answered; False where the process cannot go on."""
        seconds = self._settings.limits.seconds
        try:
            async with asyncio.timeout(seconds):
                found = await self._told(process, one)
        except TimeoutError:
            one.end(Refused(422, "too-long", f"takes longer than the {seconds} seconds that this service gives to it"))
            return False
        except asyncio.CancelledError:
            one.ended.cancel()
            raise
        one.end(found or Refused(422, "ended", "the process that worked on it ended: it may need more memory"))
        return found is not None

    async def _told(self, process: Process, one: Waiting) -> str | Refused | None:
        assert process.stdin is not None
        assert process.stdout is not None
        question = one.question
        line = {
            "kind": question.kind,
            "asked": question.asked,
            **self._searched(),
            "target": str(question.target),
            "sketch": None if question.sketch is None else str(question.sketch),
        }
        try:
            process.stdin.write(json.dumps(line).encode() + b"\n")
            await process.stdin.drain()
            while told := await process.stdout.readline():
                value: dict[str, Any] = json.loads(told)
                if "step" in value:
                    what, done, total = value["step"]
                    one.step((what, done, total))
                elif "done" in value:
                    return str(value["done"])
                else:
                    return Refused(**value["failed"])
        except (OSError, ValueError) as error:
            _LOG.warning("worker", extra={"fields": {"error": str(error)}})
        return None


async def _end(process: Process | None) -> None:
    """End a process and wait for it, so that nothing of it is left."""
    if process is None:
        return
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()
    if process.stdin is not None:
        process.stdin.close()
        with suppress(OSError):
            await process.stdin.wait_closed()
