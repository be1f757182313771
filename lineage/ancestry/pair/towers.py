"""Properties of the layers on one residual stream that can be read in any basis."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from statistics import median

from lineage.ancestry.pair.blurred import blurred
from lineage.ancestry.pair.lattices import lattice
from lineage.match import EXPERT
from lineage.sketch.channel_paths import CHANNEL_ROLES, described_layers, sides
from lineage.sketch.neuron_layers import KINDS, kind_of, labels
from lineage.types import CheckpointSketch, TensorSketch

_TABLES = ("tokens", "patch", "positions")
_ATTENTION = ("q", "k", "v", "o", "qkv")
_MOST = 0.5  # share of the matrices, by size, that must show a scheme
_FEWEST_GAINS = 2  # one constant gain does not show that gains were folded


@dataclass(frozen=True, slots=True)
class Tower:
    """A component of a model whose neurons were compared in the layers `held`: a tower, or a network of channels."""

    sketch: CheckpointSketch
    component: str
    held: Collection[int]

    @property
    def _own(self) -> list[TensorSketch]:
        return [t for t in self.sketch.tensors if t.part.component == self.component]

    @property
    def stream(self) -> str | None:
        """The label of the residual stream that the neurons read and write, None for a network without one."""
        return next((label for t in self._own for label in labels(t.part) if label.endswith("/residual")), None)

    @property
    def on_stream(self) -> list[TensorSketch]:
        """All tensors with an axis on the stream, or all of a network without one."""
        stream = self.stream
        return self._own if stream is None else [t for t in self.sketch.tensors if stream in labels(t.part)]

    @property
    def matrices(self) -> list[TensorSketch]:
        """The matrices of neurons and heads, or all of a network without a stream."""
        roles = (*KINDS, *_ATTENTION) if self.stream is not None else CHANNEL_ROLES
        return [t for t in self.on_stream if len(t.shape) > 1 and kind_of(t.part) in roles]

    @property
    def layers(self) -> int:
        """The number of layers with neurons; of a network without a stream, of its matrices."""
        if self.stream is None:
            return len(self.matrices)
        return len({t.part.layer for t in self._own if kind_of(t.part) in KINDS})

    @property
    def units(self) -> int:
        """The number of neurons, or channels, of the compared layers."""
        if self.stream is None:
            return sum(t.shape[sides(t.name, t.shape, t.part)[0]] for t in compared(self))
        own = [
            t for t in self.matrices
            if t.part.component == self.component and t.part.layer in self.held and kind_of(t.part) == "up"
        ]  # fmt: skip
        return sum(t.params // _side(t, self.stream) for t in own)

    @property
    def has_experts(self) -> bool:
        """Whether the neurons are divided among experts."""
        return any(t.part.role.startswith(EXPERT) for t in self.matrices)

    @property
    def table(self) -> TensorSketch | None:
        """The embedding table at the start of the stream, None without one."""
        tables = [t for t in self.on_stream if len(t.shape) > 1]
        return next((t for label in _TABLES for t in tables if label in labels(t.part)), None)

    @property
    def tokens(self) -> int | None:
        """The number of rows of its token table, None without one."""
        table = self.table
        return None if table is None or "tokens" not in labels(table.part) else _side(table, "tokens")

    @property
    def is_flat(self) -> bool:
        """Whether every norm in the layers has constant gains, as after folding."""
        if self.stream is None:  # norms of images are folded into what stands before them
            return False
        gains = [t for t in self.on_stream if t.part.role == "norm" and t.part.layer is not None and len(t.shape) == 1]
        return len(gains) >= _FEWEST_GAINS and all(t.stats.std == 0.0 for t in gains)

    @property
    def has_gains(self) -> bool:
        """Whether any norm in the layers has gains that are not constant."""
        return any(t.part.role == "norm" and t.part.layer is not None and t.stats.std > 0.0 for t in self.on_stream)

    @property
    def zeros(self) -> float:
        """The median share of zeros over the matrices, 0..1."""
        return median([t.stats.zeros for t in self.matrices] or [0.0])

    @property
    def has_levels(self) -> bool:
        """Whether most of the matrices, by size, are stored in few bits or lie on levels of few bits."""
        sizes = [(t.params, " " in t.dtype or lattice(t) is not None or blurred(t) is not None) for t in self.matrices]
        return sum(size for size, few in sizes if few) > _MOST * sum(size for size, _ in sizes)


def compared(tower: Tower) -> list[TensorSketch]:
    """The matrices in which the channels of a network without a stream were compared."""
    tensors = tower.sketch.tensors
    places = described_layers([(t.name, t.shape, t.part) for t in tensors], tower.component)
    return [tensors[places[number]] for number in tower.held if number in places]


def _side(tensor: TensorSketch, label: str) -> int:
    return next(size for size, axis in zip(tensor.shape, tensor.part.axes, strict=False) if axis.label == label)
