"""The answer in one plain paragraph: what was found, how certain it is, its direction, and what it does not show."""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup

from lineage.report.figures import percent
from lineage.report.html.markup import between, joined, tag
from lineage.report.html.palette import Piece
from lineage.report.html.texts import Texts
from lineage.report.html.wording import finding_words, model, p_figure, r_figure, z_figure
from lineage.report.text.places import placed_direction
from lineage.types import Adapted, Comparison, Direction, Relation, Verdict, Whois

_FEW = 3  # models named before the rest is counted

_MARKS = {
    Verdict.IDENTICAL: "●",
    Verdict.DERIVED: "●",
    Verdict.PARTLY_DERIVED: "◐",
    Verdict.ORIGIN: "◆",
    Verdict.RELATED: "◇",
    Verdict.INDEPENDENT: "○",
    Verdict.INCONCLUSIVE: "?",
}


def badge(say: Texts, answer: Whois) -> Markup:
    """The verdict as a word with a mark of its own."""
    mark = tag("span", _MARKS[answer.verdict], aria_hidden="true")
    return tag("p", mark, " ", say.word("verdict", answer.verdict), class_=f"verdict {answer.verdict}")


def paragraph(say: Texts, answer: Whois, pieces: tuple[Piece, ...]) -> Markup:
    """The verdict in sentences."""
    return tag("p", between(" ", [*_verdict(say, answer), *sentences(say, answer, pieces)]), class_="plain")


def sentences(say: Texts, answer: Whois, pieces: tuple[Piece, ...], *, by_name: bool = False) -> Iterator[Markup]:
    """What the verdict rests on, and what it means; `by_name` where a single other model is called by its name."""
    found = [piece for piece in pieces if piece.model is not None]
    for ancestor in answer.ancestors:
        own = [piece for piece in found if piece.model == ancestor.model]
        if own:
            yield _found(say, ancestor, own)
    for piece in found:
        if piece.model not in {one.model for one in answer.ancestors}:
            yield _other(say, piece)
    for ancestor in answer.ancestors:
        yield _direction(say, answer, ancestor, alone=len(answer.ancestors) == 1 and not by_name)
    missing = [piece for piece in pieces if piece.finding.relation == Relation.INDEPENDENT]
    if found and missing:
        named = between(", ", [say.word("component", piece.finding.name) for piece in missing])
        share = percent(sum(piece.finding.share for piece in missing))
        yield say("verdict_sentence.rest", components=named, share=share)
    yield _meaning(say, answer)


def _verdict(say: Texts, answer: Whois) -> Iterator[Markup]:
    if answer.adapted is None:
        below = len(answer.place.descendants)
        key = f"verdict_sentence.{answer.verdict.replace('-', '_')}"
        yield say(key, name=model(answer.sketch.name), count=below)
    else:
        yield from _of_adapter(say, answer, answer.adapted)


def _of_adapter(say: Texts, answer: Whois, adapted: Adapted) -> Iterator[Markup]:
    """Its relation to other adapters, and the models whose difference contains it."""
    query = model(answer.sketch.name)
    is_related_by_models = answer.verdict == Verdict.RELATED and not answer.alternatives
    if not is_related_by_models:
        yield say(f"adapter_sentence.{answer.verdict}", name=query)
    for one in adapted.additions[:_FEW]:
        yield say(
            f"adapter_sentence.{one.word}",
            name=query,
            child=model(one.child_name),
            base=model(one.base_name),
            share=percent(one.predicted),
            figures=joined("r ", r_figure(one.r), ", z ", z_figure(one.z)),
            p=_p(one.log10_p),
            pairs=adapted.pairs,
        )
    if len(adapted.additions) > _FEW:
        yield say("adapter_sentence.more", count=len(adapted.additions) - _FEW)
    if any(one.word == "merged" for one in adapted.additions):
        yield say("adapter_sentence.history")


def _found(say: Texts, ancestor: Comparison, own: list[Piece]) -> Markup:
    share = percent(sum(piece.finding.share_inherited for piece in own))
    words = between(", ", dict.fromkeys(finding_words(say, piece.finding) for piece in own))
    whole = len(own) == len(ancestor.components)
    evidence = ancestor.evidence if whole else max(own, key=lambda piece: piece.finding.share).finding.evidence
    figures = joined("r ", r_figure(evidence.r), ", z ", z_figure(evidence.z))
    return say(
        "verdict_sentence.found",
        share=tag("strong", share),
        model=model(ancestor.model_name),
        words=words,
        figures=figures,
        p=_p(evidence.log10_p),
        hypotheses=evidence.hypotheses,
    )


def _other(say: Texts, piece: Piece) -> Markup:
    finding = piece.finding
    return say(
        "verdict_sentence.other",
        component=say.word("component", finding.name),
        model=model(piece.model_name or ""),
        words=finding_words(say, finding),
        p=_p(finding.evidence.log10_p),
    )


def _p(log10_p: float) -> Markup:
    figure = p_figure(log10_p)
    sign = "p " if figure.startswith("&lt;") else "p = "
    return tag("span", sign, figure, class_="whole")


def _direction(say: Texts, answer: Whois, ancestor: Comparison, alone: bool) -> Markup:
    placed = placed_direction(answer, ancestor.model, ancestor.direction)
    key = "open" if placed is None or placed == Direction.UNDIRECTED else str(placed)
    if ancestor.verdict == Verdict.IDENTICAL:
        key = "same"
    other = say("verdict_sentence.it") if alone else model(ancestor.model_name)
    if key in ("open", "same"):
        return say(f"verdict_sentence.{key}", model=other)
    ratios = [cue.ratio for cue in ancestor.cues if cue.direction == key]
    odds = say("verdict_sentence.odds", ratio=f"{max(ratios):.0f}") if ratios else ""
    return say(f"verdict_sentence.{key}", model=other, odds=odds)


def _meaning(say: Texts, answer: Whois) -> Markup:
    """What it means for a claim of training from scratch."""
    if answer.adapted is not None:
        return say("adapter_sentence.meaning")
    if answer.place.parents:
        return say("verdict_sentence.refutes")
    # Two models of one initialisation may both have been trained from scratch.
    if answer.place.copies or any(one.relation != Relation.INCONCLUSIVE for one in answer.place.open):
        return say("verdict_sentence.refutes_one")
    return say("verdict_sentence.never_certifies")
