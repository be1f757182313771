"""The place of a model among the models that it is related to."""

from __future__ import annotations

from dataclasses import dataclass

from lineage.types.facts import Fact
from lineage.types.words import Relation


@dataclass(frozen=True, slots=True)
class Relative:
    """A known model with its place beside the one that was asked about.

    `relation` is the word for the edge between the two, or for what leads from one to the other. `probability` is that
    of the place: for a parent, an ancestor or a descendant that of the direction too, for an open one that it is the
    parent. `components` are those of the model asked about that the edge is about, empty where it is the whole;
    `weight` is a merge's share; `through` is the id of the next model on the way, None where there is none between.
    """

    model: str
    model_name: str
    relation: Relation
    probability: float
    components: tuple[str, ...] = ()
    weight: float | None = None
    through: str | None = None
    basis: tuple[Fact, ...] = ()


@dataclass(frozen=True, slots=True)
class Between:
    """A parent that no index holds, needed between the models (ids) of `between`."""

    between: tuple[str, ...]
    probability: float


@dataclass(frozen=True, slots=True)
class Place:
    """The relatives of a model by place; every related model that was compared is in one list only.

    `parents` are direct ones, with a direction above the threshold; `ancestors` are above those, up to the root;
    `descendants` are children and what comes from them; `siblings` have a parent in common with the model, known or
    not; `copies` hold the same weights in whatever layout; `open` are neighbours where neither is known to be the
    other's parent, rivals of these, or what is alike by descent or from one initialisation; the likeliest parent first.
    """

    parents: tuple[Relative, ...] = ()
    ancestors: tuple[Relative, ...] = ()
    descendants: tuple[Relative, ...] = ()
    siblings: tuple[Relative, ...] = ()
    copies: tuple[Relative, ...] = ()
    open: tuple[Relative, ...] = ()
    unobserved: tuple[Between, ...] = ()
