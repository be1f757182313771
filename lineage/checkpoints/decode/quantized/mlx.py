"""MLX weights: `X.weight` of packed uint32, `X.scales` and `X.biases`.

Layout: `mlx.core.quantize` (https://ml-explore.github.io/mlx, mlx/backend/cpu/quantized.cpp): codes of `bits` along the
last axis without gaps, lowest bits first; weight = code * scale + bias, one scale and bias for each group of inputs. In
mode mxfp4 the codes are e2m1 numbers and the scales powers of two, without biases.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lineage.checkpoints.decode.quantized.scheme import Decoded, Stored, weight_view
from lineage.checkpoints.decode.quantized.unpacking import powers_of_two, stream
from lineage.types import Float32Array

SUFFIX = ".weight"
BITS = (2, 3, 4, 5, 6, 8)
GROUPS = (64, 32, 128, 16)  # MLX's default first


def decode(name: str, stored: Stored) -> Decoded | None:
    """Decode an `X.weight` of uint32 that has an `X.scales` beside it."""
    module, packed = name.removesuffix(SUFFIX), stored.tensors[name]
    scales, biases = stored.get(f"{module}.scales"), stored.get(f"{module}.biases")
    if not name.endswith(SUFFIX) or packed.dtype != np.uint32 or scales is None:
        return None
    powers = scales.dtype == np.uint8
    if not powers:
        biases = stored.need(f"{module}.biases", name)
    fits = len(packed.shape) >= 2 and packed.shape[:-1] == scales.shape[:-1] and len(scales.shape) == len(packed.shape)
    if not fits or (biases is not None and biases.shape != scales.shape):
        stored.refuse(name, f"of shape {packed.shape} has scales of shape {scales.shape}")
    layout = (4, 32) if powers else _layout(stored, module, 32 * packed.shape[-1], scales.shape[-1])
    if layout is None or layout[0] * layout[1] * scales.shape[-1] != 32 * packed.shape[-1]:
        stored.refuse(name, f"of shape {packed.shape} has scales of shape {scales.shape}")
    bits, group = layout
    shape = (*packed.shape[:-1], group * scales.shape[-1])

    def rows(start: int, stop: int) -> Float32Array:
        codes = stream(packed.rows(start, stop), bits)
        held = scales.rows(start, stop)
        if biases is None:
            return powers_of_two(codes, np.repeat(held, group, axis=-1))
        values = codes.astype(np.float32)
        values *= np.repeat(held.astype(np.float32), group, axis=-1)
        values += np.repeat(biases.rows(start, stop).astype(np.float32), group, axis=-1)
        return values

    encoding = f"mlx mxfp4 group {group}" if powers else f"mlx int{bits} group {group}"
    view = weight_view(f"{module}.weight", shape, packed, encoding, rows)
    return Decoded(view, frozenset({name, f"{module}.scales", f"{module}.biases"}))


def _layout(stored: Stored, module: str, row_bits: int, groups: int) -> tuple[int, int] | None:
    """Bits and group size: the config's for this module or for all, else the first that the shapes allow."""
    own = stored.settings.get(module)
    for settings in (own, stored.settings):
        found = _written(settings) if isinstance(settings, dict) else None
        if found is not None and found[0] * found[1] * groups == row_bits:
            return found
    fitting = [(row_bits // (groups * group), group) for group in GROUPS if row_bits % (groups * group) == 0]
    return next((layout for layout in fitting if layout[0] in BITS), None)


def _written(settings: dict[str, Any]) -> tuple[int, int] | None:
    bits, group = settings.get("bits"), settings.get("group_size")
    return (bits, group) if bits in BITS and type(group) is int and group > 0 else None
