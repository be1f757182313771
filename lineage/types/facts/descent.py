"""What the graph knows of an edge, and where a card disagrees with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from lineage.types.facts import Fact


@dataclass(frozen=True, slots=True)
class PutTogether(Fact):
    """The child has components from two models."""

    id: ClassVar[str] = "put-together"


@dataclass(frozen=True, slots=True)
class OtherComponents(Fact):
    """Some components come from this parent, the others from another model of the index."""

    id: ClassVar[str] = "other-components"


@dataclass(frozen=True, slots=True)
class InferredParent(Fact):
    """A parent that is not in the index; `shared` is what its children have in common beyond the known one above."""

    id: ClassVar[str] = "inferred-parent"
    children: int
    shared: float


@dataclass(frozen=True, slots=True)
class CopyOfUnknown(Fact):
    """A model holds another's weights rounded to few levels, and no known model gives these values when rounded."""

    id: ClassVar[str] = "copy-of-unknown"
    name: str


@dataclass(frozen=True, slots=True)
class FromInitialisation(Fact):
    """The parent is an untrained initialisation."""

    id: ClassVar[str] = "from-initialisation"


@dataclass(frozen=True, slots=True)
class NearerThanInitialisation(Fact):
    """Two models are nearer to each other than through the initialisation of their family, which is in the index."""

    id: ClassVar[str] = "nearer-than-initialisation"


@dataclass(frozen=True, slots=True)
class MergeResidual(Fact):
    """What a merge by `method` leaves of the child's movement."""

    id: ClassVar[str] = "merge-residual"
    method: str
    residual: float


@dataclass(frozen=True, slots=True)
class MergeAlternatives(Fact):
    """Names of models that would fit as well in place of this parent of a merge."""

    id: ClassVar[str] = "merge-alternatives"
    models: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NamedIn(Fact):
    """Where a card, config or catalogue names the parent."""

    id: ClassVar[str] = "named-in"
    source: str


@dataclass(frozen=True, slots=True)
class SharedFactors(Fact):
    """Two adapters have the same first factors."""

    id: ClassVar[str] = "shared-factors"


@dataclass(frozen=True, slots=True)
class OneBase(Fact):
    """Two adapters change one base, or related ones."""

    id: ClassVar[str] = "one-base"


@dataclass(frozen=True, slots=True)
class AdapterAdded(Fact):
    """A base and `weight` times an adapter give `predicted` of the values that moved between base and child."""

    id: ClassVar[str] = "adapter-added"
    base: str
    weight: float
    predicted: float


@dataclass(frozen=True, slots=True)
class MergedOrExtracted(Fact):
    """Whether an adapter was merged into the model or extracted from its difference to the base is open."""

    id: ClassVar[str] = "merged-or-extracted"


@dataclass(frozen=True, slots=True)
class Contradiction(Fact):
    """A declared parent that the weights contradict: `child` and `parent` are node ids, the names are the card's."""

    child: str
    parent: str
    child_name: str
    declared: str
    source: str


@dataclass(frozen=True, slots=True)
class DeclaredUnrelated(Contradiction):
    """The weights show no relation between the two."""

    id: ClassVar[str] = "declared-unrelated"


@dataclass(frozen=True, slots=True)
class DeclaredReversed(Contradiction):
    """The weights point the other way."""

    id: ClassVar[str] = "declared-reversed"
