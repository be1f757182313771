"""Integers with a scale: `(code - zero) * scale`, as views whose bands are numbers again.

The scheme of ONNX (DequantizeLinear), TFLite and tfjs: one scale for the tensor, for each index of an axis, or for each
run of indices. Sources: https://onnx.ai/onnx/operators/onnx__DequantizeLinear.html,
https://ai.google.dev/edge/litert/models/quantization_spec (Jacob et al. 2018).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lineage.types import AnyArray, TensorView


def dequantised(
    codes: TensorView, scale: TensorView, zero: TensorView | None, encoding: str, run: int = 1
) -> TensorView:
    """View integer `codes` as numbers in the dtype of `scale`.

    `scale` and `zero` have as many axes as `codes`; a side is 1 (one scale for all indices), that of `codes` (one each)
    or in between (`run` indices share one, at the end perhaps fewer).
    """

    def rows(start: int, stop: int) -> AnyArray:
        with np.errstate(all="ignore"):  # of damaged bytes; the sketch refuses what is not finite
            values = codes.rows(start, stop).astype(np.float32)
            if zero is not None:
                values -= _spread(zero, codes.shape, start, stop, run)
            values *= _spread(scale, codes.shape, start, stop, run)
            return values.astype(scale.dtype, copy=False)

    return TensorView(codes.name, codes.shape, scale.dtype, rows, codes.storage, encoding, codes.spans)


def granularity(codes: Sequence[int], scale: Sequence[int], run: int = 1) -> str:
    """Say in words how many values share a scale: "per-tensor", "per-channel" or "groups of 32"."""
    if any(1 < count < side for side, count in zip(codes, scale, strict=True)):
        return f"groups of {run}"
    return "per-channel" if any(count > 1 for count in scale) else "per-tensor"


def _spread(held: TensorView, shape: Sequence[int], start: int, stop: int, run: int) -> AnyArray:
    """The scale of each value of rows [start, stop), float32, as far as broadcasting does not give it."""
    if not shape:
        return held.rows(0, 1).reshape(()).astype(np.float32)
    if held.shape[0] in {1, shape[0]}:
        band = held.rows(0, 1) if held.shape[0] == 1 else held.rows(start, stop)
    else:
        first = start // run
        band = held.rows(first, -(-stop // run))
        band = np.repeat(band, run, axis=0)[start - first * run :][: stop - start]
    for axis in range(1, len(shape)):
        if 1 < held.shape[axis] < shape[axis]:
            band = np.repeat(band, run, axis=axis)[(slice(None),) * axis + (slice(shape[axis]),)]
    return band.astype(np.float32)
