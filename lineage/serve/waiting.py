"""Questions that wait for a process: first come, first served, but for a process that has the model at hand.

A process keeps what it has worked out of a model. The next question about it goes there, if other questions are there
for the process that would have taken it; none is passed over more than a few times.
"""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from lineage.serve.asked import Asked
from lineage.serve.refusals import Refused
from lineage.serve.uploads import SUFFIX

Step = tuple[str, int, int]

MOST_PASSED = 4  # times that a question is left to the process that has its model
_MOST_KNOWN = 4096  # models of which is known where they were asked about last
_ID = re.compile(rb'\\"id\\":\\"([0-9a-f]{8,64})\\"')
_HEAD = 256  # bytes of a sketch file that hold its id, which the first fields of the header are


@dataclass(frozen=True, slots=True)
class Question:
    """What a process is to answer, and where to.

    `is_long` is work that may take minutes: one process, where there are two or more, never does such work.
    """

    kind: str
    asked: Asked
    target: Path
    sketch: Path | None = None
    is_long: bool = False


@dataclass(slots=True, eq=False)
class Waiting:
    """A question, who waits for its answer, and which model it is about, as far as that is seen at once."""

    question: Question
    step: Callable[[Step], None]
    started: Callable[[], None]
    ended: asyncio.Future[str | Refused] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    model: str | None = None
    passed: int = 0

    def end(self, found: str | Refused) -> None:
        """Give the answer to the caller if it still waits."""
        if not self.ended.done():
            self.ended.set_result(found)


class Queue:
    """The questions that no process has taken; the processes go by their numbers."""

    def __init__(self) -> None:
        self._short: deque[Waiting] = deque()
        self._long: deque[Waiting] = deque()
        self._last: OrderedDict[str, int] = OrderedDict()  # model -> the process that was asked about it last

    def __len__(self) -> int:
        return len(self._short) + len(self._long)

    def put(self, one: Waiting) -> None:
        """Add a question."""
        (self._long if one.question.is_long else self._short).append(one)

    def remove(self, one: Waiting) -> None:
        """Take back a question that may have been taken."""
        with suppress(ValueError):
            (self._long if one.question.is_long else self._short).remove(one)

    def has_some(self, *, takes_long: bool) -> bool:
        """Whether there is a question for a process that takes long ones too, or does not."""
        return bool(self._short or (takes_long and self._long))

    def take(self, process: int) -> Waiting:
        """The next question for a process: the oldest that is not about a model that another one has.

        If all are, the oldest. Long ones come last. There must be one.
        """
        waiting = self._short or self._long
        chosen = next((one for one in waiting if self._is_for(one, process)), waiting[0])
        for one in waiting:
            if one is chosen:
                break
            one.passed += 1
        waiting.remove(chosen)
        self._note(chosen, process)
        return chosen

    def restarted(self, process: int, one: Waiting) -> None:
        """A process was replaced: it has no model at hand but that of the question that it took."""
        self._last = OrderedDict((model, held) for model, held in self._last.items() if held != process)
        self._note(one, process)

    def _note(self, one: Waiting, process: int) -> None:
        if one.model is not None:
            self._last[one.model] = process
            self._last.move_to_end(one.model)
            if len(self._last) > _MOST_KNOWN:
                self._last.popitem(last=False)

    def _is_for(self, one: Waiting, process: int) -> bool:
        if one.model is None or one.passed >= MOST_PASSED:
            return True
        return self._last.get(one.model, process) == process


def model_of(asked: Asked) -> str | None:
    """The model that a question is about: the name of a known one, or the id that a sketch claims; else None.

    Nothing but the choice of a process depends on it.
    """
    checkpoint = asked.get("checkpoint")
    if not isinstance(checkpoint, dict):
        return None
    if "model" in checkpoint:
        return str(checkpoint["model"])
    place = Path(checkpoint.get("file", ""))
    if place.suffix != SUFFIX:
        return None
    try:
        with place.open("rb") as file:
            found = _ID.search(file.read(_HEAD))
    except OSError:
        return None
    return None if found is None else found[1].decode()
