"""The words and arrays that every package shares."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Float32Array = NDArray[np.float32]
Float64Array = NDArray[np.float64]
FloatArray = NDArray[np.floating[Any]]
AnyArray = NDArray[Any]
Depth = Literal["sampled", "full"]
Certainty = Literal["measured", "possible", "declared"]
"""How an ancestor is known: by directed edges, by an edge whose direction is open or weak, by a card alone."""
ExpertMap = tuple[tuple[int, int | Literal["mlp"]], ...]
"""Expert of the query -> expert of the reference, or its one MLP."""
