"""Integers with a divisor: `code / scale`, one scale for the tensor or one a row, as CTranslate2 and ncnn keep them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lineage.types import AnyArray, TensorView


def divided(codes: TensorView, scale: TensorView, encoding: str) -> TensorView:
    """View integer `codes` as float32; `scale` has one value, or one for each row of `codes`."""
    per_row = scale.shape not in {(), (1,)}

    def rows(start: int, stop: int) -> AnyArray:
        found = codes.rows(start, stop).astype(np.float32)
        held = scale.rows(start, stop) if per_row else scale.rows(0, 1)
        with np.errstate(all="ignore"):  # of damaged bytes; the sketch refuses what is not finite
            return found / held.astype(np.float32).reshape(-1, *[1] * (found.ndim - 1))

    way = "per-channel" if per_row else "per-tensor"
    return replace(codes, dtype=np.dtype(np.float32), rows=rows, encoding=f"{encoding} {way}")
