"""The closed vocabulary of rule files: every word that a rule, a condition or a licence may use."""

from __future__ import annotations

from typing import Literal, get_args

from lineage.types import Certainty, Relation

Policy = Literal["licence", "from-scratch", "t-class"]
About = Literal["ancestor", "pair", "component", "model"]
Says = Literal["violated", "due", "inconclusive", "noted", "bound"]
Check = Literal[
    "name-prefix", "card-phrase", "notice-file", "licence-file", "card-names-ancestor", "same-licence"
]  # fmt: skip
State = Literal["inherited", "possible", "declared", "shared-init", "nothing", "untested"]
Architecture = Literal["same-layout", "published", "unknown"]
TokenizerState = Literal["taken", "open", "own", "unknown"]
SettingsState = Literal["same", "other", "unknown"]
TClass = Literal["T0", "T1", "T2", "T3", "T4-1", "T4-2", "T5", "T6"]

CLASSES: tuple[TClass, ...] = get_args(TClass)
"""T-Class 2.0, the lowest first."""

Term = Literal[
    "notice",  # copyright notices and the text of the licence go with every copy
    "notice-file",  # a text file with given words goes with every copy
    "state-changes",  # changes have to be stated
    "attribution",  # the source has to be credited
    "share-alike",  # what is made from it is shared under the same licence, or one that it names
    "copyleft",  # what is derived from it, as the licence defines that, is passed on under the same licence with source
    "non-commercial",  # no commercial use
    "research-only",  # for research only
    "no-derivatives",  # changed versions may not be passed on
    "use-restrictions",  # a list of forbidden uses has to be passed on as a binding term
    "acceptable-use",  # a policy of forbidden uses binds whoever receives it
    "name-prefix",  # the name of a model made with it begins with a given word
    "display",  # given words have to be displayed
    "user-limit",  # above a size of users or revenue another licence is needed
    "no-model-training",  # outputs may not be used to improve other models
    "territory",  # not granted everywhere
]
TERMS: tuple[Term, ...] = get_args(Term)
"""What a licence may require or forbid."""

Kind = Literal[
    "terms", "patterns", "relations", "certainties", "states", "architectures", "tokenizers", "settings", "share",
    "flag", "class",
]  # fmt: skip

_OF_MODEL: dict[str, Kind] = {
    "model-terms": "terms",
    "model-lacks": "terms",
    "model-licence": "patterns",
    "model-licence-not": "patterns",
    "model-licence-known": "flag",
}
_OF_ANCESTOR: dict[str, Kind] = {
    "ancestor-terms": "terms",
    "ancestor-lacks": "terms",
    "ancestor-licence": "patterns",
    "ancestor-licence-not": "patterns",
    "ancestor-licence-known": "flag",
    "ancestor-licence-unsure": "flag",
    "ancestor-name": "patterns",
    "ancestor-name-not": "patterns",
    "relation": "relations",
    "relation-not": "relations",
    "component": "patterns",
    "share-at-least": "share",
    "certainty": "certainties",
    "direct": "flag",
}
CONDITIONS: dict[About, dict[str, Kind]] = {
    "ancestor": {**_OF_ANCESTOR, **_OF_MODEL, "same-licence": "flag"},
    "pair": {
        "ancestor-terms": "terms",
        "ancestor-lacks": "terms",
        "other-terms": "terms",
        "other-lacks": "terms",
        "licences-agree": "flag",
        **_OF_MODEL,
    },
    "component": {
        "state": "states",
        "relation": "relations",
        "component": "patterns",
        "share-at-least": "share",
        "architecture": "architectures",
    },
    "model": {
        "has-ancestors": "flag",
        "inherited-share-at-least": "share",
        "class-below": "class",
        "tokenizer": "tokenizers",
        "settings": "settings",
        **_OF_MODEL,
    },
}
"""The conditions that a rule about each thing may set, all of which must hold."""

WORDS: dict[Kind, tuple[str, ...]] = {
    "terms": TERMS,
    "relations": tuple(map(str, Relation)),
    "certainties": get_args(Certainty),
    "states": get_args(State),
    "architectures": get_args(Architecture),
    "tokenizers": get_args(TokenizerState),
    "settings": get_args(SettingsState),
    "class": CLASSES,
}

PLACEHOLDERS = frozenset(
    {
        "model", "model-licence", "ancestor", "licence", "other", "other-licence", "component", "share", "relation",
        "prefix", "display", "notice", "limit", "unsure", "models", "reach", "architecture", "nearest", "bound",
        "tokenizer", "tokenizers", "settings", "settings-of",
    }
)  # fmt: skip
"""What may stand in braces in a text."""
