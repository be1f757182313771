"""Findings in the words of a sentence or a cell of a page."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from lineage.report.components import MOST_PARTS, scheme_words
from lineage.report.figures import correlation_figure, p_parts, percent, score_figure, spans
from lineage.report.html.markup import between, escaped, joined, tag
from lineage.report.html.texts import Texts
from lineage.types import ComponentFinding, Cue, Direction, InheritedPart, Relation
from lineage.types.facts import Fact
from lineage.types.facts.schemes import Scheme

NONE, MINUS, TIMES = "\N{EN DASH}", "\N{MINUS SIGN}", "\N{MULTIPLICATION SIGN}"


def model(name: str) -> Markup:
    """A model's name, set off from the sentence and from its direction of writing."""
    return tag("bdi", name, class_="model")


def r_figure(r: float | None) -> Markup:
    """A correlation without its letter."""
    figure = correlation_figure(r)
    return escaped(NONE if figure is None else figure.replace("-", MINUS))


def z_figure(z: float | None) -> Markup:
    """A z without its letter."""
    figure = score_figure(z)
    return escaped(NONE if figure is None else "0.0" if figure == "-0.0" else figure.replace("-", MINUS))


def p_figure(log10_p: float) -> Markup:
    """A p-value without its letter, the power of ten raised."""
    parts = p_parts(log10_p)
    if parts.exponent is None:
        return escaped(parts.digits)
    front = "< " if parts.is_below else f"{parts.digits} {TIMES} "
    return joined(front, "10", tag("sup", f"{parts.exponent}".replace("-", MINUS)))


def relation(say: Texts, word: Relation, schemes: Sequence[Scheme] = ()) -> Markup:
    """The word for a relation, with the scheme of a quantisation."""
    said = scheme_words(schemes, say.language)
    return say.word("relation", word) if said is None else joined(say.word("relation", word), f" ({said})")


def finding_words(say: Texts, finding: ComponentFinding) -> Markup:
    """The word for a component, with the parts that it is true of where it is not true of all."""
    word = relation(say, finding.relation, finding.schemes)
    parts = () if finding.inherited is None else finding.inherited.parts
    if not parts:
        return word
    more = [say("parts.more", count=len(parts) - MOST_PARTS)] if len(parts) > MOST_PARTS else []
    return joined(word, ": ", between("; ", [*(_part(say, part) for part in parts[:MOST_PARTS]), *more]))


def share_of(say: Texts, finding: ComponentFinding) -> Markup:
    """The share of the model in a component, and how much of it was inherited where that is less."""
    whole, came = percent(finding.share), percent(finding.share_inherited)
    return escaped(whole) if whole == came else say("shares.came", came=came, share=whole)


def _part(say: Texts, part: InheritedPart) -> Markup:
    where = say("parts.every") if part.every else say("parts.layers", layers=spans(part.layers))
    if part.kind is None:
        return where
    kind = say.word("tensor", part.kind)
    kind = say("parts.some", kind=kind) if part.some else kind
    return say("parts.of", kind=kind, where=where) if part.layers else kind


def direction(say: Texts, word: Relation, way: Direction | None) -> Markup:
    """Which end the query is, in short."""
    if not word.is_directed or way is None:
        return say("direction.none")
    return say(f"direction.{way}")


def reasons(say: Texts, way: Direction | None, basis: tuple[Fact, ...], cues: tuple[Cue, ...]) -> Markup:
    """What decided the direction."""
    decided = [cue.fact for cue in cues if cue.direction == way] or list(basis)
    return between("; ", map(say.fact, decided))
