"""compressed-tensors weights packed into words: int of 2 to 8 bits, and NVFP4; ModelOpt's NVFP4 too.

Layout: `pack_to_int32` and `unpack_from_int32` (compressed_tensors/compressors/quantized_compressors/
pack_quantized.py): 32 // bits codes an int32 along the inputs, each 2**(bits - 1) above its value, lowest bits first;
zero points likewise along the outputs. weight = (code - zero) * scale. NVFP4 (nvfp4_quantized.py): two e2m1 numbers a
byte, low bits first, an e4m3 scale for each 16, and one float32 for the tensor, by which scales are divided
(compressed-tensors) or multiplied (ModelOpt, `weight_scale_2`).
"""

from __future__ import annotations

import math

import numpy as np

from lineage.checkpoints.decode.quantized.scheme import (
    Decoded,
    Stored,
    input_groups,
    is_words,
    weight_view,
    whole,
)
from lineage.checkpoints.decode.quantized.unpacking import FP4, lanes, nibbles
from lineage.types import Float32Array, TensorView

SUFFIX = ".weight_packed"
NVFP4_BLOCK = 16
BESIDE = ("input_global_scale", "input_scale", "k_scale", "v_scale")
BITS = (4, 8, 2, 3, 6, 5)  # the usual ones first


def decode(name: str, stored: Stored) -> Decoded | None:
    """Decode `X.weight_packed`, or a ModelOpt `X.weight` of bytes with two scales."""
    packed = stored.tensors[name]
    module = name.removesuffix(SUFFIX)
    if name.endswith(SUFFIX):
        return _nvfp4(module, name, stored) if packed.dtype == np.uint8 else _integers(module, name, stored)
    if name.endswith(".weight") and packed.dtype == np.uint8 and f"{name}_scale_2" in stored.tensors:
        return _nvfp4(name.removesuffix(".weight"), name, stored)
    return None


def _nvfp4(module: str, name: str, stored: Stored) -> Decoded:
    packed, scale = stored.tensors[name], stored.need(f"{module}.weight_scale", name)
    divides = name.endswith(SUFFIX)
    factor = stored.need(f"{module}.weight_global_scale" if divides else f"{module}.weight_scale_2", name)
    shape = (*packed.shape[:-1], 2 * packed.shape[-1]) if packed.shape else ()
    fits = len(shape) == len(scale.shape) >= 2 and (*scale.shape[:-1], NVFP4_BLOCK * scale.shape[-1]) == shape
    if not fits or math.prod(factor.shape) != 1:
        stored.refuse(name, f"of shape {packed.shape} has scales of shape {scale.shape}")

    def rows(start: int, stop: int) -> Float32Array:
        by = whole(factor).astype(np.float32).reshape(())
        of_block = scale.rows(start, stop).astype(np.float32)
        of_block = of_block / by if divides else of_block * by
        values: Float32Array = FP4[nibbles(packed.rows(start, stop))]
        values *= np.repeat(of_block, NVFP4_BLOCK, axis=-1)
        return values

    parts = {name, f"{module}.weight_scale", f"{module}.weight_global_scale", f"{module}.weight_scale_2"}
    parts |= {f"{module}.{part}" for part in BESIDE}
    view = weight_view(f"{module}.weight", shape, packed, f"nvfp4 block {NVFP4_BLOCK}", rows)
    return Decoded(view, frozenset(parts))


def _integers(module: str, name: str, stored: Stored) -> Decoded:
    packed, scale = stored.tensors[name], stored.need(f"{module}.weight_scale", name)
    if not is_words(packed) or len(scale.shape) != 2:
        stored.refuse(name, "is not a matrix of int32 words")
    outputs, inputs = _shape(stored, name, module, packed)
    bits = _bits(stored, inputs, packed.shape[1])
    if outputs != packed.shape[0] or bits is None:
        stored.refuse(name, f"of shape {packed.shape} cannot hold {outputs:,} x {inputs:,} codes")
    per_word = 32 // bits
    groups = scale.shape[1]
    zero = stored.get(f"{module}.weight_zero_point")
    zeros_fit = zero is None or (is_words(zero) and zero.shape == (-(-outputs // per_word), groups))
    if scale.shape[0] != outputs or not zeros_fit:
        stored.refuse(name, f"has scales of shape {scale.shape} that do not fit it")
    group, group_of = input_groups(stored, name, inputs, groups, stored.get(f"{module}.weight_g_idx"))
    middle = np.float32(1 << (bits - 1))

    def zeros(view: TensorView, start: int, stop: int) -> Float32Array:
        first = start // per_word
        words = view.rows(first, -(-stop // per_word))
        codes = lanes(np.ascontiguousarray(words.T), bits)[:, start - first * per_word :][:, : stop - start]
        zeros: Float32Array = codes.T.astype(np.float32) - middle
        return zeros

    def rows(start: int, stop: int) -> Float32Array:
        of_input = group_of()
        values = lanes(packed.rows(start, stop), bits)[:, :inputs].astype(np.float32) - middle
        if zero is not None:
            values -= zeros(zero, start, stop)[:, of_input]
        values *= scale.rows(start, stop).astype(np.float32)[:, of_input]
        return values

    says = "row" if groups == 1 else f"group {group}"
    view = weight_view(f"{module}.weight", (outputs, inputs), packed, f"compressed-tensors int{bits} {says}", rows)
    parts = {f"{module}.weight_{part}" for part in ("packed", "scale", "shape", "zero_point", "g_idx")}
    return Decoded(view, frozenset(parts | {f"{module}.{part}" for part in BESIDE}))


def _bits(stored: Stored, inputs: int, words: int) -> int | None:
    """Bits of a code that fill so many words with so many inputs: the config's if they do."""
    groups = stored.settings.get("config_groups")
    written = [
        group["weights"].get("num_bits")
        for group in (groups.values() if isinstance(groups, dict) else ())
        if isinstance(group, dict) and isinstance(group.get("weights"), dict)
    ]
    fitting = [bits for bits in BITS if -(-inputs // (32 // bits)) == words]
    return next((bits for bits in fitting if bits in written), next(iter(fitting), None))


def _shape(stored: Stored, name: str, module: str, packed: TensorView) -> tuple[int, int]:
    """The shape as it is written down, else that of 4-bit codes that fill their words."""
    written = stored.get(f"{module}.weight_shape")
    if written is None:
        return packed.shape[0], 8 * packed.shape[1]
    if written.shape != (2,) or written.dtype.kind not in "iu":
        stored.refuse(name, "has an invalid weight_shape")
    outputs, inputs = (int(side) for side in whole(written))
    if not 0 < inputs <= 16 * packed.shape[1]:
        stored.refuse(name, f"has a weight_shape of {outputs:,} x {inputs:,}, which it cannot hold")
    return outputs, inputs
