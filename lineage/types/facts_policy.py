"""Facts of policies: which rule applies to what, the outcome of an audit, and what it does not say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from lineage.types.facts import Fact
from lineage.types.words import Certainty


@dataclass(frozen=True, slots=True)
class Quotation:
    """Text of a rule file, verbatim.

    `key` names those that come with the package, which have a translation ("rule.licence.share-alike", with ".advice"
    for its advice; "licence.gemma.unsure"). It is None for a user's own, whose language nobody knows.
    """

    text: str
    key: str | None = None


Figure = str | float | Quotation | tuple[str | None, ...] | None
"""The value of a placeholder in braces: a name or a number, several names, None where it is unknown."""


# -- rules ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RuleApplies(Fact):
    """A rule applies: `figures` has what the words in braces of its text stand for.

    `certainty` is that of the ancestor that is meant, None where none is.
    """

    id: ClassVar[str] = "rule"
    rule: str
    wording: Quotation
    figures: Mapping[str, Figure]
    certainty: Certainty | None = None


@dataclass(frozen=True, slots=True)
class RuleAdvice(Fact):
    """What a rule that applies advises to do."""

    id: ClassVar[str] = "rule-advice"
    rule: str
    wording: Quotation
    figures: Mapping[str, Figure]


# -- outcomes of an audit ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LicencesDisagree(Fact):
    """Licences of measured ancestors require what the stated licence of the model does not provide."""

    id: ClassVar[str] = "licences-disagree"
    model: str


@dataclass(frozen=True, slots=True)
class LicencesOpen(Fact):
    """A licence or the direction of a descent is not known, so the question stays open."""

    id: ClassVar[str] = "licences-open"


@dataclass(frozen=True, slots=True)
class LicencesAgree(Fact):
    """The licences that are known do not disagree."""

    id: ClassVar[str] = "licences-agree"


@dataclass(frozen=True, slots=True)
class ScratchRefuted(Fact):
    """This share of the parameters was inherited."""

    id: ClassVar[str] = "scratch-refuted"
    share: float


@dataclass(frozen=True, slots=True)
class ScratchOpen(Fact):
    """Nothing was refuted, and something is only possible, declared or not tested."""

    id: ClassVar[str] = "scratch-open"


@dataclass(frozen=True, slots=True)
class ScratchNotRefuted(Fact):
    """Nothing was inherited from `models` models; `reach` is the smallest r that would have been seen."""

    id: ClassVar[str] = "scratch-not-refuted"
    models: int
    reach: float | None


@dataclass(frozen=True, slots=True)
class ClassTooLow(Fact):
    """The T-Class bound is lower than a rule of the user's own requires."""

    id: ClassVar[str] = "class-too-low"
    bound: str


@dataclass(frozen=True, slots=True)
class ClassOpen(Fact):
    """The T-Class bound by what is measured, where more is possible, declared or not tested."""

    id: ClassVar[str] = "class-open"
    bound: str


@dataclass(frozen=True, slots=True)
class ClassBound(Fact):
    """The T-Class bound."""

    id: ClassVar[str] = "class-bound"
    bound: str


# -- what an audit or a verification does not say ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NoLegalAdvice(Fact):
    """Cards are compared with licences; owners may agree otherwise."""

    id: ClassVar[str] = "no-legal-advice"


@dataclass(frozen=True, slots=True)
class WeightLicencesOnly(Fact):
    """Licences of data, code and tokenizers are not examined."""

    id: ClassVar[str] = "weight-licences-only"


@dataclass(frozen=True, slots=True)
class UnknownCommonParent(Fact):
    """Two children of a parent outside the index can look like parent and child."""

    id: ClassVar[str] = "unknown-common-parent"


@dataclass(frozen=True, slots=True)
class RefutesOnly(Fact):
    """Training from scratch can be refuted and never certified."""

    id: ClassVar[str] = "refutes-only"


@dataclass(frozen=True, slots=True)
class SameMakerParent(Fact):
    """A parent by the same maker does not refute training from scratch."""

    id: ClassVar[str] = "same-maker-parent"


@dataclass(frozen=True, slots=True)
class ClassScheme(Fact):
    """Who made T-Class 2.0, and that a bound is not a rating."""

    id: ClassVar[str] = "class-scheme"


@dataclass(frozen=True, slots=True)
class SameMakerClass(Fact):
    """A parent by the same maker passes its own class on."""

    id: ClassVar[str] = "same-maker-class"


@dataclass(frozen=True, slots=True)
class ClassesUnseen(Fact):
    """What T-Class 2.0 requires beyond weights."""

    id: ClassVar[str] = "classes-unseen"


@dataclass(frozen=True, slots=True)
class OutcomesMean(Fact):
    """What "contradicted" and "unsupported" mean."""

    id: ClassVar[str] = "outcomes-mean"


@dataclass(frozen=True, slots=True)
class NeverProved(Fact):
    """Weights never prove training from scratch."""

    id: ClassVar[str] = "never-proved"
