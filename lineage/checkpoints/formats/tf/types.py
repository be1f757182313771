"""TensorFlow's types of values.

Source: https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/framework/types.proto
"""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from lineage.types.facts.exclusions import NotAWeight

TYPES: dict[int, Any] = {
    1: "f4",
    2: "f8",
    3: "i4",
    4: "u1",
    5: "i2",
    6: "i1",
    8: "c8",
    9: "i8",
    10: np.bool_,
    11: "i1",
    12: "u1",
    13: "i4",
    14: ml_dtypes.bfloat16,
    15: "i2",
    16: "u2",
    17: "u2",
    18: "c16",
    19: "f2",
    22: "u4",
    23: "u8",
    24: ml_dtypes.float8_e5m2,
    25: ml_dtypes.float8_e4m3fn,
}
NO_NUMBERS = frozenset({7, 20, 21})  # string, resource, variant
TEXT = NotAWeight("text")
