"""Answers about many checkpoints as one table (RFC 4180, line feeds), safe to open in a spreadsheet."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from io import StringIO
from typing import Any, NamedTuple

from lineage.report.graphs.csv import cell
from lineage.report.text.places import headline
from lineage.types import Relative, Whois

COLUMNS = (
    "checkpoint", "name", "id", "verdict", "said", "relatives", "relations", "probabilities", "licence", "params",
    "models_searched", "index_id", "error",
)  # fmt: skip


class Row(NamedTuple):
    """One checkpoint as it was named, its answer, or the line that says why it has none."""

    checkpoint: str
    answer: Whois | None = None
    error: str | None = None


def table(rows: Sequence[Row]) -> bytes:
    """A head and a line a checkpoint, in their order; unknown is empty.

    `said` is the first line of the screen; `relatives` are the copies, else the parents, else those where
    which came first is open, with their relations and probabilities in the same order.
    """
    page = StringIO()
    written = csv.writer(page, lineterminator="\n")
    written.writerow(COLUMNS)
    for row in rows:
        value = _value(row)
        written.writerow([cell(value.get(column)) for column in COLUMNS])
    return page.getvalue().encode("utf-8")


def _value(row: Row) -> dict[str, Any]:
    if row.answer is None:
        return {"checkpoint": row.checkpoint, "error": row.error}
    answer = row.answer
    near = _nearest(answer)
    return {
        "checkpoint": row.checkpoint,
        "name": answer.sketch.name,
        "id": answer.sketch.id,
        "verdict": answer.verdict,
        "said": headline(answer).text,
        "relatives": "; ".join(one.model_name for one in near) or None,
        "relations": "; ".join(one.relation for one in near) or None,
        "probabilities": "; ".join(f"{one.probability:.2f}" for one in near) or None,
        "licence": answer.sketch.licence,
        "params": answer.sketch.params,
        "models_searched": answer.limits.models_searched,
        "index_id": answer.limits.index_id,
    }


def _nearest(answer: Whois) -> Sequence[Relative]:
    place = answer.place
    return place.copies or place.parents or place.open
