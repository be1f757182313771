"""AWQ weights in the GEMM layout: `qweight`, `qzeros` and `scales` of a linear layer.

Layout: `WQLinear_GEMM.from_linear` of AutoAWQ (awq/modules/linear/gemm.py): eight outputs in the order 0 2 4 6 1 3 5 7
fill an int32, lowest bits first: qweight (in, out / 8), qzeros (groups, out / 8), scales (groups, out).
weight = (code - zero) * scale.
"""

from __future__ import annotations

import numpy as np

from lineage.checkpoints.decode.quantized.scheme import (
    Decoded,
    Stored,
    columns,
    even_groups,
    packed_linear,
    weight_view,
)
from lineage.checkpoints.decode.quantized.unpacking import Codes, lanes
from lineage.types import Float32Array, TensorView

BITS = 4
ORDER = np.array([0, 2, 4, 6, 1, 3, 5, 7])
LANE = np.argsort(ORDER)  # the lane of each of eight neighbouring outputs


def decode(name: str, stored: Stored) -> Decoded | None:
    """Decode `X.qweight` whose columns each hold eight output units."""
    packed = packed_linear(name, stored)
    if packed is None:
        return None
    module, qweight, qzeros, scales = packed
    inputs, groups, outputs = qweight.shape[0], *scales.shape
    expected = ((inputs, outputs // 8), (groups, outputs // 8))
    if outputs % 8 or (qweight.shape, qzeros.shape) != expected:
        stored.refuse(name, f"has zeros {qzeros.shape} and scales {scales.shape} that fit neither AWQ (GEMM) nor GPTQ")
    group = even_groups(stored, name, inputs, groups)

    def codes(words: TensorView, start: int, stop: int) -> Codes:
        """Codes of outputs [start, stop), (stop - start, rows)."""
        first, last = start // 8, -(-stop // 8)
        packed = columns(words, first, last)
        unpacked = lanes(np.ascontiguousarray(packed), BITS).reshape(*packed.shape, 8)[..., LANE]
        return np.moveaxis(unpacked, 2, 1).reshape(-1, packed.shape[1])[start - first * 8 : stop - first * 8]

    def rows(start: int, stop: int) -> Float32Array:
        of_input = np.arange(inputs) // group
        values = codes(qweight, start, stop).astype(np.float32)
        values -= codes(qzeros, start, stop).astype(np.float32)[:, of_input]
        values *= columns(scales, start, stop).astype(np.float32)[:, of_input]
        return values

    view = weight_view(f"{module}.weight", (outputs, inputs), qweight, f"awq int{BITS} group {group}", rows)
    return Decoded(view, frozenset({name, f"{module}.scales", f"{module}.qzeros"}))
