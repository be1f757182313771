"""What is kept of a tensor, of the neurons of a layer and of a model."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from lineage.types.anatomy import Part
from lineage.types.checkpoints import Declared
from lineage.types.words import Depth

if TYPE_CHECKING:
    from lineage.types.facts.exclusions import Exclusion
    from lineage.types.settings import PartConfiguration
    from lineage.types.tokenizers import TokenizerSketch

AnchorKey = Literal["row", "token", "input"]
"""What identifies anchors: the numbers of the rows of a table, the texts of its tokens, or the inputs of a network."""


@dataclass(frozen=True, slots=True)
class Units:
    """Sampled units of one axis, each projected to a few numbers: int8 codes and one scale a unit.

    `index` (n,) int64 are positions on the axis, ascending; `codes` (n, 32) int8; `scale` (n,) float32.
    The projected unit is `codes * scale[:, None]`.
    """

    index: NDArray[np.int64]
    codes: NDArray[np.int8]
    scale: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Stats:
    """Moments and lattice of the sampled band of one tensor.

    `mean`, `std`, `kurtosis` and `zeros` (share) are over the sampled rows, at either depth;
    `levels_row` and `levels_group` are the median counts of equally spaced levels that a row and a
    run of 32 values lie on, 0 where they lie on no lattice; `distinct` is the share of the sampled
    values that no other sampled value equals.
    """

    mean: float
    std: float
    kurtosis: float
    zeros: float
    levels_row: int
    levels_group: int
    distinct: float


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class TensorSketch:
    """All that is kept of one tensor, compared by identity. Absent families are None.

    `digest` covers every value in the narrowest exact dtype (full depth, and tensors of up to 2**18 values at
    either), `band_digest` the sampled rows (both depths). `values` is the grid of sampled values, float32,
    shape (len(grid[0]), len(grid[1])): `grid` holds row positions and positions in the flattened rest of the
    shape. `moments` (4,) float64, the raw power sums over every element
    (which no reordering changes), exist where `digest` does, `minhash` (128,) uint32 at full depth only.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    part: Part
    params: int
    stats: Stats
    band_digest: str
    digest: str | None
    grid: tuple[NDArray[np.int64], NDArray[np.int64]]
    values: NDArray[np.float32]
    units: tuple[Units | None, Units | None]
    minhash: NDArray[np.uint32] | None
    moments: NDArray[np.float64] | None


class Outlined(Protocol):
    """What a tensor is, without its measurements; see `TensorSketch`."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape as stored."""

    @property
    def dtype(self) -> str:
        """How its values are stored."""

    @property
    def part(self) -> Part:
        """What it is for."""

    @property
    def params(self) -> int:
        """How many values it has."""

    @property
    def digest(self) -> str | None:
        """The digest of its values."""

    @property
    def band_digest(self) -> str:
        """The digest of its sampled rows."""


class StoredTensors(Sequence[TensorSketch]):
    """Sketches of tensors that are not in memory; only their outlines are."""

    @property
    @abstractmethod
    def outlines(self) -> Sequence[Outlined]:
        """What each of the tensors is, in order."""


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Neurons:
    """Neurons of a layer, or rows of a head, by how their weights act on the tokens, which no change of basis alters.

    Or channels of a layer of a network without attention, by how they act on its inputs, which no order of them alters.

    `index` (n,) int64 are their numbers in the layer, those of a mixture's experts one after the other, ascending.
    `codes` (kinds, n, 32) int8: for each matrix that has the neurons on one side and the residual stream on the other
    (gate, up, down; or up, down; the head alone; of channels, two halves of what they read), the direction of the
    neuron's weights along 32 anchors of the stream; times `scale` (kinds, n) float32, None in older sketches, they are
    the weights along them. `attention` (2, 32, 32) float32 is what the heads do from anchor to anchor, values and
    outputs, queries and keys; None where a layer has no such matrices. Heads on one stream are numbered as layers are.
    `keyed` says what identifies the anchors: only neurons with the same key can be compared.
    """

    component: str
    layer: int
    index: NDArray[np.int64]
    codes: NDArray[np.int8]
    attention: NDArray[np.float32] | None = None
    scale: NDArray[np.float32] | None = None
    keyed: AnchorKey = "row"


@dataclass(frozen=True, slots=True, weakref_slot=True)
class CheckpointSketch:
    """The sketch of a whole model; `id` is made from content digests, never from float bytes.

    `family` names the sketch scheme with every parameter that must agree before two are compared. `unread` counts the
    values of weights that could not be read, which `left_out` names. `neurons` exist at full
    depth, for towers and networks of layers.
    `tokenizer` is that of the tokenizer beside the weights, `configuration` what its config says: witnesses of their
    own, which enter neither `id` nor any comparison of weights. `weights_seen` is False for a sketch that was handed
    over: it claims to be of weights that nobody here has read; None where that is unknown, in an older index.
    """

    id: str
    family: str
    depth: Depth
    name: str
    path: str
    format: str
    architecture: str
    nbytes: int
    bytes_read: int
    tensors: Sequence[TensorSketch]
    licence: str | None = None
    declared: tuple[Declared, ...] = ()
    left_out: tuple[tuple[str, Exclusion], ...] = ()
    unread: int = 0
    neurons: tuple[Neurons, ...] = ()
    tokenizer: TokenizerSketch | None = None
    configuration: tuple[PartConfiguration, ...] = ()
    weights_seen: bool | None = True

    def __hash__(self) -> int:
        """That of its id and name, since facts about models are looked up often; equal sketches have equal ones."""
        return hash((self.id, self.name))

    @property
    def params(self) -> int:
        """Number of weights, those of excluded tensors and `unread` ones included."""
        return sum(t.params for t in self.outlines) + self.unread

    @property
    def outlines(self) -> Sequence[Outlined]:
        """What each of the tensors is, in order; cheaper than the tensors where these are not in memory."""
        return self.tensors.outlines if isinstance(self.tensors, StoredTensors) else self.tensors
