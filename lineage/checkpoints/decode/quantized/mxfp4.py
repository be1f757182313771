"""MXFP4 experts, as gpt-oss ships them: `X_blocks` and `X_scales`.

Layout: `convert_moe_packed_tensors` of transformers (integrations/mxfp4.py) and the OCP Microscaling Formats
specification 1.0: blocks (experts, out, in / 32, 16) uint8, two e2m1 numbers a byte, low bits first, and a power of two
for each block of 32, its exponent 127 above (e8m0). The weight is (experts, in, out), as in the bf16 model.
"""

from __future__ import annotations

import numpy as np

from lineage.checkpoints.decode.quantized.scheme import Decoded, Stored, weight_view
from lineage.checkpoints.decode.quantized.unpacking import nibbles, powers_of_two
from lineage.types import Float32Array

SUFFIX = "_blocks"
BYTES = 16  # of a block


def decode(name: str, stored: Stored) -> Decoded | None:
    """Decode `X_blocks` of bytes that has an `X_scales` of bytes beside it."""
    stem = name.removesuffix(SUFFIX)
    blocks, scales = stored.tensors[name], stored.get(f"{stem}_scales")
    if not name.endswith(SUFFIX) or scales is None or {blocks.dtype, scales.dtype} != {np.dtype(np.uint8)}:
        return None
    if len(blocks.shape) != 4 or blocks.shape[:3] != scales.shape or blocks.shape[3] != BYTES:
        stored.refuse(name, f"of shape {blocks.shape} has scales of shape {scales.shape}")
    experts, outputs, groups, _ = blocks.shape
    inputs = 2 * BYTES * groups

    def rows(start: int, stop: int) -> Float32Array:
        values = powers_of_two(nibbles(blocks.rows(start, stop)), scales.rows(start, stop)[..., None])
        return np.ascontiguousarray(values.reshape(stop - start, outputs, inputs).swapaxes(1, 2))

    view = weight_view(stem, (experts, inputs, outputs), blocks, f"mxfp4 block {2 * BYTES}", rows)
    return Decoded(view, frozenset({name, f"{stem}_scales"}))
