"""Claims checked against weights: a screen for people, a JSON value for programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lineage.report.facts import fact_value, fact_values
from lineage.report.figures import plain
from lineage.report.json import checkpoint
from lineage.report.text.canvas import Canvas
from lineage.report.text.terminal import handed_over_lines
from lineage.report.words import text
from lineage.types import Checked, Outcome, Verification

_STYLES: dict[Outcome, str] = {
    "contradicted": "bold magenta",
    "unsupported": "bold yellow",
    "consistent": "bold green",
}


def verification_screen(found: Verification, width: int = 100, colour: bool = False) -> str:
    """A line a claim: the outcome, the claim with its line in the file, the evidence."""
    canvas = Canvas(width, colour)
    worst = next((outcome for outcome in _STYLES if any(c.outcome == outcome for c in found.checked)), None)
    said = "NO CLAIMS FOUND" if worst is None else worst.upper()
    heading = f"{plain(found.answer.sketch.name)}, claims of {plain(Path(found.source).name)}"
    canvas.pair(heading, said, _STYLES[worst or "unsupported"])
    handed_over_lines(canvas, found.answer.handed_over)
    for one in found.checked:
        canvas.line(f"{one.outcome.upper()}  {_claim(one)}", indent=2)
        canvas.line(plain(text(one.evidence)), indent=4)
    for note in found.notes:
        canvas.line(f"note: {text(note)}", indent=2)
    return canvas.text()


def verification_value(found: Verification) -> dict[str, Any]:
    """`lineage/verify/1`."""
    return {
        "schema": "lineage/verify/1",
        "checkpoint": checkpoint(found.answer.sketch),
        "source": found.source,
        "handed_over": fact_values(found.answer.handed_over),
        "claims": [
            {
                "kind": one.claim.kind,
                "value": one.claim.value,
                "words": one.claim.words,
                "line": one.claim.line,
                "outcome": one.outcome,
                "evidence": text(one.evidence),
                "evidence_fact": fact_value(one.evidence),
            }
            for one in found.checked
        ],
        "models_searched": found.answer.limits.models_searched,
        "index_id": found.answer.limits.index_id,
        "notes": [text(note) for note in found.notes],
        "note_facts": [fact_value(note) for note in found.notes],
    }


def _claim(one: Checked) -> str:
    return f'"{plain(one.claim.words)}" (line {one.claim.line})'
