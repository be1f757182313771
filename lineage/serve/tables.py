"""Tables of many checkpoints: each row is a separate question whose answer is stored on disk.

So a checkpoint that cannot be read, takes too long or needs too much memory affects only its own row, and a killed
service continues after the rows that are stored.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path

from lineage import report
from lineage.atomic_write import write_whole
from lineage.serve.asked import Asked, called, located, reads_weights
from lineage.serve.refusals import Refusal, Refused
from lineage.serve.settings import Settings
from lineage.serve.waiting import Question

Answer = Callable[[Question], Awaitable[str | Refused]]
_NO_INDEX = 503  # whatever is wrong with the index or the disk is wrong for every row


async def rows(
    asked: Asked, folder: Path, settings: Settings, answer: Answer, told: Callable[[int, int], None]
) -> Asked:
    """Answer every row that has no answer yet; returns the question that makes a table of them.

    `told` is called with the rows done and to do. Raises Refusal or OSError if no further row can be answered.
    """
    checkpoints = asked["checkpoints"]
    places = [folder / f"row-{i:04}.json" for i in range(len(checkpoints))]
    missing = deque(i for i, place in enumerate(places) if not place.is_file())
    left = len(missing)

    async def work() -> None:
        nonlocal left
        while missing:
            i = missing.popleft()
            try:
                await _row(checkpoints[i], asked, places[i], settings, answer)
            except (Refusal, OSError):
                missing.clear()
                raise
            left -= 1
            told(len(places) - left, len(places))

    told(len(places) - left, len(places))
    ended = await asyncio.gather(*(work() for _ in range(settings.limits.workers)), return_exceptions=True)
    if failures := [one for one in ended if one is not None]:
        raise failures[0]
    return {"rows": [str(place) for place in places]}


async def _row(checkpoint: Asked, asked: Asked, place: Path, settings: Settings, answer: Answer) -> None:
    """Write one row, whole or not at all. Raises Refusal, OSError."""
    name = called(checkpoint)
    try:
        found = located({**asked, "checkpoint": checkpoint, "checkpoints": []}, settings)
        name = called(found["checkpoint"])
        part = place.with_suffix(".part")
        ended = await answer(Question("row", found, part, is_long=reads_weights(checkpoint)))
        if isinstance(ended, Refused):
            raise Refusal(ended.status, ended.error, ended.message)
        part.replace(place)
    except Refusal as refusal:
        if refusal.refused.status == _NO_INDEX:
            raise
        row = report.table.failed_row(name, refusal.refused.message)
        write_whole(place, json.dumps(row).encode())
