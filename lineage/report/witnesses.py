"""A comparison of tokenizers or configurations as facts: one that can be quoted, and the figures behind it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lineage.match.tokenizers.chance import UNRELATED
from lineage.types import TokenizerComparison, TokenizerRelation
from lineage.types.facts import Fact
from lineage.types.facts.witnesses import (
    DeclaredType,
    EqualTokenizers,
    KnownTokenizer,
    NearestSettings,
    OwnTokenizer,
    OwnTokens,
    RareSetting,
    SettingsAreShared,
    SharedTokens,
    SpecialTokensShared,
    TextsCut,
    TokenDirection,
    TokenizersAreShared,
    TokenizerStanding,
    TokenizerStands,
    TokenOrder,
    TokensInOrder,
    TokensLeftOut,
    UnclearTokenizer,
    UnseenTokens,
)
from lineage.types.settings import ConfigurationFound, PartSettings

_ALIKE: Mapping[TokenizerRelation, TokenizerStanding] = {
    "reordered": "reordered",
    "replaced": "replaced",
    "siblings": "siblings",
    "independent": "independent",
    "inconclusive": "inconclusive",
    "extended": "begun-alike",
}
_FROM: Mapping[TokenizerRelation, TokenizerStanding] = {
    "extended": "extended-from",
    "pruned": "pruned-from",
    "merged": "merged-from",
}
_INTO: Mapping[TokenizerRelation, TokenizerStanding] = {
    "extended": "base-of",
    "pruned": "pruned-into",
    "merged": "merged-into",
}
_UNRELATED = ("independent", "inconclusive")


def tokenizer_relation(found: TokenizerComparison) -> Fact:
    """What A is to B, true when quoted alone."""
    if found.relation == "identical":
        special = found.special
        return EqualTokenizers(found.b, special is not None and bool(special.only_a or special.only_b))
    return TokenizerStands(found.b, _standing(found))


def tokenizer_witness(found: TokenizerComparison) -> Fact:
    """What the tokenizer of a model is to the nearest of the known ones."""
    overlap, order = found.overlap, found.order
    if found.relation == "independent":
        return OwnTokenizer(found.b, overlap.of_a, order.hypotheses)
    if found.relation == "inconclusive":
        return UnclearTokenizer(found.b, order.hypotheses)
    if found.relation in ("identical", "reordered"):
        return tokenizer_relation(found)
    return KnownTokenizer(found.b, _standing(found), overlap.core_tokens, order.log10_p, order.hypotheses, found.own_a)


def tokenizer_figures(found: TokenizerComparison) -> Iterator[Fact]:
    """What the relation rests on, and what it does not."""
    overlap, order, kept = found.overlap, found.order, found.neighbours
    is_related = found.relation not in _UNRELATED
    yield SharedTokens(overlap.of_a, overlap.of_b, overlap.shared_tokens, UNRELATED.most, UNRELATED.median)
    if order.z is not None and is_related:
        yield TokensInOrder(overlap.core_tokens, order.z, order.log10_p, kept.kept, kept.anchors)
    elif order.z is not None:
        yield TokenOrder(order.z, order.log10_p, kept.kept, kept.anchors)
    if is_related:
        yield OwnTokens("this-tokenizer", found.own_a, found.behind_a)
        yield OwnTokens("other", found.own_b, found.behind_b)
    else:
        yield UnseenTokens(found.reach)
    if found.basis is not None:
        yield TokenDirection(found.basis)
    if found.special is not None:
        yield SpecialTokensShared(found.special.shared, found.special.only_a, found.special.only_b)
    if found.same_pattern is not None:
        yield TextsCut(found.same_pattern)


def tokens_left_out(found: TokenizerComparison) -> tuple[TokensLeftOut, ...]:
    """The kinds of tokens that were not compared."""
    return tuple(TokensLeftOut(*one) for one in found.left_out)


def settings_witness(part: PartSettings) -> tuple[Fact, ...]:
    """What the settings of a part are to the nearest published ones, with the rarest that they share."""
    nearest = NearestSettings(part.part, part.model, len(part.equal), len(part.equal) + len(part.other), part.known)
    if not part.equal:
        return (nearest,)
    rarest = min(part.equal, key=lambda one: (one.models / one.of, one.name))
    return nearest, RareSetting(rarest.name, setting_text(rarest.value), rarest.models, rarest.of)


def declared_types(found: ConfigurationFound) -> tuple[DeclaredType, ...]:
    """What the configuration says that the parts are."""
    return tuple(DeclaredType(*one) for one in found.declared)


def setting_text(value: object) -> str:
    """A setting as it is shown: "5,120", "1e-05", "true"."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:,}" if isinstance(value, int) else f"{value:g}" if isinstance(value, float) else str(value)


TOKENIZERS_ARE_SHARED, SETTINGS_ARE_SHARED = TokenizersAreShared(), SettingsAreShared()


def _standing(found: TokenizerComparison) -> TokenizerStanding:
    return {"a": _INTO, "b": _FROM, None: _ALIKE}[found.parent][found.relation]
