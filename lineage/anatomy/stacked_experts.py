"""The experts of a mixture one by one, where a framework keeps all of a layer in one tensor.

Layouts: transformers from 5 on (experts, 2 units, width), gate above up; Llama-4 and Qwen3-VL (experts, width, 2
units); gpt-oss the same with gate and up alternating; Granite's and JetMoE's `input_linear`; torchtitan's w1, w2, w3;
DBRX and MegaBlocks (experts x units, width); vLLM's w13 and w2. Others are recognised by their shapes
(`grouped_experts`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from lineage.anatomy.grouped_experts import MOST, beside, doubled_axis, grouped_parts, parts_by_shapes
from lineage.anatomy.names import Named, Path, is_number
from lineage.checkpoints.decode.cuts import column_range, every_other_row, matrices, row_range
from lineage.types import TensorView

_PARTS = {
    "gate_up_proj": ("gate_proj", "up_proj"), "up_gate_proj": ("up_proj", "gate_proj"),
    "input_linear": ("gate_proj", "up_proj"), "output_linear": ("down_proj",),
    "gate_proj": ("gate_proj",), "up_proj": ("up_proj",), "down_proj": ("down_proj",),
    "w1": ("w1",), "w2": ("w2",), "w3": ("w3",), "v1": ("w3",), "w13": ("gate_proj", "up_proj"),
}  # fmt: skip
_DOWN = ("down_proj", "output_linear", "w2")
_ROUTERS = (("gate",), ("router",), ("router", "layer"))


def expert_parts(
    view: TensorView,
    tensor: Named,
    modules: Mapping[Path, Named],
    biased: Collection[Path],
    config: Mapping[str, Any],
) -> list[TensorView]:
    """Views of the matrices, or biases, of each expert; empty for anything but a stack of experts.

    `modules` are the weights of the model by module, `biased` the modules that have a bias.
    """
    weight = modules[tensor.module]
    home = _home(weight)
    if home is None:
        return []
    if grouped := grouped_parts(view, weight, home, modules):
        return grouped
    parts = _PARTS.get(tensor.last) or parts_by_shapes(weight, home, modules)
    if not parts:
        return []
    stack = _split_rows(view, weight, home, modules) if len(weight.shape) == 2 else _matrices(view, tensor, weight)
    if not stack:
        return []
    if len(parts) == 1:
        found = [[matrix] for matrix in stack]
    else:
        axis = _doubled_axis(weight, modules)
        if axis is None:
            return []
        by_turns = config.get("model_type") == "gpt_oss" or tensor.module in biased
        found = [_halves(matrix, axis if len(matrix.shape) == 2 else 0, by_turns) for matrix in stack]
    stem = _stem(view.name, tensor)
    leaf = "bias" if tensor.leaf == "bias" else "weight"
    return [
        replace(one, name=f"{stem}.{number}.{part}.{leaf}")
        for number, matrix in enumerate(found)
        for part, one in zip(parts, matrix, strict=True)
    ]


def _matrices(view: TensorView, tensor: Named, weight: Named) -> list[TensorView]:
    """A view for each expert of a stack of matrices, or of the matrix of their biases."""
    rank = 2 if tensor.leaf == "bias" else 3
    fits = len(weight.shape) == 3 and len(view.shape) == rank and 1 <= view.shape[0] <= MOST
    return matrices(view) if fits and view.shape[0] == weight.shape[0] else []


def _home(tensor: Named) -> Path | None:
    """The module that the experts belong to; None for anything but a stack of experts."""
    module = tensor.module
    if "experts" in module:
        at = module.index("experts")
        return None if any(is_number(token) for token in module[at:]) else module[:at]
    is_stack = tensor.last in ("input_linear", "output_linear") and len(tensor.shape) == 3
    return tensor.parent if is_stack else None


def _split_rows(view: TensorView, weight: Named, home: Path, modules: Mapping[Path, Named]) -> list[TensorView]:
    """The experts of a matrix that has them one above the other, as many as the router counts."""
    routers = [modules[(*home, *path)] for path in _ROUTERS if (*home, *path) in modules]
    count = routers[0].shape[0] if routers and len(routers[0].shape) == 2 else 0
    if not 1 < count <= MOST or view.shape != weight.shape or view.shape[0] % count:
        return []
    size = view.shape[0] // count
    return [row_range(view, number * size, (number + 1) * size) for number in range(count)]


def _doubled_axis(weight: Named, modules: Mapping[Path, Named]) -> int | None:
    """The axis, of one expert's matrix, that holds gate and up: twice as long as the input of down."""
    named = [modules[path] for name in _DOWN if (path := (*weight.parent, name)) in modules]
    found = (doubled_axis(weight, down) for down in named or beside(weight, modules))
    return next((axis for axis in found if axis is not None), None)


def _halves(matrix: TensorView, axis: int, by_turns: bool) -> list[TensorView]:
    length = matrix.shape[axis]
    if by_turns and axis:
        return [column_range(matrix, first, length, 2) for first in (0, 1)]
    if by_turns:
        return [every_other_row(matrix, first) for first in (0, 1)]
    cut = column_range if axis else row_range
    return [cut(matrix, start, start + length // 2) for start in (0, length // 2)]


def _stem(name: str, tensor: Named) -> str:
    """The name of the experts' module as it is in the file."""
    head, found, _ = name.partition("experts.")
    return f"{head}experts" if found else f"{name[: name.rindex(tensor.last)]}experts"
