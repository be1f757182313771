"""BitNet's ternary weights: bytes of four codes, `X.weight`, and one `X.weight_scale`.

Layout: `pack_weights` and `unpack_weights` of transformers (integrations/bitnet.py): -1, 0 and 1 as 0, 1 and 2 of two
bits; the first quarter of the rows in the lowest bits, and so on. `BitLinear` divides by the scale, `AutoBitLinear`
multiplies by it; a mean absolute weight of a network is below 1, which distinguishes the two.
"""

from __future__ import annotations

import math

import numpy as np

from lineage.checkpoints.decode.quantized.scheme import Decoded, Stored, weight_view, whole
from lineage.checkpoints.decode.quantized.unpacking import planes
from lineage.types import Float32Array, TensorView

FOUR = 4  # codes of a byte


def decode(name: str, stored: Stored) -> Decoded | None:
    """Decode an `X.weight` of bytes with one scale, where the config says BitNet or the codes are 0, 1 and 2 alone."""
    packed, scale = stored.tensors[name], stored.get(f"{name}_scale")
    if not name.endswith("weight") or packed.dtype != np.uint8 or len(packed.shape) != 2 or scale is None:
        return None
    if math.prod(scale.shape) != 1 or scale.dtype.kind in "iub":
        return None
    if stored.settings.get("quant_method") != "bitnet" and not _is_ternary(packed):
        return None
    outputs, inputs = FOUR * packed.shape[0], packed.shape[1]

    def rows(start: int, stop: int) -> Float32Array:
        held = float(whole(scale).astype(np.float32).reshape(()))
        values = planes(packed, 2, start * inputs, stop * inputs, high_first=False).astype(np.float32) - 1
        values *= np.float32(1 / held if held > 1 else held)
        return values.reshape(stop - start, inputs)

    view = weight_view(name, (outputs, inputs), packed, "bitnet int2 tensor", rows)
    return Decoded(view, frozenset({name, f"{name}_scale"}))


def _is_ternary(packed: TensorView) -> bool:
    """Whether three rows have each of the codes 0, 1 and 2, and no 3: bytes of another scheme have them all, or one."""
    length = packed.shape[0]
    held = np.concatenate([packed.rows(row, row + 1) for row in (0, length // 2, length - 1)])
    codes = {code for shift in (0, 2, 4, 6) for code in np.unique((held >> shift) & 3).tolist()}
    return codes == {0, 1, 2}
