"""Quantised torch tensors (qint8, quint8, qint32), as numbers: one scale and zero for all, or one an index of an axis.

Arguments are those of `_rebuild_qtensor` of torch/_utils.py: value = (code - zero) * scale.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lineage.checkpoints.decode.affine import dequantised, granularity
from lineage.checkpoints.formats.torch.tensors import Composed, Leaf, Tensor, Unread, is_size
from lineage.checkpoints.io.quoting import quoted
from lineage.checkpoints.wire.unpickler import Global
from lineage.errors import Malformed
from lineage.types import AnyArray, TensorView
from lineage.types.facts.exclusions import NotRead

PER_TENSOR = "torch.per_tensor_affine"
PER_CHANNEL = ("torch.per_channel_affine", "torch.per_channel_affine_float_qparams")
_Views = Mapping[str, TensorView]


def quantised(codes: Tensor, scheme: Any) -> Leaf:
    """Take the codes and (scheme, scale, zero) or (scheme, scales, zeros, axis)."""
    kind = scheme[0].name if isinstance(scheme, tuple) and scheme and isinstance(scheme[0], Global) else None
    if kind == PER_TENSOR and len(scheme) == 3 and isinstance(scheme[1], float) and isinstance(scheme[2], int):
        scale, zero = scheme[1], scheme[2]
        if not math.isfinite(scale) or not -(1 << 31) <= zero < 1 << 31:
            raise ValueError("a scale or zero that no quantised tensor has")
        return Composed(codes.shape, {"codes": codes}, lambda _, name, views: _uniform(name, views, scale, zero))
    if kind in PER_CHANNEL and len(scheme) == 4 and is_size(scheme[3]):
        scales, zeros, axis = scheme[1:]
        if isinstance(scales, Tensor) and isinstance(zeros, Tensor):
            parts = {"codes": codes, "scales": scales, "zeros": zeros}
            return Composed(codes.shape, parts, lambda path, name, views: _by_channel(path, name, views, axis))
    return Unread(NotRead("unknown-quantisation"), math.prod(codes.shape))


def _uniform(name: str, views: _Views, scale: float, zero: int) -> TensorView:
    codes = replace(views["codes"], name=name)
    axes = (1,) * len(codes.shape)
    return dequantised(codes, _constant(axes, scale), _constant(axes, zero), _encoding(codes, "per-tensor"))


def _by_channel(path: Path, name: str, views: _Views, axis: int) -> TensorView:
    codes = replace(views["codes"], name=name)
    if axis >= len(codes.shape) or any(views[part].shape != (codes.shape[axis],) for part in ("scales", "zeros")):
        raise Malformed(path, f"quantised tensor {quoted(name)} has scales that do not fit its shape {codes.shape}")
    scales, zeros = (_along(views[part], axis, len(codes.shape)) for part in ("scales", "zeros"))
    return dequantised(codes, scales, zeros, _encoding(codes, granularity(codes.shape, scales.shape)))


def _along(view: TensorView, axis: int, axes: int) -> TensorView:
    """A vector as one axis of many, in float32."""
    shape = (1,) * axis + view.shape + (1,) * (axes - axis - 1)

    def rows(start: int, stop: int) -> AnyArray:
        held = view.rows(start, stop) if axis == 0 else view.rows(0, view.shape[0])
        with np.errstate(over="ignore"):  # the sketch refuses such values
            return held.astype(np.float32).reshape(-1 if axis == 0 else 1, *shape[1:])

    return replace(view, shape=shape, dtype=np.dtype(np.float32), rows=rows)


def _constant(shape: tuple[int, ...], value: float) -> TensorView:
    held = np.full(shape or (1,), value, np.float32)
    return TensorView("", shape, held.dtype, lambda _start, _stop: held, "")


def _encoding(codes: TensorView, says: str) -> str:
    return f"torch q{codes.dtype.name} {says}"
