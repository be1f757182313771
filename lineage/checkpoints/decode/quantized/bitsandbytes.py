"""bitsandbytes weights of 4 bits: NF4 and FP4, with or without doubly quantised scales.

Layout: `QuantState.as_dict` and `kDequantizeBlockwise` of bitsandbytes (functional.py, csrc/kernels.cu): two codes a
byte, the first in the high bits, in row-major order; value = quant_map[code] * absmax[block]. With nested scales
absmax = nested_quant_map[absmax code] * nested_absmax[block of blocks] + nested_offset. A JSON text beside them gives
the shape and the block sizes. (LLM.int8 is in `scaled`.)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import numpy as np

from lineage.checkpoints.decode.quantized.scheme import Decoded, Stored, elements, spans_of_elements, weight_view, whole
from lineage.checkpoints.decode.quantized.unpacking import nibbles
from lineage.checkpoints.io import strict_json
from lineage.errors import Malformed
from lineage.types import FileSpan, Float32Array, TensorView

KINDS = ("nf4", "fp4")
MAX_STATE = 1 << 14  # bytes of JSON
MAX_NESTED_MAP = 256


def decode(name: str, stored: Stored) -> Decoded | None:
    """Decode `X.weight` that has an `X.weight.quant_state.bitsandbytes__nf4` (or fp4) beside it."""
    kind = next((kind for kind in KINDS if f"{name}.quant_state.bitsandbytes__{kind}" in stored.tensors), None)
    if kind is None:
        return None
    codes = stored.tensors[name]
    state_name = f"{name}.quant_state.bitsandbytes__{kind}"
    state = _state(stored, name, stored.tensors[state_name])
    shape, block = _shape(stored, name, state), _size(stored, name, state, "blocksize")
    count = math.prod(shape)
    if codes.dtype.itemsize != 1 or math.prod(codes.shape) != -(-count // 2):
        stored.refuse(name, f"has {math.prod(codes.shape):,} bytes for {count:,} values of 4 bits")
    quant_map, absmax = stored.need(f"{name}.quant_map", name), stored.need(f"{name}.absmax", name)
    if math.prod(quant_map.shape) != 16 or math.prod(absmax.shape) != -(-count // block):
        stored.refuse(name, f"has {math.prod(absmax.shape):,} scales for blocks of {block:,} in {count:,} values")
    scales = _scales(stored, name, absmax, state)
    width = math.prod(shape[1:])
    level = cache(lambda: whole(quant_map).astype(np.float32).reshape(-1))

    def rows(start: int, stop: int) -> Float32Array:
        first, last = start * width, stop * width
        raw = elements(codes, first // 2, -(-last // 2)).view(np.uint8)
        values = level()[nibbles(raw, high_first=True)[first % 2 :][: last - first]]
        blocks = slice(first // block, -(-last // block))
        values *= np.repeat(scales(blocks.start, blocks.stop), block)[first - blocks.start * block :][: last - first]
        return values.reshape(stop - start, *shape[1:])

    def spans(start: int, stop: int) -> Iterable[FileSpan]:
        return spans_of_elements(codes, start * width // 2, -(-stop * width // 2))

    nested = (f"{name}.nested_absmax", f"{name}.nested_quant_map")
    parts = frozenset({name, state_name, f"{name}.quant_map", f"{name}.absmax", *nested})
    return Decoded(weight_view(name, shape, codes, f"bnb {kind} block {block}", rows, spans=spans), parts)


def _scales(stored: Stored, name: str, absmax: TensorView, state: dict[str, Any]) -> Callable[[int, int], Float32Array]:
    """A reader of the scales of blocks [start, stop)."""
    if "nested_blocksize" not in state:
        return lambda start, stop: elements(absmax, start, stop).astype(np.float32)
    size = _size(stored, name, state, "nested_blocksize")
    outer, table = stored.need(f"{name}.nested_absmax", name), stored.need(f"{name}.nested_quant_map", name)
    offset = strict_json.as_float32(state.get("nested_offset", 0.0))
    count = math.prod(absmax.shape)
    if absmax.dtype != np.uint8 or math.prod(outer.shape) != -(-count // size):
        stored.refuse(name, f"has {math.prod(outer.shape):,} nested scales for {count:,} scales")
    if offset is None:
        stored.refuse(name, "has a nested_offset that is not a number")
    if math.prod(table.shape) != MAX_NESTED_MAP:
        stored.refuse(name, f"has a nested_quant_map of {math.prod(table.shape):,} levels, not {MAX_NESTED_MAP}")
    levels = cache(lambda: whole(table).astype(np.float32).reshape(-1))

    def read(start: int, stop: int) -> Float32Array:
        first = start // size
        of_outer = elements(outer, first, -(-stop // size)).astype(np.float32)
        spread = np.repeat(of_outer, size)[start - first * size :][: stop - start]
        return levels()[elements(absmax, start, stop)] * spread + np.float32(offset)

    return read


def _state(stored: Stored, name: str, view: TensorView) -> dict[str, Any]:
    if view.dtype.itemsize != 1 or len(view.shape) != 1 or view.shape[0] > MAX_STATE:
        stored.refuse(name, "has a quant_state that is not a short text")
    return strict_json.parse_object(stored.path, whole(view).tobytes(), f"the quant_state of {name!r}")


def _shape(stored: Stored, name: str, state: dict[str, Any]) -> tuple[int, ...]:
    shape = state.get("shape")
    fits = isinstance(shape, list) and 0 < len(shape) <= 8 and all(type(n) is int and 0 < n < 1 << 48 for n in shape)
    if not fits or shape is None or math.prod(shape) >= 1 << 60:
        raise Malformed(stored.path, f"the quant_state of {name!r} has no shape: the checkpoint is damaged")
    return tuple(shape)


def _size(stored: Stored, name: str, state: dict[str, Any], key: str) -> int:
    size = state.get(key)
    if type(size) is not int or not 0 < size <= 1 << 20:
        raise Malformed(stored.path, f"the quant_state of {name!r} has no {key}: the checkpoint is damaged")
    return size
