"""A process that answers one question after another: `python -m lineage.serve.worker`.

It reads one JSON object a line and writes JSON lines: `{"step": [what, done, total]}`, finally `{"done": index id}` or
`{"failed": {...}}`. The answer itself goes to the file that the question names. Nothing is said to a line of the kind
`prepare`: what it asks for is done while no question waits. A process of its own can be given a
bound of memory, be ended when it takes too long, and take nothing with it if a file brings it down. It ends as soon as
the service that started it does.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, TextIO

from lineage.serve.asked import PREPARE, as_asked
from lineage.serve.refusals import refused

_SHOWN_EVERY_S = 0.2
_UNTIL_COLLECTED = 100_000
_LONGEST_PAUSE_S = 1.0
_AGAIN = 3  # times a question is asked again because models were added while it was answered


def main() -> None:
    """Answer until standard input ends."""
    gc.set_threshold(_UNTIL_COLLECTED)  # see lineage.cli.main
    written = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints must not be taken for an answer
    bound_memory(int(sys.argv[1]))
    questions: SimpleQueue[str] = SimpleQueue()
    threading.Thread(target=_listen, args=(questions,), daemon=True).start()
    ahead: Iterator[bool] = iter(())
    while True:
        question = json.loads(next_line(questions, ahead))
        if question["kind"] == PREPARE:
            ahead = _prepared(question, lambda: not questions.empty())
        else:
            _say(written, _answered(question, written))


def next_line(questions: SimpleQueue[str], ahead: Iterator[bool]) -> str:
    """The next line; until it comes, a step at a time of what can be done ahead, with as long a pause after each."""
    while True:
        began = time.monotonic()
        if questions.empty() and next(ahead, None) is None:
            return questions.get()
        with suppress(Empty):
            return questions.get(timeout=min(_LONGEST_PAUSE_S, time.monotonic() - began))


def _prepared(question: dict[str, Any], is_asked: Callable[[], bool]) -> Iterator[bool]:
    from lineage import api

    try:
        yield from api.prepared(
            question["index"],
            reference=question["reference"],
            most=question["most"],
            first=question["first"],
            is_asked=is_asked,
        )
    except Exception:  # whoever asks will be told what is wrong
        traceback.print_exc()


def bound_memory(mib: int) -> None:
    """Let this process take `mib` MiB of data, where the system can bound that; 0 is unbounded."""
    if not mib:
        return
    try:
        import resource
    except ImportError:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = mib << 20
    resource.setrlimit(resource.RLIMIT_DATA, (wanted if hard < 0 else min(wanted, hard), hard))


def _listen(questions: SimpleQueue[str]) -> None:
    """Pass on each line; the end of the input means that the service has ended."""
    for line in sys.stdin:
        questions.put(line)
    os._exit(0)


def _answered(question: dict[str, Any], written: TextIO) -> dict[str, Any]:
    from lineage import api
    from lineage.serve.answering import Desk, answer

    index = question["index"]
    sketch = None if question["sketch"] is None else Path(question["sketch"])
    desk = Desk(index, question["reference"], Path(question["target"]), sketch, _Teller(written).tell)
    try:
        for _ in range(_AGAIN):
            before = api.index_id(index, reference=desk.reference)
            answer(question["kind"], question["asked"], desk)
            made_from = api.index_id(index, reference=desk.reference)
            if question["kind"] == "ingest" or before == made_from:
                break
        return {"done": made_from}
    except Exception as error:
        found = refused(error)
        if found.status == 500:
            traceback.print_exc()
        hidden = {question["target"]: "answer"} | ({} if index is None else {str(index): "the index"})
        message = as_asked(found.message, question["asked"], hidden)
        return {"failed": {"status": found.status, "error": found.error, "message": message}}


class _Teller:
    """Reports progress, no more often than anyone can read."""

    def __init__(self, written: TextIO) -> None:
        self._written = written
        self._last = 0.0
        self._guard = threading.Lock()

    def tell(self, what: str, done: int, total: int) -> None:
        with self._guard:
            now = time.monotonic()
            if now - self._last >= _SHOWN_EVERY_S or done >= total:
                self._last = now
                _say(self._written, {"step": [Path(what).name, done, total]})


def _say(written: TextIO, value: dict[str, Any]) -> None:
    written.write(json.dumps(value) + "\n")
    written.flush()


if __name__ == "__main__":
    main()
