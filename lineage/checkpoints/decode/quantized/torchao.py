"""torchao's int4 weights as plain tensors: `M._P_qdata`, `M._P_scale`, `M._P_zero_point` for parameter P of module M.

Layout: `Int4Tensor` (torchao/quantization/quantize_/workflows/int4) and FBGEMM's `int4_row_quantize_zp` and
`pack_int4`: two signed codes a byte along the inputs, low bits first; scale and zero (groups, out):
weight = code * scale + zero.
(Its int8 and fp8 are in `scaled`.)
"""

from __future__ import annotations

import re

import numpy as np

from lineage.checkpoints.decode.quantized.scheme import Decoded, Stored, columns, even_groups, weight_view
from lineage.checkpoints.decode.quantized.unpacking import nibbles
from lineage.types import Float32Array

_QDATA = re.compile(r"(?P<module>.+\.|)_(?P<parameter>\w+)_qdata")


def decode(name: str, stored: Stored) -> Decoded | None:
    """Decode `M._P_qdata` of bytes whose scales are (groups, out)."""
    found = _QDATA.fullmatch(name)
    qdata = stored.tensors[name]
    if found is None or qdata.dtype.itemsize != 1 or qdata.dtype.kind not in "iu" or len(qdata.shape) != 2:
        return None
    stem = name.removesuffix("_qdata")
    scale, zero = stored.need(f"{stem}_scale", name), stored.get(f"{stem}_zero_point")
    outputs, inputs = qdata.shape[0], 2 * qdata.shape[1]
    if zero is None or zero.dtype.kind in "iu":
        return None
    if len(scale.shape) != 2 or scale.shape != zero.shape or scale.shape[1] != outputs:
        stored.refuse(name, f"of shape {qdata.shape} has scales of shape {scale.shape}")
    group = even_groups(stored, name, inputs, scale.shape[0])

    def rows(start: int, stop: int) -> Float32Array:
        of_input = np.arange(inputs) // group
        codes = nibbles(qdata.rows(start, stop).view(np.uint8)).astype(np.int8)
        values = (codes - 16 * (codes > 7)).astype(np.float32)
        values *= columns(scale, start, stop).astype(np.float32)[:, of_input]
        values += columns(zero, start, stop).astype(np.float32)[:, of_input]
        return values

    weight = f"{found['module']}{found['parameter']}"
    view = weight_view(weight, (outputs, inputs), qdata, f"torchao int4 group {group}", rows)
    return Decoded(view, frozenset({name, f"{stem}_scale", f"{stem}_zero_point"}))
