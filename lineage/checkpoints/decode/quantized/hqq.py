"""HQQ weights: `X.W_q`, `X.scale`, `X.zero`, `X.shape` and what says how, as tensors side by side.

Layout: `Quantizer` and `BitPack` of hqq (core/quantize.py, core/bitpack.py): the weight is reshaped to (-1, group) with
a scale for each row (axis 1), or to (group, -1) with one for each column (axis 0); weight = (code - zero) * scale. Rows
are packed in planes, the first in the highest bits: into bytes, or 3 bits into int32, ten to a word, the last padding.
"""

from __future__ import annotations

import math

import numpy as np

from lineage.checkpoints.decode.quantized.scheme import Decoded, Stored, elements, weight_view, whole
from lineage.checkpoints.decode.quantized.unpacking import planes
from lineage.types import Float32Array, TensorView

SUFFIX = ".W_q"
BITS = (8, 4, 3, 2, 1)
MAX_AXES = 8
PARTS = (
    "scale", "zero", "shape", "nbits", "group_size", "axis", "packing", "unpack_view_dtype", "view_as_float",
    "quant_scale", "quant_zero", "compute_dtype", "channel_wise", "optimize", "round_zero", "stores_quant_config",
    "encoded_state_dict", "offload_meta",
)  # fmt: skip


def decode(name: str, stored: Stored) -> Decoded | None:
    """Decode `X.W_q` of integers whose scale, zero and shape are stored plainly; other kinds stay unread."""
    module, packed = name.removesuffix(SUFFIX), stored.tensors[name]
    written, scale, zero = (stored.get(f"{module}.{part}") for part in ("shape", "scale", "zero"))
    if module == name or packed.dtype.kind not in "iu" or len(packed.shape) != 2 or scale is None or zero is None:
        return None
    if written is None:
        return None
    shape = _shape(stored, name, written)
    bits = _bits(stored, name, module, math.prod(shape), packed)
    by_row = _grid(stored, name, math.prod(shape), packed, scale)
    if zero.shape != scale.shape and math.prod(zero.shape) != 1:
        stored.refuse(name, f"has scales of shape {scale.shape} and zeros of shape {zero.shape}")
    columns, width = packed.shape[1], math.prod(shape[1:])

    def spread(view: TensorView, first: int, last: int) -> Float32Array:
        """The scale of each of the values [first, last)."""
        if math.prod(view.shape) == 1:
            return whole(view).astype(np.float32).reshape(1)
        if by_row:
            rows = np.arange(first, last) // columns
            held = elements(view, first // columns, -(-last // columns)).astype(np.float32)
            return held[rows - first // columns]
        return whole(view).astype(np.float32).reshape(-1)[np.arange(first, last) % columns]

    def rows(start: int, stop: int) -> Float32Array:
        first, last = start * width, stop * width
        values = planes(packed, bits, first, last, high_first=True).astype(np.float32)
        values -= spread(zero, first, last)
        values *= spread(scale, first, last)
        return values.reshape(stop - start, *shape[1:])

    group = columns if by_row else math.prod(shape) // columns
    view = weight_view(f"{module}.weight", shape, packed, f"hqq int{bits} group {group}", rows)
    return Decoded(view, frozenset({name, *(f"{module}.{part}" for part in PARTS)}))


def _shape(stored: Stored, name: str, written: TensorView) -> tuple[int, ...]:
    fits = len(written.shape) == 1 and 0 < written.shape[0] <= MAX_AXES and written.dtype.kind in "iu"
    shape = tuple(int(side) for side in whole(written)) if fits else ()
    if not shape or not all(0 < side < 1 << 48 for side in shape) or math.prod(shape) >= 1 << 60:
        stored.refuse(name, "has an invalid shape")
    return shape


def _bits(stored: Stored, name: str, module: str, count: int, packed: TensorView) -> int:
    """Bits of a code: those of which as many as the shape has fill the words, and no fewer words would do."""
    written = stored.get(f"{module}.nbits")
    said = int(whole(written).reshape(-1)[0]) if written is not None and math.prod(written.shape) == 1 else None
    words, columns = packed.shape[0], packed.shape[1]
    tried = BITS if said is None else (said,) if said in BITS else ()
    fitting = [bits for bits in tried if -(-(count // columns) // (8 * packed.dtype.itemsize // bits)) == words]
    if count % columns or not fitting:
        stored.refuse(name, f"of shape {packed.shape} cannot hold {count:,} codes")
    return fitting[0]


def _grid(stored: Stored, name: str, count: int, packed: TensorView, scale: TensorView) -> bool:
    """Whether each row of the grid has a scale, else each column, or all one."""
    rows, columns, scales = count // packed.shape[1], packed.shape[1], math.prod(scale.shape)
    if scales not in (1, rows, columns):
        stored.refuse(name, f"of shape {packed.shape} has scales of shape {scale.shape}")
    return scales == rows and (rows != columns or scale.shape[-1] == 1)
