"""The style of relations: line style by class of relation, colour by family, and the legend."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace

from lineage.report.kinship import families
from lineage.types import Edge, Lineage, Relation

INK = "#1f2733"
FAINT = "#68727f"
PAPER = "#ffffff"
_DECLARED = "#8b929c"
_ALONE = "#7d8590"
_FAMILIES = (
    "#2f62ad", "#b3541e", "#2c7a4b", "#8e3b8a", "#a8323e", "#00758f", "#7a6212", "#5a4fb0", "#b03a72", "#4c6b22",
    "#1f6f6b", "#855233",
)  # fmt: skip
"""Twelve hues of equal darkness, so that white text is readable on each."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line style: `dash` are lengths on and off, empty for a solid line; a double line has a light core."""

    label: str
    width: float
    dash: tuple[float, ...] = ()
    is_double: bool = False


TRAINED = Line("trained further", 1.8)
RECODED = Line("same weights in another form", 0.9)
RESHAPED = Line("another shape", 4.2, is_double=True)
MERGED = Line("merged, with weights", 3.0)
REUSED = Line("one component reused", 1.8, (9, 3, 2, 3))
UNDIRECTED = Line("related, direction open", 1.6, (1.5, 3.5))
DECLARED = Line("only declared", 1.4, (6, 4))
LINES = (TRAINED, RECODED, RESHAPED, MERGED, REUSED, UNDIRECTED, DECLARED)

_CLASSES: dict[Relation, Line] = {
    Relation.IDENTICAL: RECODED,
    Relation.RE_ENCODED: RECODED,
    Relation.QUANTIZED: RECODED,
    Relation.PRUNED: RECODED,
    Relation.VOCABULARY_CHANGED: RESHAPED,
    Relation.DEPTH_CHANGED: RESHAPED,
    Relation.WIDTH_PRUNED: RESHAPED,
    Relation.EXPERT_UPCYCLED: RESHAPED,
    Relation.DISGUISED: RESHAPED,
    Relation.MERGED: MERGED,
    Relation.COMPONENT_REUSED: REUSED,
}


def line(edge: Edge) -> Line:
    """The style of an edge: what is declared or has no direction shows that before its relation."""
    if edge.source == "declared":
        return DECLARED
    return _CLASSES.get(edge.relation, TRAINED) if edge.directed else UNDIRECTED


def drawn(style: Line, edge: Edge) -> Line:
    """`style` with the strength of the edge: a weak one is drawn thinner."""
    doubtful = edge.confidence is not None and edge.confidence < 0.5
    return replace(style, width=style.width * 0.6) if doubtful else style


def colours(lineage: Lineage) -> Mapping[str, str]:
    """The colour of each node's family; models without relatives are grey."""
    return {
        node.id: _ALONE if len(family) == 1 else _FAMILIES[i % len(_FAMILIES)]
        for i, family in enumerate(families(lineage))
        for node in family
    }


def colour(edge: Edge, of: Mapping[str, str]) -> str:
    """The colour of an edge: that of its family."""
    return _DECLARED if edge.source == "declared" else of[edge.child]


def tint(colour_: str, share: float) -> str:
    """`colour_` mixed with white, `share` of it kept."""
    parts = (int(colour_[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(255 - share * (255 - part)):02x}" for part in parts)


def text_width(text: str, size: float) -> float:
    """The approximate width of `text` in pixels: not less than in DejaVu Sans, the widest of the usual fonts."""
    return size * sum(map(_advance, text))


def shortened(text: str, size: float, widest: float) -> str:
    """`text`, or its beginning and end where it is wider than `widest`: versions stand at the end of names."""
    if text_width(text, size) <= widest:
        return text
    most = int(widest / (0.37 * size))  # letters that fit where all are narrow: a name may have thousands
    head, tail = min(len(text) * 3 // 5, most), min(len(text) * 2 // 5, most)
    while head + tail > 1 and text_width(short := f"{text[:head]}…{text[len(text) - tail :]}", size) > widest:
        head, tail = (head - 1, tail) if head * 2 > tail * 3 else (head, tail - 1)
    return short


def _advance(character: str) -> float:
    if unicodedata.east_asian_width(character) in "WF":
        return 1.0
    if unicodedata.combining(character):
        return 0.0
    if character in "ijlI.,:;|!'`/ ()[]":
        return 0.37
    if character in "mwMW@%":
        return 0.97
    return 0.72 if character.isupper() else 0.63
