"""How much of the parameters comes from where: one bar, and a row a component."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from lineage.report.figures import count, percent
from lineage.report.html.document import table
from lineage.report.html.markup import between, joined, tag, unmarked
from lineage.report.html.palette import Piece, chip
from lineage.report.html.texts import Texts
from lineage.report.html.wording import NONE, direction, finding_words, model, p_figure, r_figure, share_of, z_figure

_HEIGHT = 44
_LEAST_LABELLED = 0.035  # of the width, so that a letter fits on a phone
_LEAST_SEEN = 0.002


def share_bar(say: Texts, pieces: Sequence[Piece]) -> Markup:
    """The parameters of the model from left to right, each component lettered and filled after its origin."""
    x = 0.0
    parts: list[Markup] = []
    for piece in pieces:
        parts.append(_part(piece, x, _label(say, piece)))
        x += piece.finding.share
    if 1.0 - x > _LEAST_SEEN / 4:
        rest = tag("title", say("shares.rest"), " ", percent(1.0 - x))
        parts.append(tag("g", rest, _rectangle(x, max(1.0 - x, _LEAST_SEEN), "rest")))
    label = between("; ", [_label(say, piece) for piece in pieces])
    return tag("svg", _patterns(), parts, class_="bar", height=_HEIGHT, role="img", aria_label=label)


def component_table(say: Texts, pieces: Sequence[Piece]) -> Markup:
    """Every component with its relation, its origin and the figures."""
    heads = [say(f"shares.{key}") for key in ("component", "share", "relation", "origin", "direction")]
    figures = ["r", "z", "p", say("shares.coverage"), say("shares.confidence")]
    return table(say("shares.caption"), [*heads, *figures], [_row(say, one) for one in pieces], (1, 5, 6, 7, 8, 9))


def _row(say: Texts, piece: Piece) -> list[str]:
    finding = piece.finding
    evidence = finding.evidence
    reach = evidence.min_detectable_r
    if piece.model_name is None:
        origin = say("shares.untested") if reach is None else say("shares.reach", r=f"{reach:.2f}")
    else:
        origin = model(piece.model_name)
    return [
        joined(chip(piece), " ", say.word("component", finding.name)),
        joined(share_of(say, finding), tag("small", f" {count(finding.params)}")),
        finding_words(say, finding),
        origin,
        direction(say, finding.relation, finding.direction) if piece.model is not None else NONE,
        r_figure(evidence.r),
        z_figure(evidence.z),
        p_figure(evidence.log10_p),
        percent(evidence.coverage),
        f"{finding.confidence:.2f}" if finding.confidence > 0 else NONE,
    ]


def _part(piece: Piece, x: float, label: str) -> Markup:
    """A component from `x` on: the share that came from its origin, then the rest."""
    width, came = max(piece.finding.share, _LEAST_SEEN), piece.finding.share_inherited
    parts = [tag("title", unmarked(label)), _rectangle(x, width, piece.fill)]
    if width - came > _LEAST_SEEN:
        parts.append(_rectangle(x + came, width - came, "none"))
    if width >= _LEAST_LABELLED:
        parts.append(tag("text", piece.letter, x=_percent(x + width / 2), y=_HEIGHT / 2 + 5.0, text_anchor="middle"))
    return tag("g", parts, class_=f"part {piece.fill}")


def _rectangle(x: float, width: float, fill: str) -> Markup:
    return tag("rect", x=_percent(x), y=0, width=_percent(width), height=_HEIGHT, class_=f"fill {fill}")


def _label(say: Texts, piece: Piece) -> Markup:
    finding = piece.finding
    named = joined(piece.letter, " ", say.word("component", finding.name), " ", share_of(say, finding))
    words = [named, finding_words(say, finding)]
    return between(", ", words if piece.model_name is None else [*words, piece.model_name])


def _percent(share: float) -> str:
    return f"{100 * share:.3f}%"


def _patterns() -> Markup:
    """Hatching for what has no origin, dots for what is not evidence: distinguishable without colour."""
    hatch = tag(
        "pattern", tag("path", d="M-2,2 l4,-4 M0,8 l8,-8 M6,10 l4,-4", class_="ruling"),
        id="hatch", width=8, height=8, patternUnits="userSpaceOnUse",
    )  # fmt: skip
    dots = tag(
        "pattern", tag("circle", cx=3, cy=3, r=1, class_="dot"),
        id="dots", width=6, height=6, patternUnits="userSpaceOnUse",
    )  # fmt: skip
    return tag("defs", hatch, dots)
