"""What the layers on one residual stream show of themselves, in whatever basis they are."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from statistics import median

from lineage.ancestry.pair.blurred import blurred
from lineage.ancestry.pair.lattices import lattice
from lineage.match import EXPERT
from lineage.sketch.neuron_layers import KINDS, kind_of, labels
from lineage.types import CheckpointSketch, TensorSketch

_TABLES = ("tokens", "patch", "positions")
_ATTENTION = ("q", "k", "v", "o", "qkv")
_MOST = 0.5  # share of the matrices that must show a scheme
_FEWEST_GAINS = 2  # one constant gain is no sign of a fold


@dataclass(frozen=True, slots=True)
class Tower:
    """A component of a model whose neurons were held, in these of its layers."""

    sketch: CheckpointSketch
    component: str
    held: Collection[int]

    @property
    def stream(self) -> str:
        """The label of the residual stream on which the neurons stand."""
        own = (t.part for t in self.sketch.tensors if t.part.component == self.component)
        return next(label for part in own for label in labels(part) if label.endswith("/residual"))

    @property
    def on_stream(self) -> list[TensorSketch]:
        """All that has the stream on one side."""
        stream = self.stream
        return [t for t in self.sketch.tensors if stream in labels(t.part)]

    @property
    def matrices(self) -> list[TensorSketch]:
        """The matrices of neurons and heads."""
        roles = (*KINDS, *_ATTENTION)
        return [t for t in self.on_stream if len(t.shape) > 1 and kind_of(t.part) in roles]

    @property
    def layers(self) -> int:
        """How many layers have neurons."""
        own = [t.part for t in self.sketch.tensors if t.part.component == self.component and kind_of(t.part) in KINDS]
        return len({part.layer for part in own})

    @property
    def units(self) -> int:
        """How many neurons the layers that were held have."""
        own = [
            t for t in self.matrices
            if t.part.component == self.component and t.part.layer in self.held and kind_of(t.part) == "up"
        ]  # fmt: skip
        return sum(t.params // _side(t, self.stream) for t in own)

    @property
    def has_experts(self) -> bool:
        """Whether the neurons are shared out among experts."""
        return any(t.part.role.startswith(EXPERT) for t in self.matrices)

    @property
    def table(self) -> TensorSketch | None:
        """The table at which the stream begins."""
        tables = [t for t in self.on_stream if len(t.shape) > 1]
        return next((t for label in _TABLES for t in tables if label in labels(t.part)), None)

    @property
    def tokens(self) -> int | None:
        """How many rows its table of tokens has."""
        table = self.table
        return None if table is None or "tokens" not in labels(table.part) else _side(table, "tokens")

    @property
    def is_flat(self) -> bool:
        """Whether all gains of the norms between the layers are one constant, as where they were folded away."""
        gains = [t for t in self.on_stream if t.part.role == "norm" and t.part.layer is not None and len(t.shape) == 1]
        return len(gains) >= _FEWEST_GAINS and all(t.stats.std == 0.0 for t in gains)

    @property
    def has_gains(self) -> bool:
        """Whether any gain of a norm between the layers was trained."""
        return any(t.part.role == "norm" and t.part.layer is not None and t.stats.std > 0.0 for t in self.on_stream)

    @property
    def zeros(self) -> float:
        """The median share of zeros of a matrix."""
        return median([t.stats.zeros for t in self.matrices] or [0.0])

    @property
    def has_levels(self) -> bool:
        """Whether most of the matrices, by size, are stored in few bits or lie on levels of few bits."""
        sizes = [(t.params, " " in t.dtype or lattice(t) is not None or blurred(t) is not None) for t in self.matrices]
        return sum(size for size, few in sizes if few) > _MOST * sum(size for size, _ in sizes)


def _side(tensor: TensorSketch, label: str) -> int:
    return next(size for size, axis in zip(tensor.shape, tensor.part.axes, strict=False) if axis.label == label)
