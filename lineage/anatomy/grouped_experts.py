"""Stacks of experts whose names say nothing, recognised by their shapes, and Megatron's two layouts.

Megatron's GroupedMLP has `weight1` (width, experts x 2 units) and `weight2` (experts x units, width), those of
TransformerEngine `linear_fc1.weight0`, `linear_fc2.weight0`, one a number (megatron/core/transformer/moe/experts.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from lineage.anatomy.names import Named, Path
from lineage.checkpoints.decode.cuts import column_range, row_range
from lineage.types import TensorView

MOST = 4096  # experts in a layer; a larger stack is a table of something else
_NUMBERED = re.compile(r"weight(\d{1,4})")
_GATED = ("gate_proj", "up_proj")


def beside(weight: Named, modules: Mapping[Path, Named]) -> list[Named]:
    """The other stacks in the module of one, of as many matrices, in order."""
    return [
        other
        for other in modules.values()
        if other is not weight and other.parent == weight.parent and _is_stack(other, weight.shape[0])
    ]


def doubled_axis(weight: Named, down: Named) -> int | None:
    """The axis of one expert's matrix that is twice as long as the one that `down` reads; None if there is none."""
    if len(down.shape) != 3 or len(weight.shape) != 3:
        return None
    (rows, columns), (first, second) = weight.shape[1:], down.shape[1:]
    if rows == 2 * second and columns == first:
        return 0
    return 1 if columns == 2 * first and rows == second else None


def parts_by_shapes(weight: Named, home: Path, modules: Mapping[Path, Named]) -> Sequence[str]:
    """The parts in a stack of experts whose name says nothing; empty without a router of that size or fitting shapes.

    Of two stacks one is twice as wide (gate and up) or is the down projection; of three one is the down projection.
    Which of two is the gate is taken from their order, and corrected by values where that is wrong.
    """
    if len(weight.shape) != 3 or not 1 < weight.shape[0] <= MOST or not _is_counted(weight.shape[0], home, modules):
        return ()
    others = beside(weight, modules)
    if len(others) == 1:
        return _of_two(weight, others[0])
    return _of_three(weight, others) if len(others) == 2 else ()


def _of_two(weight: Named, other: Named) -> Sequence[str]:
    if doubled_axis(weight, other) is not None:
        return _GATED
    return ("down_proj",) if doubled_axis(other, weight) is not None else ()


def _of_three(weight: Named, others: Sequence[Named]) -> Sequence[str]:
    """Two stacks of one shape, in their order, and one of the transposed shape; nothing for square matrices."""
    turned = (weight.shape[0], *weight.shape[:0:-1])
    shapes = [other.shape for other in others]
    if turned == weight.shape or {*shapes} - {weight.shape, turned}:
        return ()
    if shapes == [turned, turned]:
        return ("down_proj",)
    twin = next((other for other in others if other.shape == weight.shape), None)
    return () if twin is None or turned not in shapes else (_GATED[weight.name > twin.name],)


def grouped_parts(view: TensorView, weight: Named, home: Path, modules: Mapping[Path, Named]) -> list[TensorView]:
    """The experts' matrices of Megatron's layouts; empty for anything else."""
    numbered = _NUMBERED.fullmatch(weight.last)
    if len(weight.shape) != 2 or numbered is None or view.shape != weight.shape:
        return []
    stem = view.name[: view.name.rindex("experts")] + "experts"
    if weight.parent[-1] in ("linear_fc1", "linear_fc2"):
        down = modules.get((*weight.parent[:-1], "linear_fc2", weight.last))
        return _of_one(view, f"{stem}.{numbered[1]}", weight, down)
    return _side_by_side(view, stem, weight, home, modules) if weight.parent[-1] == "experts" else []


def _side_by_side(
    view: TensorView, stem: str, weight: Named, home: Path, modules: Mapping[Path, Named]
) -> list[TensorView]:
    """The experts of `weight1`, (width, experts x units, or twice as many), or `weight2`, (experts x units, width)."""
    first, second = (modules.get((*weight.parent, name)) for name in ("weight1", "weight2"))
    count = _count(home, modules)
    if first is None or second is None or count < 2 or second.shape[0] % count or first.shape[0] != second.shape[1]:
        return []
    units = second.shape[0] // count
    if weight is second:
        rows = (row_range(view, e * units, (e + 1) * units) for e in range(count))
        return [replace(one, name=f"{stem}.{e}.down_proj.weight") for e, one in enumerate(rows)]
    names = {2 * second.shape[0]: _GATED, second.shape[0]: _GATED[1:]}.get(first.shape[1], ())
    columns = ((e, part, (e * len(names) + at) * units) for e in range(count) for at, part in enumerate(names))
    return [
        replace(column_range(view, start, start + units), name=f"{stem}.{e}.{part}.weight")
        for e, part, start in columns
    ]


def _of_one(view: TensorView, stem: str, weight: Named, down: Named | None) -> list[TensorView]:
    """The matrices of one expert, of which gate and up are one above the other."""
    if down is None or weight is down:
        return [replace(view, name=f"{stem}.down_proj.weight")]
    width, units = down.shape
    if weight.shape == (2 * units, width):
        halves = (row_range(view, start, start + units) for start in (0, units))
        return [replace(one, name=f"{stem}.{part}.weight") for part, one in zip(_GATED, halves, strict=True)]
    return [replace(view, name=f"{stem}.up_proj.weight")]


def _is_stack(tensor: Named, count: int) -> bool:
    return len(tensor.shape) == 3 and tensor.shape[0] == count


def _is_counted(count: int, home: Path, modules: Mapping[Path, Named]) -> bool:
    """Whether the router of these experts has as many outputs."""
    return any(count in tensor.shape for tensor in _around(home, modules))


def _count(home: Path, modules: Mapping[Path, Named]) -> int:
    """The number of outputs of the router, 0 without one."""
    named = (t for t in _around(home, modules) if re.search(r"router|gate|wg", ".".join(t.module[len(home) :])))
    return next((tensor.shape[0] for tensor in named), 0)


def _around(home: Path, modules: Mapping[Path, Named]) -> list[Named]:
    """Matrices of the layer's mixture that do not belong to its experts."""
    return [
        tensor
        for tensor in modules.values()
        if tensor.module[: len(home)] == home and "experts" not in tensor.module and len(tensor.shape) == 2
    ]
