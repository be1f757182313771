"""Relations and verdicts at which a pipeline stops, compared with an answer."""

from __future__ import annotations

from collections.abc import Collection

from lineage.types import Comparison, Direction, PolicyVerdict, Relation, Verdict, Whois

WORDS = tuple(dict.fromkeys(map(str, (*Verdict, *Relation))))
_OF_DESCENT = frozenset(str(word) for word in Verdict if word.is_descent)
_EITHER_WAY = frozenset({str(Verdict.RELATED), *(str(word) for word in Relation if not word.is_directed)})
"""Relations that hold in both directions, whichever model came first."""


def gate_of_answer(words: Collection[str], answer: Whois) -> PolicyVerdict:
    """Whether one of `words` was found of the model: its verdict, what it is to a parent, a copy or a sibling.

    A neighbour with an open direction leaves descent open: it is neither found nor ruled out.
    """
    place = answer.place
    found = {relative.relation for relative in (*place.parents, *place.copies, *place.siblings)}
    verdict: set[str] = {answer.verdict}
    perhaps: set[str] = {relative.relation for relative in place.open}
    if place.open:
        perhaps |= _OF_DESCENT
    if not place.parents:  # adapters of one product have none
        perhaps |= verdict & _OF_DESCENT
        verdict -= _OF_DESCENT
    return _outcome(words, found | verdict, perhaps, is_blind=answer.verdict == Verdict.INCONCLUSIVE)


def gate_of_comparison(words: Collection[str], found: Comparison) -> PolicyVerdict:
    """Whether one of `words` is what the first of two models is to the second.

    Descent is found where the first comes from the second, open where the direction is, and not found where the second
    comes from the first.
    """
    both = {found.verdict, found.relation}
    if found.direction == Direction.CHILD or found.verdict == Verdict.IDENTICAL or both <= _EITHER_WAY:
        return _outcome(words, both, (), is_blind="inconclusive" in both)
    return "nothing-found" if found.direction == Direction.PARENT else _outcome(words, {"related"}, both)


def _outcome(
    words: Collection[str], found: Collection[str], perhaps: Collection[str], is_blind: bool = False
) -> PolicyVerdict:
    if not set(words).isdisjoint(found):
        return "violated"
    return "inconclusive" if is_blind or not set(words).isdisjoint(perhaps) else "nothing-found"
