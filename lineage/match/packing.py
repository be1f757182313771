"""Two models whose frameworks pack the same parts differently, brought to one packing before they are compared.

If one side has one matrix and the other its parts, the parts are joined: this uses names only and costs no
significance. If the same matrices have their rows in another order (interleaved by head, alternating, rotary pairs for
halves), the order is chosen by values among the known ones: the choice must be significant at 1e-6 after correction for
every order tried and every model searched. Orders are tried only if other matrices of these layers are related, so
unrelated models are compared unchanged.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from lineage.match.blocks import EXPERT, expert_of, has_experts
from lineage.match.pair_tests import pair_tests
from lineage.match.pairing import LOG10_ALPHA
from lineage.match.repeated_heads import without_repeats
from lineage.match.row_stacks import Places, RowStack, at_common_rows, joined_sketch, row_stack, turned
from lineage.match.tails import normal_quantile
from lineage.match.values import MIN_DISTINCT
from lineage.sketch.adapters import is_adapter
from lineage.sketch.remembered import remembered
from lineage.types import Axis, CheckpointSketch, TensorSketch

if TYPE_CHECKING:
    from lineage.match.expert_numbers import ExpertPlace

_KINDS = {"qkv": ("q", "k", "v"), "gate-up": ("gate", "up")}
_WITNESS = {"qkv": "o", "gate-up": "down"}
_TRIED = 16  # layers or experts, at even distances, that are asked whether they are related
_LAYERS = 4  # of these, held together to choose an order, which is one for the model


class Where(NamedTuple):
    """A layer of a component, and the expert there; `kind` is the role of the joined matrix."""

    component: str
    layer: int | None
    expert: int | None
    kind: str


@dataclass(frozen=True, slots=True)
class Packed:
    """Query and reference in one packing; `reordered` names the query's tensors whose rows were put in order."""

    a: CheckpointSketch
    b: CheckpointSketch
    reordered: frozenset[str] = frozenset()


def in_one_packing(a: CheckpointSketch, b: CheckpointSketch, models: int) -> Packed:
    """Query and reference in one packing, if names or values show that it differs; else both unchanged."""
    if is_adapter(a) or is_adapter(b):
        return Packed(a, b)
    a, b, reordered = without_repeats(a, b)
    numbers: Mapping[ExpertPlace, int] = {}
    if has_experts(a) and has_experts(b):
        from lineage.match.expert_numbers import in_one_numbering  # imported only for mixtures

        a, numbers, counting = in_one_numbering(a, b, models)
        reordered |= counting
    mine, theirs = {_numbered(where, numbers): held for where, held in _found(a).items()}, _found(b)
    joined_a: dict[str, TensorSketch] = {}
    joined_b: dict[str, TensorSketch] = {}
    for kind in dict.fromkeys(where.kind for where in mine):
        both = {w: (mine[w], theirs[w]) for w in mine if w.kind == kind and w in theirs}
        by_sizes: dict[tuple[int, ...], dict[Where, tuple[_Members, _Members]]] = defaultdict(dict)
        for where, (left, right) in both.items():
            sizes = left.sizes or right.sizes or ()
            if left.length == right.length and left.width == right.width:
                by_sizes[(*sizes, left.length)][where] = (left, right)
        for held in by_sizes.values():
            order = _chosen_order(a, b, held, models)
            for where, (left, right) in held.items():
                if order is None and left.is_whole == right.is_whole:
                    continue
                for ours, others in ((left.weights, right.weights), (left.biases, right.biases)):
                    both_joined = _joined(where, ours, others, order)
                    if both_joined is not None:
                        joined_a |= dict.fromkeys((t.name for t in ours), both_joined[0])
                        joined_b |= dict.fromkeys((t.name for t in others), both_joined[1])
                        reordered |= {both_joined[0].name} if order is not None else set()
    return Packed(_with(a, joined_a), _with(b, joined_b), frozenset(reordered))


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class _Members:
    """The matrices, in order, that make up what one side has at one place, rows being units, and their biases."""

    weights: tuple[TensorSketch, ...]
    biases: tuple[TensorSketch, ...]
    witness: TensorSketch | None

    @property
    def is_whole(self) -> bool:
        return len(self.weights) == 1

    @property
    def sizes(self) -> tuple[int, ...] | None:
        return None if self.is_whole else tuple(t.shape[0] for t in self.weights)

    @property
    def length(self) -> int:
        return sum(t.shape[0] for t in self.weights)

    @property
    def width(self) -> int:
        return self.weights[0].shape[1]


@remembered
def _found(sketch: CheckpointSketch) -> dict[Where, _Members]:
    """The joinable matrices of a model, as one matrix or as parts, at places with exactly one such group."""
    at: dict[tuple[str, int | None, int | None], dict[str, list[TensorSketch]]] = defaultdict(lambda: defaultdict(list))
    for tensor in sketch.tensors:
        part = tensor.part
        if part.excluded is None and len(tensor.shape) == 2 and part.layer is not None:
            expert = expert_of(tensor.name) if part.role.startswith(EXPERT) else None
            at[part.component, part.layer, expert][part.role.removeprefix(EXPERT)].append(tensor)
    by_name = {t.name: t for t in sketch.tensors if len(t.shape) == 1}
    found: dict[Where, _Members] = {}
    for place, roles in at.items():
        for kind, parts in _KINDS.items():
            chosen = [roles[kind]] if kind in roles else [roles.get(part, []) for part in parts]
            if any(len(one) != 1 for one in chosen):
                continue
            weights = [_with_units_as_rows(one[0]) for one in chosen]
            if len({t.shape[1] for t in weights}) > 1:
                continue
            biases = [by_name.get(f"{t.name.removesuffix('.weight')}.bias") for t in weights]
            witness = roles.get(_WITNESS[kind], [])
            found[Where(*place, kind)] = _Members(
                tuple(weights),
                tuple(b for b in biases if b is not None) if None not in biases else (),
                _with_stream_as_rows(witness[0]) if len(witness) == 1 else None,
            )
    return found


