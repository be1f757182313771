"""GPTQ weights: `qweight`, `qzeros`, `scales` and `g_idx` of a linear layer.

Layout: `QuantLinear.pack` of AutoGPTQ and GPTQModel (qlinear_cuda_old.py, torch.py): codes of `bits` along the inputs,
packed without gaps into int32 (in * bits / 32, out); zeros likewise along the outputs (groups, out * bits / 32), stored
less one in version 1; scales (groups, out). `g_idx` (in,) gives each input its group. weight = (code - zero) * scale.
"""

from __future__ import annotations

import math

import numpy as np

from lineage.checkpoints.decode.quantized.scheme import (
    Decoded,
    Stored,
    columns,
    input_groups,
    packed_linear,
    weight_view,
)
from lineage.checkpoints.decode.quantized.unpacking import Codes, stream
from lineage.types import Float32Array

BITS = (2, 3, 4, 8)


def decode(name: str, stored: Stored) -> Decoded | None:
    """Decode `X.qweight` whose columns are output units (AWQ packs them together)."""
    packed = packed_linear(name, stored)
    if packed is None or packed.qweight.shape[1] != packed.scales.shape[1]:
        return None
    module, qweight, qzeros, scales = packed
    groups, outputs = scales.shape
    bits, rest = divmod(32 * qzeros.shape[1], outputs)
    if rest or bits not in BITS or qzeros.shape[0] != groups or 32 * qweight.shape[0] % bits:
        stored.refuse(name, f"has zeros {qzeros.shape} and scales {scales.shape} that do not fit it")
    inputs = 32 * qweight.shape[0] // bits
    group, group_of = input_groups(stored, name, inputs, groups, stored.get(f"{module}.g_idx"))
    less_one = 0 if stored.settings.get("checkpoint_format") == "gptq_v2" else 1
    per_unit = 32 // math.gcd(32, bits)  # outputs whose zeros fill whole words
    words = bits * per_unit // 32

    def zeros(start: int, stop: int) -> Codes:
        first, last = start // per_unit, -(-stop // per_unit)
        packed = columns(qzeros, first * words, last * words).T
        codes = stream(np.ascontiguousarray(packed), bits)[:, start - first * per_unit : stop - first * per_unit]
        return ((codes + np.uint8(less_one)) & np.uint8((1 << bits) - 1)).T

    def rows(start: int, stop: int) -> Float32Array:
        codes = stream(np.ascontiguousarray(columns(qweight, start, stop)), bits).astype(np.float32)
        of_input = group_of()
        codes -= zeros(start, stop).astype(np.float32)[:, of_input]
        codes *= columns(scales, start, stop).astype(np.float32)[:, of_input]
        return codes

    view = weight_view(f"{module}.weight", (outputs, inputs), qweight, f"gptq int{bits} group {group}", rows)
    parts = {name, f"{module}.scales", f"{module}.qzeros", f"{module}.g_idx"}
    return Decoded(view, frozenset(parts))
