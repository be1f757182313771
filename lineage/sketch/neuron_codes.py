"""Codes of neurons as a sketch keeps them: 8 bits a number, and of many neurons those that choose themselves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lineage.sketch.neuron_layers import MOST_NEURONS
from lineage.types import Float32Array


def quantised(codes: Float32Array) -> tuple[NDArray[np.int8], Float32Array]:
    """Directions in 8 bits, scaled so that the largest number of each is 127, and the value of one step."""
    largest = np.abs(codes).max(axis=-1, keepdims=True)
    scale = np.where(largest > 0, largest, 1.0) / np.float32(127.0)
    return np.rint(codes / scale).astype(np.int8), np.asarray(scale[..., 0], np.float32)


def kept(codes: NDArray[np.int8]) -> NDArray[np.int64]:
    """The neurons to keep, chosen by their own codes and so independent of their order: those along few anchors."""
    spread = np.abs(codes.astype(np.int64)).sum(axis=1)
    return np.sort(np.argsort(spread, kind="stable")[:MOST_NEURONS]).astype(np.int64)
