"""Weights of one 8-bit number each, with a scale for the tensor, for each row, or for each block.

- LLM.int8 of bitsandbytes: int8 `X.weight`, float `X.SCB` (out,): weight = code * SCB / 127 (functional.py,
  `int8_vectorwise_dequant`).
- fp8 with block scales, as DeepSeek-V3 ships it: `X.weight_scale_inv` (out / 128, in / 128) (inference/kernel.py,
  `weight_dequant`), `X.scale` in its own inference code; with `weight_scale` as compressed-tensors, FBGEMM and vLLM
  write it: weight = code * scale. The scales may be powers of two alone (E8M0; MXFP8 keeps these as bytes).
- int8 of compressed-tensors: `X.weight_scale` and perhaps `X.weight_zero_point` (quantization/lifecycle/forward.py,
  `_dequantize`): weight = (code - zero) * scale.
- fp8 of ComfyUI: `X.scale_weight`.
- hand-made int8: `P.qweight` and `P.scale` in place of parameter P.
- fp8 and int8 of torchao: `M._P_qdata`, `M._P_scale`, perhaps `M._P_zero_point` for parameter P of module M
  (torchao/prototype/safetensors): the same.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace

import ml_dtypes
import numpy as np

from lineage.checkpoints.decode.quantized.scheme import Decoded, Stored, weight_view, whole
from lineage.types import Float32Array, TensorView

BLOCK = 128  # where shapes leave it open, as in every public checkpoint with blocks
TYPES = {
    "float8_e4m3fn": "fp8 e4m3",
    "float8_e5m2": "fp8 e5m2",
    "float8_e4m3fnuz": "fp8 e4m3fnuz",
    "float8_e5m2fnuz": "fp8 e5m2fnuz",
    "int8": "int8",
}
BESIDE = ("input_scale", "input_zero_point", "k_scale", "v_scale", "output_scale", "weight_format", "scale_input")
_TORCHAO = re.compile(r"(.+\.|)_(\w+)_qdata")


def decode(name: str, stored: Stored) -> Decoded | None:
    """Decode a tensor of 8-bit numbers that has a scale beside it."""
    codes = stored.tensors[name]
    kind = TYPES.get(codes.dtype.name)
    if kind is None:
        return None
    module, _, leaf = name.rpartition(".")
    torchao = _TORCHAO.fullmatch(name)
    plain = f"{torchao[1]}{torchao[2]}" if torchao else name
    stem = name.removesuffix("_qdata") if torchao else name
    names = [f"{stem}_scale_inv", f"{stem}_scale", f"{module}.scale_weight", f"{module}.SCB"]
    if leaf == "qweight":
        plain = module
    if leaf == "qweight" or (leaf == "weight" and codes.dtype.itemsize == 1 and codes.dtype.kind not in "iu"):
        names.append(f"{module}.scale")
    scale_name = next((candidate for candidate in names if candidate in stored.tensors), None)
    if scale_name is None or leaf == "SCB":
        return None
    scale, zero = stored.tensors[scale_name], stored.get(f"{stem}_zero_point")
    if scale.dtype == np.uint8 and codes.dtype.kind not in "iu":
        scale = _powers(scale)
    llm_int8 = scale_name.endswith(".SCB")
    spread = Spread(stored, name, codes.shape, scale)
    offset = Spread(stored, name, codes.shape, zero) if zero is not None else None

    def rows(start: int, stop: int) -> Float32Array:
        values = codes.rows(start, stop).astype(np.float32)
        if offset is not None:
            values -= offset.rows(start, stop)
        factor = spread.rows(start, stop)
        values *= factor / np.float32(127) if llm_int8 else factor
        return values

    encoding = f"bnb int8 {spread.says}" if llm_int8 else f"{'torchao ' if torchao else ''}{kind} {spread.says}"
    beside = {f"{module}.{part}" for part in BESIDE} if module else set()
    parts = frozenset({name, scale_name, f"{stem}_zero_point", *beside})
    return Decoded(weight_view(plain, codes.shape, codes, encoding, rows), parts)


def _powers(codes: TensorView) -> TensorView:
    """Bytes as powers of two, 127 for 1: the type E8M0."""
    kind = np.dtype(ml_dtypes.float8_e8m0fnu)
    return replace(codes, dtype=kind, rows=lambda start, stop: codes.rows(start, stop).view(kind))


class Spread:
    """A tensor of scales, and which of them each value of a larger tensor has."""

    def __init__(self, stored: Stored, name: str, shape: tuple[int, ...], held: TensorView) -> None:
        self._held = held
        self._shape = shape
        sides = _sides(shape, held.shape)
        blocks = _block_hint(stored, len(shape))
        if sides is None:
            stored.refuse(name, f"of shape {shape} has scales of shape {held.shape}")
        runs = [_run(side, count, hint) for side, count, hint in zip(shape, sides, blocks, strict=True)]
        if any(run is None for run in runs):
            stored.refuse(name, f"of shape {shape} has scales of shape {held.shape}")
        self._sides = sides
        self._runs = [run or 1 for run in runs]

    @property
    def says(self) -> str:
        """How many values share a scale, in words."""
        if math.prod(self._sides) == 1:
            return "tensor"
        inner = self._runs[1:]
        if self._runs[:1] == [1] and list(self._shape[1:]) == inner:
            return "row"
        if self._runs[:1] == [1] and len(inner) == 1:
            return f"group {inner[0]}"
        return "block " + "x".join(map(str, self._runs))

    def rows(self, start: int, stop: int) -> Float32Array:
        """The scale of each value of rows [start, stop), as far as broadcasting does not give it."""
        if math.prod(self._sides) == 1:
            return whole(self._held).astype(np.float32).reshape((1,) * len(self._sides))
        first, last = (0, 1) if self._sides[0] == 1 else (start // self._runs[0], -(-stop // self._runs[0]))
        band = self._held.rows(first, max(first, last)).astype(np.float32).reshape(-1, *self._sides[1:])
        if self._sides[0] > 1:
            band = band[np.arange(start, stop) // self._runs[0] - first]
        for axis in range(1, len(self._sides)):
            if 1 < self._sides[axis] < self._shape[axis]:
                band = np.take(band, np.arange(self._shape[axis]) // self._runs[axis], axis)
        return band


def _sides(shape: Sequence[int], held: Sequence[int]) -> tuple[int, ...] | None:
    """The scales' shape with as many axes as the tensor's: one for all, one a row, or one a block."""
    if math.prod(held) == 1:
        return (1,) * len(shape)
    if len(held) == len(shape):
        return tuple(held)
    if len(held) == 1 and shape and held[0] == shape[0]:
        return (held[0],) + (1,) * (len(shape) - 1)
    return None


def _run(side: int, count: int, hint: int) -> int | None:
    """How many indices of an axis share one of `count` scales, None where they do not fit."""
    if count in (1, side):
        return side if count == 1 else 1
    for run in (hint, -(-side // count), BLOCK):
        if -(-side // run) == count:
            return run
    return None


def _block_hint(stored: Stored, dimensions: int) -> list[int]:
    """The config's `weight_block_size`, else what divides the axis."""
    sizes = stored.settings.get("weight_block_size")
    if isinstance(sizes, list) and len(sizes) == dimensions and all(type(n) is int and n > 0 for n in sizes):
        return sizes
    return [BLOCK] * dimensions
