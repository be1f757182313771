"""Constants of an IR: where the values of one lie in the .bin, and how they are written there.

Types: https://docs.openvino.ai/2025/documentation/openvino-ir-format.html and `ov::element` of OpenVINO.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import ml_dtypes
import numpy as np

from lineage.checkpoints.formats.openvino.graph import Layer
from lineage.checkpoints.io.bytes import PositionedFile
from lineage.checkpoints.io.dtypes import StoredType
from lineage.checkpoints.io.quoting import quoted
from lineage.checkpoints.io.views import Place, check_name, count_elements, dense, packed, strided
from lineage.errors import Malformed, Truncated, UnsupportedDtype
from lineage.types import TensorView

_BYTES = np.dtype(np.uint8)
TYPES = {
    "f32": StoredType(np.dtype("<f4"), 32), "f16": StoredType(np.dtype("<f2"), 16),
    "f64": StoredType(np.dtype("<f8"), 64), "bf16": StoredType(np.dtype(ml_dtypes.bfloat16), 16),
    "i8": StoredType(np.dtype(np.int8), 8), "u8": StoredType(_BYTES, 8), "i16": StoredType(np.dtype("<i2"), 16),
    "u16": StoredType(np.dtype("<u2"), 16), "i32": StoredType(np.dtype("<i4"), 32),
    "u32": StoredType(np.dtype("<u4"), 32), "i64": StoredType(np.dtype("<i8"), 64),
    "u64": StoredType(np.dtype("<u8"), 64), "boolean": StoredType(np.dtype(np.bool_), 8),
    "f8e4m3": StoredType(np.dtype(ml_dtypes.float8_e4m3fn), 8),
    "f8e5m2": StoredType(np.dtype(ml_dtypes.float8_e5m2), 8),
    "f8e8m0": StoredType(np.dtype(ml_dtypes.float8_e8m0fnu), 8),
    "f4e2m1": StoredType(np.dtype(ml_dtypes.float4_e2m1fn), 4),
    "u4": StoredType(_BYTES, 4), "i4": StoredType(np.dtype(ml_dtypes.int4), 4),
    "nf4": StoredType(_BYTES, 4), "u2": StoredType(_BYTES, 2),
}  # fmt: skip
# The levels of NormalFloat (Dettmers et al. 2023, appendix E).
NF4 = np.array(
    [
        -1.0, -0.6961928, -0.52507305, -0.39491749, -0.28444138, -0.18477343, -0.09105004, 0.0,
        0.0795803, 0.1609302, 0.2461123, 0.33791524, 0.44070983, 0.56261700, 0.72295684, 1.0,
    ],
    np.float32,
)  # fmt: skip
TEXT = "string"


@dataclass(frozen=True, slots=True)
class Constant:
    """Values of type `kind` from byte `start` of `source` on, in row-major order."""

    name: str
    kind: str
    shape: tuple[int, ...]
    source: PositionedFile
    start: int

    @property
    def count(self) -> int:
        """How many values there are."""
        return math.prod(self.shape)

    @property
    def is_float(self) -> bool:
        """Whether these may be weights as stored: floating point of sixteen bits and more."""
        return self.kind in {"f16", "bf16", "f32", "f64"}

    def shaped(self, shape: Sequence[int]) -> Constant:
        """The same values in another shape of as many."""
        return replace(self, shape=tuple(shape))

    def view(self, name: str, *, transposed: bool = False) -> TensorView:
        """View the values; a matrix of whole bytes `transposed` if asked."""
        dtype, bits = TYPES[self.kind]
        place = Place(self.source, self.start, self.shape, dtype)
        storage = f"{self.source.path.name}@{self.start}+{-(-self.count * bits // 8)}"
        if bits < 8:
            codes = packed(name, place, bits, storage)
            return _looked_up(codes) if self.kind == "nf4" else codes
        if not transposed:
            return dense(name, place, storage)
        turned = replace(place, shape=self.shape[::-1])
        return strided(name, turned, (1, self.shape[1]), f"{storage}/transposed")


def constant(layer: Layer, values: PositionedFile) -> Constant:
    """Check what a layer declares about its values. Raises Malformed, Truncated, UnsupportedDtype."""
    path, data = values.path, layer.data
    check_name(path, layer.name)
    kind = data.get("element_type", "")
    numbers = [_number(data.get(key)) for key in ("offset", "size")]
    sides = [_number(side) for side in data.get("shape", "").split(",") if side.strip()]
    start, size = numbers
    if start is None or size is None or None in sides:
        raise Malformed(path, f"the graph gives constant {quoted(layer.name)} no shape, offset or size")
    shape = tuple(side for side in sides if side is not None)
    if kind not in TYPES and kind != TEXT:
        raise UnsupportedDtype(path, f"constant {quoted(layer.name)} is of type {quoted(kind)}, unknown here")
    if start + size > values.size:
        raise Truncated(path, f"constant {quoted(layer.name)} ends at byte {start + size:,} of {values.size:,}")
    if kind != TEXT and 0 not in shape and -(-count_elements(path, layer.name, shape) * TYPES[kind].bits // 8) != size:
        raise Malformed(path, f"constant {quoted(layer.name)} has {size:,} bytes, which its shape does not take")
    return Constant(layer.name, kind, shape, values, start)


def _number(text: str | None) -> int | None:
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


def _looked_up(codes: TensorView) -> TensorView:
    return TensorView(
        codes.name, codes.shape, NF4.dtype, lambda a, b: NF4[codes.rows(a, b)], codes.storage, spans=codes.spans
    )
