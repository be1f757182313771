"""Rough search for models whose units may be permuted or rotated, by vectors that describe their neurons."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lineage.match.disguise import networks
from lineage.sketch.vectors import NETWORK_DIM
from lineage.types import CheckpointSketch

_LIKE = 0.4  # cosine of two networks: at most 0.35 between unrelated ones of the practice zoo's calibration half


def in_disguise(sketches: Sequence[CheckpointSketch]) -> NDArray[np.float64]:
    """Similarity of the networks of every two models, (models, models), 0..1; 0 below the threshold.

    It is the best cosine of any two of their towers. It only selects pairs to compare and is never used as evidence.
    """
    vectors = [networks(sketch) for sketch in sketches]
    owner = np.repeat(np.arange(len(sketches)), np.array([len(held) for held in vectors], np.int64))
    rows = np.concatenate([np.empty((0, NETWORK_DIM), np.float32), *vectors])
    share = np.zeros((len(sketches), len(sketches)))
    cosines = (rows @ rows.T).astype(np.float64)
    np.maximum.at(share, (owner[:, None], owner[None]), cosines)
    return np.where(share > _LIKE, np.minimum(share, 1.0), 0.0)
