"""What is kept of the neurons of a network so that they are recognised in any order and basis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

AnchorKey = Literal["row", "token"]
"""What identifies the rows of a table in anchors: their number, or the text of their token."""


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Neurons:
    """Neurons of a layer, or rows of a head, by how their weights act on the tokens, which no change of basis alters.

    `index` (n,) int64 are their numbers in the layer, those of a mixture's experts one after the other, ascending.
    `codes` (kinds, n, 32) int8: for each matrix that has the neurons on one side and the residual stream on the other
    (gate, up, down; or up, down; the head alone), the direction of the neuron's weights along 32 anchors of the stream;
    times `scale` (kinds, n) float32, None in sketches made before, they are the weights along them. `attention`
    (2, 32, 32) float32 is what the heads do from anchor to anchor, values and outputs, queries and keys; None where a
    layer has no such matrices. Heads on one stream are numbered as layers are. `keyed` says what identifies the
    anchors: only neurons with the same key can be compared.
    """

    component: str
    layer: int
    index: NDArray[np.int64]
    codes: NDArray[np.int8]
    attention: NDArray[np.float32] | None = None
    scale: NDArray[np.float32] | None = None
    keyed: AnchorKey = "row"
