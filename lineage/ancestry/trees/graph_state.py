"""What is known of all models before a tree is built: distances, similarity, rounded copies, initialisations."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lineage.ancestry.geometry import FLOOR, Cohort, Points, cohorts, held_share, matrix_sizes, trunks
from lineage.ancestry.links import joined
from lineage.ancestry.trees.arcs import STRANGE
from lineage.ancestry.trees.common_parts import held_in_common
from lineage.ancestry.trees.disguised_networks import in_disguise
from lineage.ancestry.trees.heads_movement import held_by_heads
from lineage.ancestry.trees.initialisations import beginnings
from lineage.ancestry.trees.neurons_movement import Held, held_by_neurons
from lineage.ancestry.trees.pairs import Pairs, Watch
from lineage.ancestry.trees.roundings import has_levels, heirs, roundings
from lineage.ancestry.trees.similarity import WORTH_A_LOOK, likeness
from lineage.ancestry.trees.strange_layouts import in_strange_layouts
from lineage.ancestry.trees.unobserved import Unobserved, distance_to
from lineage.sketch.remembered import remembered
from lineage.types import CheckpointSketch

_AGAINST = -0.1  # cosine below which two movements are opposed
_ERRORS = 4.0  # standard errors within which a cosine counts as 0


class Field:
    """The models of one graph, numbered as in `sketches`; unobserved parents are numbered on from there.

    `grouped` are the cohorts: groups of models of one structure that lie near one another. `structure` is the number of
    each model's cohort (a model without matrices is alone): models of equal shapes that share a single component only
    count as models of different structure. `trunks` are cohorts over several structures with the same layers, such as
    models with task heads of their own. `alike` is the rough similarity of all pairs, `pairs` their comparisons,
    `rounded` maps exact roundings to their source, `first` are initialisations, `missing` unobserved parents. `share`
    (models, models) is how much of each model is found in each other, `kin` (models,) the number of models that are
    similar to each without a disguise. `settled` gives the parents of models that are placed already, None if the
    parents are not among the sketches.
    """

    def __init__(
        self,
        sketches: Sequence[CheckpointSketch],
        watch: Watch | None,
        settled: Mapping[int, Sequence[int] | None] | None = None,
    ) -> None:
        self.sketches = sketches
        self.settled = settled or {}
        self.pairs = Pairs(sketches, watch)
        self.grouped = [near for cohort in cohorts(sketches) for near in _near_each_other(cohort)]
        self.alike = likeness(sketches)
        self.share = self.alike.of_models()
        self.first = beginnings(sketches, self.share)
        self.rounded = {i: j for cohort in self.grouped for i, j in roundings(cohort, sketches).items()}
        self._heirs = {copy: m for c in self.grouped for copy, m in heirs(c, self.rounded, sketches).items()}
        self.missing: dict[int, Unobserved] = {}
        self.structure = [-1 - i for i in range(len(sketches))]
        for number, cohort in enumerate(self.grouped):
            for member in cohort.members:
                self.structure[member] = number
        plainly = np.maximum(self.share, in_strange_layouts(sketches, self.structure))
        self.kin = ((plainly > WORTH_A_LOOK) & ~np.eye(len(sketches), dtype=bool)).sum(axis=1)
        self.share = np.maximum(plainly, in_disguise(sketches))
        self._places = [{m: i for i, m in enumerate(c.members)} for c in self.grouped]
        self._likeness = [np.exp(-c.distances()) for c in self.grouped]
        self.trunks = [near for trunk in trunks(sketches) for near in _near_each_other(trunk) if self._is_mixed(near)]
        self._trunk = {member: number for number, trunk in enumerate(self.trunks) for member in trunk.members}
        self._held: dict[tuple[int, int, int], Held | None] = {}
        self._foreign: dict[tuple[int, int], float] = {}
        self._equal_layers: dict[tuple[int, int], bool] = {}
        self._cosines: dict[tuple[int, tuple[int, ...]], Points] = {}
        self._sizes = {member: matrix_sizes(sketches[member]) for member in self._trunk}
        self._trunk_places = [{m: i for i, m in enumerate(c.members)} for c in self.trunks]
        self._trunk_likeness = [np.exp(-c.distances()) for c in self.trunks]

    def _is_mixed(self, trunk: Cohort) -> bool:
        return len({self.structure[member] for member in trunk.members}) > 1

    def is_open(self, models: Sequence[int]) -> bool:
        """Whether at least one of the models is not placed yet."""
        return any(model not in self.settled for model in models)

    def are_new(self, models: Collection[int]) -> bool:
        """Whether none of the models is placed yet."""
        return not any(model in self.settled for model in models)

    def is_on_levels(self, model: int) -> bool:
        """Whether some matrix of a model takes few distinct values (quantization levels)."""
        return any(has_levels(tensor) for tensor in self.sketches[model].tensors)

    def zeros(self, model: int) -> float:
        """Share of a model's sampled matrix values that are 0; 0.0 for unobserved models."""
        return 0.0 if model in self.missing else _zeros(self.sketches[model])

    def heirs(self, copy: int) -> frozenset[int]:
        """The models that hold the rounding error of a rounded copy."""
        return self._heirs.get(copy, frozenset())

    def keeps_roundings(self, parent: int, child: int) -> bool:
        """Whether rounding errors allow descent of `child` from `parent`: it must hold those of the parent."""
        if child in self.rounded:
            return self.rounded[child] == parent
        sides = ((parent == copy or parent in held, child in held) for copy, held in self._heirs.items())
        return all(above == below for above, below in sides) and (
            parent not in self.rounded or child in self.heirs(parent)
        )

    def have_one_structure(self, left: int, right: int) -> bool:
        """Whether all matrices of two models correspond by role, layer and shape."""
        return self.structure[left] == self.structure[right]

    def have_one_trunk(self, left: int, right: int) -> bool:
        """Whether all matrices in the layers of two models correspond; those outside the layers may differ in shape."""
        return self.have_one_structure(left, right) or (
            left in self._trunk and self._trunk[left] == self._trunk.get(right, -1)
        )

    def have_equal_layers(self, left: int, right: int) -> bool:
        """Whether two models of one trunk have the same sampled values in all matrices of their layers."""
        if (left, right) not in self._equal_layers:
            self._equal_layers[left, right] = self._are_equal_in_layers(left, right)
        return self._equal_layers[left, right]

    def _are_equal_in_layers(self, left: int, right: int) -> bool:
        space = self._space([left, right])
        if space is None:
            return False
        cohort, places = space
        one, other = (cohort.points[places[model], cohort.layers >= 0] for model in (left, right))
        return len(one) > 0 and bool((one == other).all())

    def have_common_surroundings(self, left: int, right: int, within: float = STRANGE) -> bool:
        """Whether two models of one structure are related in every matrix outside their layers, such as heads.

        `within` is the greatest distance (-log r) of such a matrix.
        """
        if not self.have_one_structure(left, right):
            return False
        cohort, places = self.grouped[self.structure[left]], self._places[self.structure[left]]
        outside = cohort.apart[[key[2] is None for key in cohort.keys], places[left], places[right]]
        return bool((outside < within).all())

    def foreign(self, left: int, right: int) -> float:
        """Share of two models' parameters, the mean of both, in matrices without a counterpart of their shape."""
        if (left, right) not in self._foreign:
            ours, theirs = self._sizes[left], self._sizes[right]
            common = sum(size for key, size in ours.items() if key in theirs)
            self._foreign[left, right] = 1.0 - 2.0 * common / (sum(ours.values()) + sum(theirs.values()))
        return self._foreign[left, right]

    def correlation(self, left: int, right: int) -> float | None:
        """Correlation of two models over corresponding matrices, None if they are not related."""
        for model, missing in ((left, self.missing.get(right)), (right, self.missing.get(left))):
            if missing is not None:
                away = distance_to(model, missing, self._distance)
                return None if away is None else math.exp(-away)
        return self._of_one_trunk(left, right) or self.pairs.correlation(left, right)

    def held_movement(self, model: int, other: int, origin: int) -> tuple[float, float] | None:
        """The share of another model's movement from `origin` in this model's own, and its standard error.

        By least squares over the sampled values. None for models without a common trunk, for unobserved models, and if
        the other did not move.
        """
        points = self._points([origin, other, model])
        if points is None:
            return None
        begun, moved, own = points
        step, movement = moved - begun, own - begun
        if not step.any():
            return None
        (share,), (error,) = held_share(step, movement[None])
        return float(share), float(error)

    def held_by_others(self, origin: int, models: Sequence[int]) -> list[list[float]]:
        """For each model, the shares of its movement from `origin` in the movements of the others, as `held_movement`.

        Empty for one that did not move, and where the models have no common trunk.
        """
        points = self._points([origin, *models])
        if points is None:
            return [[] for _ in models]
        moved = points[1:] - points[0]
        products = moved @ moved.T
        return [
            [float(product) / products[k, k] for j, product in enumerate(row) if j != k] if products[k, k] > 0.0 else []
            for k, row in enumerate(products)
        ]

    def held_in_common(self, model: int, other: int, origin: int) -> tuple[float, float] | None:
        """`held_movement` of three models in the matrices that they have in common; None if one is unobserved."""
        if {model, other, origin} & self.missing.keys():
            return None
        return held_in_common(*(self.sketches[one] for one in (model, other, origin)))

    def cosines(self, origin: int, others: Sequence[int]) -> Points:
        """Cosines of the movements from `origin` to `others`, (others, others).

        0 where a cosine is not significant, and for models without a common trunk. Each root of each tree asks again.
        """
        asked = origin, tuple(others)
        if asked not in self._cosines:
            self._cosines[asked] = self._worked_out(*asked)
        return self._cosines[asked]

    def _worked_out(self, origin: int, others: Sequence[int]) -> Points:
        found = np.zeros((len(others), len(others)))
        alike = [k for k, one in enumerate(others) if self.have_one_trunk(origin, one)]
        points = self._points([origin, *(others[k] for k in alike)]) if len(alike) > 1 else None
        if points is None:
            return found
        moved = points[1:] - points[0]
        products = moved @ moved.T
        lengths = np.sqrt(np.maximum(np.diag(products), 1e-300))
        cosines = products / np.outer(lengths, lengths)
        found[np.ix_(alike, alike)] = np.where(np.abs(cosines) < _ERRORS / math.sqrt(moved.shape[1]), 0.0, cosines)
        return found

    def explained(self, model: int, origin: int, others: Sequence[int]) -> float:
        """Share of the squared movement from `origin` to a model that a combination of those to others explains.

        0 for models without a common trunk, and if the model did not move.
        """
        points = self._points([origin, model, *others])
        if points is None:
            return 0.0
        own, *ways = points[1:] - points[0]
        length = float(own @ own)
        made, *_ = np.linalg.lstsq(np.array(ways).T, own)
        return float(own @ (made @ np.array(ways))) / length if length > 0.0 else 0.0

    def opposed(self, origin: int, others: Sequence[int]) -> NDArray[np.bool_]:
        """Which two of `others` moved in opposed directions from `origin`, (others, others); symmetric.

        Children of one parent seldom do, trained on similar data or not: 1 of 227 pairs in the calibration half of the
        practice zoo. If the grandparent is taken for a child of the parent, 29 of 82 children are opposed to it.
        A cosine is used, since the share of a short movement in a long one depends on their lengths.
        """
        return self.cosines(origin, others) < _AGAINST

    def held_beneath(self, model: int, other: int, origin: int) -> tuple[float, float] | None:
        """`held_movement` for disguised models, measured by their attention heads; None where these do not allow it."""
        if {model, other, origin} & self.missing.keys():
            return None
        return held_by_heads(self.sketches[model], self.sketches[other], self.sketches[origin])

    def held_by_neurons(self, model: int, other: int, origin: int) -> Held | None:
        """What a disguised model holds of another's movement in its neurons; None where these do not tell."""
        if {model, other, origin} & self.missing.keys():
            return None
        if (model, other, origin) not in self._held:
            three = (self.sketches[one] for one in (model, other, origin))
            self._held[model, other, origin] = held_by_neurons(*three)
        return self._held[model, other, origin]

    def add_missing(self, one: Unobserved) -> int:
        """Add an unobserved parent and return its number."""
        self.structure.append(self.structure[one.children[0]])
        self.missing[len(self.structure) - 1] = one
        return len(self.structure) - 1

    def _points(self, models: Sequence[int]) -> Points | None:
        """Models as points of one space, (models, dims); None without a common trunk, or if one is unobserved."""
        space = self._space(models)
        if space is None:
            return None
        cohort, places = space
        return cohort.points[[places[one] for one in models]]

    def _space(self, models: Sequence[int]) -> tuple[Cohort, Mapping[int, int]] | None:
        """The cohort (of one structure or of one trunk) that holds all the models, and the places of its members."""
        first = models[0]
        if not self.missing.keys().isdisjoint(models):
            return None
        if self.structure[first] >= 0 and all(self.have_one_structure(first, one) for one in models):
            return self.grouped[self.structure[first]], self._places[self.structure[first]]
        if all(self.have_one_trunk(first, one) for one in models) and first in self._trunk:
            return self.trunks[self._trunk[first]], self._trunk_places[self._trunk[first]]
        return None

    def _of_one_trunk(self, left: int, right: int) -> float | None:
        if self.have_one_structure(left, right):
            number = self.structure[left]
            likeness, places = self._likeness[number], self._places[number]
        elif self.have_one_trunk(left, right):
            number = self._trunk[left]
            likeness, places = self._trunk_likeness[number], self._trunk_places[number]
        else:
            return None
        return float(likeness[places[left], places[right]])

    def _distance(self, left: int, right: int) -> float | None:
        found = self._of_one_trunk(left, right)
        return None if found is None else -math.log(max(found, FLOOR))


@remembered
def _zeros(sketch: CheckpointSketch) -> float:
    held = [tensor.values for tensor in sketch.tensors if len(tensor.shape) > 1]
    return sum(int((values == 0).sum()) for values in held) / max(1, sum(values.size for values in held))


def _near_each_other(cohort: Cohort) -> list[Cohort]:
    """A cohort split into groups of near members: members of different groups have at most components in common."""
    near = np.argwhere(cohort.distances() < STRANGE).tolist()
    groups = sorted(sorted(group) for group in joined(((i, j) for i, j in near), range(len(cohort.members))))
    return [cohort.among([cohort.members[i] for i in group]) for group in groups] if len(groups) > 1 else [cohort]
