"""Which colour and letter stands for which origin and component, the same in every figure of a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from string import ascii_uppercase

from markupsafe import Markup

from lineage.report.html.markup import tag
from lineage.report.text.places import placed_direction
from lineage.types import ComponentFinding, Relation, Whois

_ORIGINS = 6  # fills that can be distinguished
_WITHOUT_ORIGIN: Mapping[Relation, str] = {Relation.INDEPENDENT: "none", Relation.INCONCLUSIVE: "unsure"}


@dataclass(frozen=True, slots=True)
class Piece:
    """One component on the page: its letter, the class of its fill, and the model that it comes from."""

    letter: str
    fill: str
    finding: ComponentFinding
    model: str | None
    model_name: str | None


def pieces(answer: Whois) -> tuple[Piece, ...]:
    """The components, the largest first."""
    ordered = sorted(answer.components, key=lambda placed: -placed[0].share)
    origins: dict[str, str] = {}
    made = []
    for i, (finding, model, name) in enumerate(ordered):
        origin = None if finding.relation in _WITHOUT_ORIGIN else model
        if origin is None:
            fill = _WITHOUT_ORIGIN.get(finding.relation, "unsure")
        else:
            fill = origins.setdefault(origin, f"o{len(origins) % _ORIGINS}")
        made.append(
            Piece(
                _letter(i),
                fill,
                replace(finding, direction=placed_direction(answer, model, finding.direction)),
                origin,
                name if origin is not None else None,
            )
        )
    return tuple(made)


def chip(piece: Piece) -> Markup:
    """The letter of a component on its fill."""
    return tag("span", piece.letter, class_=f"chip {piece.fill}", aria_hidden="true")


def _letter(i: int) -> str:
    return ascii_uppercase[i] if i < len(ascii_uppercase) else str(i + 1)
