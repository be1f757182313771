"""What a tensor is for."""

from __future__ import annotations

from dataclasses import dataclass

from lineage.types.facts.exclusions import Exclusion


@dataclass(frozen=True, slots=True)
class Axis:
    """One side of a weight matrix: what its units are, and whether relabelling them changes nothing.

    Tensors of one model whose axes share a `label` share one relabelling ("residual",
    "encoder.layer.3/mlp"); `exchangeable` is False for tokens, positions, pixels, classes, the rows
    inside a rotary head, and everything that is not understood.
    """

    label: str
    exchangeable: bool


@dataclass(frozen=True, slots=True)
class Part:
    """What one tensor is for: its component, its role there, its layer, the axes of its matrix view.

    `axes` are (output units, input units) in *storage order of the matrix view*: axis 0 is the first
    stored axis, axis 1 the second; kernel positions belong to neither. One-dimensional tensors have
    a meaningful `axes[0]` only. `excluded` says why the tensor is not evidence (fixed table,
    constant), or is None.
    """

    component: str
    role: str
    layer: int | None
    axes: tuple[Axis, Axis]
    excluded: Exclusion | None = None
