"""Two tokenizers on a screen: a line that can be quoted, and the figures behind it."""

from __future__ import annotations

from collections.abc import Iterator

from lineage.match.tokenizers.chance import UNRELATED
from lineage.report.figures import p_value, plain
from lineage.report.text.canvas import Canvas
from lineage.types import TokenizerBasis, TokenizerComparison, TokenizerRelation

_ALIKE: dict[TokenizerRelation, str] = {
    "reordered": "RELATED to {b}: the same tokens in another order; which came first is open",
    "replaced": "RELATED to {b}: some tokens replaced where they stood; which came first is open",
    "siblings": "SIBLING of {b}: a part of both is in one order, and both have tokens of their own",
    "independent": "INDEPENDENT of {b}: what they share is not in one order",
    "inconclusive": "TOO LITTLE TO TELL beside {b}",
    "extended": "RELATED to {b}: one begins as the other; which came first is open",
}
_FROM: dict[TokenizerRelation, str] = {
    "extended": "EXTENDED from {b}",
    "pruned": "PRUNED from {b}",
    "merged": "MERGED from {b} and others",
}
_INTO: dict[TokenizerRelation, str] = {
    "extended": "BASE of {b}, which extends it",
    "pruned": "{b} was PRUNED from it",
    "merged": "{b} was MERGED from it and others",
}
_SHOUTED = {"IDENTICAL", "RELATED", "SIBLING", "EXTENDED", "PRUNED", "MERGED", "BASE"}
_BASIS: dict[TokenizerBasis, str] = {
    "behind": "the added tokens stand apart, and are of other lengths, scripts or making than those beside them",
    "subset": "tokens from all over the parent are missing",
    "reserved": "only special tokens were added",
    "fixed": "only characters, digits or repetitions were added",
}


def tokenizer_screen(found: TokenizerComparison, *, width: int, colour: bool) -> str:
    """The comparison, wrapped to `width`."""
    canvas = Canvas(width, colour)
    canvas.pair(f"tokenizer of {plain(found.a)}", headline(found), "bold")
    for line in _lines(found):
        canvas.line(line, indent=2)
    return canvas.text()


def headline(found: TokenizerComparison) -> str:
    """What A is to B in one line, true as it stands."""
    b = plain(found.b)
    if found.relation == "identical":
        special = found.special
        differ = special is not None and (special.only_a or special.only_b)
        return f"IDENTICAL to {b}" + (" but for special tokens" if differ else "")
    table = {"a": _INTO, "b": _FROM, None: _ALIKE}[found.parent]
    return table[found.relation].format(b=b)


def witness_line(found: TokenizerComparison, *, width: int, colour: bool) -> str:
    """The tokenizer of a model, beside the answer about its weights: a paragraph that ends in what it does not say."""
    canvas = Canvas(width, colour)
    canvas.line(f"tokenizer: {_witness(found)}; says nothing of the weights", indent=2)
    return canvas.text()


def _witness(found: TokenizerComparison) -> str:
    b, overlap, order = plain(found.b), found.overlap, found.order
    if found.relation == "independent":
        return (
            f"its own: {overlap.of_a:.0%} of its tokens are in {b}, the most of {order.hypotheses} known ones,"
            " and not in one order"
        )
    if found.relation == "inconclusive":
        return f"too little to tell beside {b}, the nearest of {order.hypotheses} known ones"
    if found.relation in ("identical", "reordered"):
        return _lowered(headline(found))
    return (
        f"{_lowered(headline(found))}, about {overlap.core_tokens:,} tokens in the same order, {p_value(order.log10_p)}"
        f" (x {order.hypotheses} known); {found.own_a:,} of its own"
    )


def _lowered(text: str) -> str:
    """The word in capitals, which is for headlines, in small letters."""
    return " ".join(word.lower() if word in _SHOUTED else word for word in text.split(" "))


def _lines(found: TokenizerComparison) -> Iterator[str]:
    overlap, order, kept = found.overlap, found.order, found.neighbours
    is_related = found.relation not in ("independent", "inconclusive")
    yield (
        f"shared: {overlap.of_a:.1%} of it and {overlap.of_b:.1%} of the other, about {overlap.shared_tokens:,} tokens;"
        f" no evidence, since unrelated ones share up to {UNRELATED.most:.0%} (median {UNRELATED.median:.0%})"
    )
    if order.z is not None:
        ordered = f"about {overlap.core_tokens:,} of these in one order, " if is_related else ""
        yield (
            f"order: {ordered}z {order.z:.1f}, {p_value(order.log10_p)};"
            f" neighbours kept at {kept.kept:,} of {kept.anchors:,}"
        )
    if is_related:
        yield f"own tokens: about {found.own_a:,}, {found.behind_a:,} of them behind the common ones"
        yield f"own tokens of the other: about {found.own_b:,}, {found.behind_b:,} of them behind"
    else:
        yield f"what would have been seen: a vocabulary of which {found.reach:.0%} or more came from the other"
    yield from _facts(found)


def _facts(found: TokenizerComparison) -> Iterator[str]:
    special = found.special
    if found.basis is not None:
        yield f"direction: {_BASIS[found.basis]}"
    if special is not None:
        yield f"special tokens: {special.shared:,} in both, {special.only_a:,} and {special.only_b:,} in one only"
    if found.same_pattern is not None:
        yield f"texts are cut by {'the same' if found.same_pattern else 'another'} expression"
    if found.left_out:
        counted = ", ".join(f"{kind} {a:,} and {b:,}" for kind, a, b in found.left_out)
        yield f"left out, as all trainers write them or people choose them: {counted}"
    yield "a shared tokenizer is common, and says nothing of the weights"
