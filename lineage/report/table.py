"""Answers about many checkpoints as one table: JSON after table.json of index/schema, and CSV.

CSV is RFC 4180 with line feeds, safe to open in a spreadsheet.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from io import StringIO
from typing import Any

from lineage.report.figures import finite
from lineage.report.graphs.csv import cell
from lineage.report.text.places import headline
from lineage.report.text.tokenizers import headline as tokenizer_headline
from lineage.types import Relative, TokenizerComparison, Whois

Row = dict[str, Any]
"""One checkpoint: its name, and its answer in one line or the line that says why it could not be answered."""

COLUMNS = (
    "checkpoint", "name", "id", "verdict", "said", "relatives", "relations", "probabilities", "licence", "params",
    "models_searched", "index_id", "error",
)  # fmt: skip


def row(checkpoint: str, answer: Whois) -> Row:
    """The row of a model or an adapter, named as it was given.

    `said` is the first line of the screen; `relatives` are the copies, else the parents, else those where
    which came first is open.
    """
    return _row(
        checkpoint,
        name=answer.sketch.name,
        id=answer.sketch.id,
        verdict=answer.verdict,
        said=headline(answer).text,
        relatives=[_relative(one) for one in _nearest(answer)],
        licence=answer.sketch.licence,
        params=answer.sketch.params,
        models_searched=answer.limits.models_searched,
        index_id=answer.limits.index_id,
    )


def tokenizer_row(checkpoint: str, found: TokenizerComparison) -> Row:
    """The row of a tokenizer without weights: without verdict and relatives."""
    return _row(checkpoint, name=found.a, said=f"tokenizer: {tokenizer_headline(found)}")


def failed_row(checkpoint: str, line: str) -> Row:
    """The row of a checkpoint without an answer."""
    return _row(checkpoint, error=line)


def table_value(rows: Sequence[Row]) -> dict[str, Any]:
    """`lineage/table/1`."""
    return {"schema": "lineage/table/1", "rows": list(rows)}


def table(rows: Sequence[Row]) -> bytes:
    """CSV: a header and one line per checkpoint, in their order; unknown is empty."""
    page = StringIO()
    written = csv.writer(page, lineterminator="\n")
    written.writerow(COLUMNS)
    for one in rows:
        value = _flat(one)
        written.writerow([cell(value[column]) for column in COLUMNS])
    return page.getvalue().encode("utf-8")


def _row(checkpoint: str, **known: Any) -> Row:
    nothing = dict.fromkeys(column for column in COLUMNS if column not in ("relations", "probabilities"))
    return {**nothing, "checkpoint": checkpoint, "relatives": [], **known}


def _relative(one: Relative) -> dict[str, Any]:
    named = {"model": one.model, "model_name": one.model_name}
    return {**named, "relation": one.relation, "probability": finite(one.probability)}


def _flat(one: Mapping[str, Any]) -> dict[str, Any]:
    """A row whose relatives, with their relations and probabilities, stand in three cells in the same order."""
    near = one["relatives"]
    return {
        **one,
        "relatives": "; ".join(each["model_name"] for each in near) or None,
        "relations": "; ".join(each["relation"] for each in near) or None,
        "probabilities": "; ".join(map(_share, near)) or None,
    }


def _share(near: Mapping[str, Any]) -> str:
    return "" if near["probability"] is None else f"{near['probability']:.2f}"


def _nearest(answer: Whois) -> Sequence[Relative]:
    place = answer.place
    return place.copies or place.parents or place.open