def _numbered(where: Where, numbers: Mapping[ExpertPlace, int]) -> Where:
    """A place of the query with the reference's number for the expert there."""
    if where.expert is None:
        return where
    return where._replace(expert=numbers.get((where.component, where.layer, where.expert), where.expert))


def _with_units_as_rows(tensor: TensorSketch) -> TensorSketch:
    """A matrix that reads the stream, with its outputs as rows: transposed if its rows are inputs."""
    first, second = (_is_stream(axis) for axis in tensor.part.axes)
    return turned(tensor) if first and not second else tensor


def _with_stream_as_rows(tensor: TensorSketch) -> TensorSketch:
    """A matrix that writes to the stream, with the stream as rows."""
    first, second = (_is_stream(axis) for axis in tensor.part.axes)
    return turned(tensor) if second and not first else tensor


def _is_stream(axis: Axis) -> bool:
    return axis.exchangeable and axis.label.endswith("/residual")


def _chosen_order(
    a: CheckpointSketch,
    b: CheckpointSketch,
    held: Mapping[Where, tuple[_Members, _Members]],
    models: int,
) -> Places | None:
    """The places of the query's rows in the reference's order, chosen by values; None if no order is better."""
    open_ = [(left, right) for left, right in held.values() if not _are_equal(left.weights, right.weights)]
    related = _related(open_[:: max(1, len(open_) // _TRIED)], tried=len(a.tensors) * len(b.tensors) * models)
    if not related:
        return None
    from lineage.match.row_layouts import attention_orders, gate_orders  # imported only if needed
    from lineage.match.row_orders import FacingRows, best_order

    stacks = [(_stacked(left), _stacked(right)) for left, right in related]
    pairs = [FacingRows(x, y) for x, y in stacks if x is not None and y is not None]
    if not pairs:
        return None
    (where, (left, right)), *_ = held.items()
    sizes = left.sizes or right.sizes or _thirds(left, where.kind)
    if sizes is None:
        return None
    if where.kind == "gate-up":
        return best_order(pairs, gate_orders(sizes[0]), models) if sizes[0] == sizes[1] else None
    return best_order(pairs, attention_orders((sizes[0], sizes[1], sizes[2])), models)


@remembered
def _stacked(members: _Members) -> RowStack | None:
    """The rows of one side, stacked once for all models that it is compared with."""
    return row_stack(members.weights)


def _thirds(members: _Members, kind: str) -> tuple[int, ...] | None:
    parts = len(_KINDS[kind])
    return (members.length // parts,) * parts if members.length % parts == 0 else None


def _related(facing: Sequence[tuple[_Members, _Members]], tried: int) -> list[tuple[_Members, _Members]]:
    """The first few whose matrices that read the units are related: equal, or individually significant."""
    needed = normal_quantile(LOG10_ALPHA - math.log10(2 * tried))
    held = [(one, sides) for one in facing if (sides := _witnesses(*one)) is not None]
    tests = pair_tests([(*sides, False) for _, sides in held])
    found = [
        one
        for (one, (left, right)), test in zip(held, tests, strict=True)
        if _are_equal([left], [right]) or (test is not None and test.z > needed)
    ]
    return found[:_LAYERS]


def _witnesses(left: _Members, right: _Members) -> tuple[TensorSketch, TensorSketch] | None:
    """The matrices that read the units, if both sides have one and the shapes agree; else None."""
    mine, theirs = left.witness, right.witness
    return (mine, theirs) if mine is not None and theirs is not None and mine.shape == theirs.shape else None


def _are_equal(a: Sequence[TensorSketch], b: Sequence[TensorSketch]) -> bool:
    """Equal digests, in turn, of tensors whose values are mostly distinct."""
    return [t.band_digest for t in a] == [t.band_digest for t in b] and all(t.stats.distinct >= MIN_DISTINCT for t in a)


def _joined(
    where: Where, mine: Sequence[TensorSketch], theirs: Sequence[TensorSketch], order: Places | None
) -> tuple[TensorSketch, TensorSketch] | None:
    """Both sides as one tensor in the reference's order, with equal digests if everything sampled in both is equal."""
    if not mine or not theirs:
        return None
    x, y = row_stack(mine), row_stack(theirs)
    if x is None or y is None or x.length != y.length:
        return None
    role = where.kind if where.expert is None else EXPERT + where.kind
    x, y = at_common_rows(x if order is None else x.moved(order), y)
    a, b = joined_sketch(x, role), joined_sketch(y, role)
    from lineage.match.equal_content import hold_the_same  # imported only for joined tensors

    if hold_the_same(a, b):  # statistics, of other rows of the same values, are as good as those of its own
        a = replace(a, digest=b.digest, band_digest=b.band_digest, stats=b.stats)
    return a, b


def _with(sketch: CheckpointSketch, joined: Mapping[str, TensorSketch]) -> CheckpointSketch:
    """A sketch with joined tensors in the place of their first members."""
    if not joined:
        return sketch
    kept = dict.fromkeys(joined.get(tensor.name, tensor) for tensor in sketch.tensors)
    return replace(sketch, tensors=tuple(kept))
