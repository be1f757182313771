"""Weights of optimum-quanto: `P._data` and `P._scale` in place of parameter P, of 4 and 2 bits `P._shift`, too.

Layout: `QBytesTensor` (optimum/quanto/tensor/qbytes.py): weight = data * scale, int8 or fp8. `QBitsTensor`,
`PackedTensor` and `group` (qbits.py, packed.py, grouped.py): codes (-1, group) in bytes `P._data._data`, in planes, the
first in the lowest bits; weight = data * scale - shift, or (data - shift) * scale where the shift is a whole number.
The shape is that of the model's code: it is known here only where a bias gives the outputs, else the weight is unread.
"""

from __future__ import annotations

import math

import numpy as np

from lineage.checkpoints.decode.quantized.scaled import TYPES, Spread
from lineage.checkpoints.decode.quantized.scheme import Decoded, Stored, elements, weight_view
from lineage.checkpoints.decode.quantized.unpacking import planes
from lineage.types import Float32Array

DATA, PACKED = "._data", "._data._data"
BITS = (4, 2)
BESIDE = ("input_scale", "output_scale")


def decode(name: str, stored: Stored) -> Decoded | None:
    """Decode `P._data` or `P._data._data`."""
    if name.endswith(PACKED):
        return _bits(name, stored)
    plain, codes = name.removesuffix(DATA), stored.tensors[name]
    kind, scale = TYPES.get(codes.dtype.name), stored.get(f"{plain}._scale")
    if plain == name or kind is None or scale is None:
        return None
    spread = Spread(stored, name, codes.shape, scale)

    def rows(start: int, stop: int) -> Float32Array:
        values = codes.rows(start, stop).astype(np.float32)
        values *= spread.rows(start, stop)
        return values

    view = weight_view(plain, codes.shape, codes, f"quanto {kind} {spread.says}", rows)
    return Decoded(view, _parts(plain, name))


def _bits(name: str, stored: Stored) -> Decoded | None:
    plain, packed = name.removesuffix(PACKED), stored.tensors[name]
    module = plain.rpartition(".")[0]
    scale, shift, bias = (stored.get(part) for part in (f"{plain}._scale", f"{plain}._shift", f"{module}.bias"))
    if scale is None or shift is None or packed.dtype.itemsize != 1 or len(packed.shape) != 2 or bias is None:
        return None
    groups, group = math.prod(scale.shape), packed.shape[1]
    bits = next((bits for bits in BITS if -(-groups // (8 // bits)) == packed.shape[0]), None)
    outputs = bias.shape[0] if len(bias.shape) == 1 else 0
    if bits is None or shift.shape != scale.shape or scale.shape[-1] != 1 or not outputs or groups % outputs:
        return None  # of another axis, or of another layer's outputs
    whole_shift = shift.dtype.kind in "iu"
    inputs = groups * group // outputs

    def rows(start: int, stop: int) -> Float32Array:
        first, last = start * inputs, stop * inputs
        of_group = (elements(view, first // group, last // group).astype(np.float32) for view in (scale, shift))
        scales, shifts = (np.repeat(held, group) for held in of_group)
        codes = planes(packed, bits, first, last, high_first=False).astype(np.float32)
        values = (codes - shifts) * scales if whole_shift else codes * scales - shifts
        return values.reshape(stop - start, inputs)

    view = weight_view(plain, (outputs, inputs), packed, f"quanto int{bits} group {group}", rows)
    return Decoded(view, _parts(plain, name))


def _parts(plain: str, name: str) -> frozenset[str]:
    module = plain.rpartition(".")[0]
    return frozenset({name, f"{plain}._scale", f"{plain}._shift", *(f"{module}.{part}" for part in BESIDE)})
