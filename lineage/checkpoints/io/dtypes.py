"""Types of stored values, by the names that the formats give them."""

from __future__ import annotations

from typing import Any, NamedTuple

import ml_dtypes
import numpy as np


class StoredType(NamedTuple):
    """A NumPy dtype that holds the values, and how many bits one value takes in the file."""

    dtype: np.dtype[Any]
    bits: int


def _whole(scalar: Any) -> StoredType:
    dtype: np.dtype[Any] = np.dtype(scalar)
    return StoredType(dtype, 8 * dtype.itemsize)


# https://huggingface.co/docs/safetensors and `Dtype` of the library (0.8)
SAFETENSORS: dict[str, StoredType] = {
    "BOOL": _whole(np.bool_),
    "U8": _whole(np.uint8),
    "I8": _whole(np.int8),
    "I16": _whole("<i2"),
    "U16": _whole("<u2"),
    "F16": _whole("<f2"),
    "BF16": _whole(ml_dtypes.bfloat16),
    "I32": _whole("<i4"),
    "U32": _whole("<u4"),
    "F32": _whole("<f4"),
    "C64": _whole("<c8"),
    "F64": _whole("<f8"),
    "I64": _whole("<i8"),
    "U64": _whole("<u8"),
    "F8_E4M3": _whole(ml_dtypes.float8_e4m3fn),
    "F8_E5M2": _whole(ml_dtypes.float8_e5m2),
    "F8_E8M0": _whole(ml_dtypes.float8_e8m0fnu),
    "F8_E4M3FNUZ": _whole(ml_dtypes.float8_e4m3fnuz),
    "F8_E5M2FNUZ": _whole(ml_dtypes.float8_e5m2fnuz),
    "F4": StoredType(np.dtype(ml_dtypes.float4_e2m1fn), 4),
    "F6_E2M3": StoredType(np.dtype(ml_dtypes.float6_e2m3fn), 6),
    "F6_E3M2": StoredType(np.dtype(ml_dtypes.float6_e3m2fn), 6),
}

# torch names the type by the class of its storage, or, from version 2 on, by a dtype beside an untyped one
TORCH: dict[str, np.dtype[Any]] = {
    "torch.DoubleStorage": np.dtype("<f8"),
    "torch.FloatStorage": np.dtype("<f4"),
    "torch.HalfStorage": np.dtype("<f2"),
    "torch.BFloat16Storage": np.dtype(ml_dtypes.bfloat16),
    "torch.LongStorage": np.dtype("<i8"),
    "torch.IntStorage": np.dtype("<i4"),
    "torch.ShortStorage": np.dtype("<i2"),
    "torch.CharStorage": np.dtype(np.int8),
    "torch.ByteStorage": np.dtype(np.uint8),
    "torch.BoolStorage": np.dtype(np.bool_),
    "torch.QInt8Storage": np.dtype(np.int8),
    "torch.QUInt8Storage": np.dtype(np.uint8),
    "torch.QInt32Storage": np.dtype("<i4"),
    "torch.ComplexFloatStorage": np.dtype("<c8"),
    "torch.ComplexDoubleStorage": np.dtype("<c16"),
    "torch.float64": np.dtype("<f8"),
    "torch.float32": np.dtype("<f4"),
    "torch.float16": np.dtype("<f2"),
    "torch.bfloat16": np.dtype(ml_dtypes.bfloat16),
    "torch.int64": np.dtype("<i8"),
    "torch.int32": np.dtype("<i4"),
    "torch.int16": np.dtype("<i2"),
    "torch.int8": np.dtype(np.int8),
    "torch.uint8": np.dtype(np.uint8),
    "torch.uint16": np.dtype("<u2"),
    "torch.uint32": np.dtype("<u4"),
    "torch.uint64": np.dtype("<u8"),
    "torch.bool": np.dtype(np.bool_),
    "torch.complex64": np.dtype("<c8"),
    "torch.complex128": np.dtype("<c16"),
    "torch.float8_e4m3fn": np.dtype(ml_dtypes.float8_e4m3fn),
    "torch.float8_e5m2": np.dtype(ml_dtypes.float8_e5m2),
    "torch.float8_e8m0fnu": np.dtype(ml_dtypes.float8_e8m0fnu),
    "torch.float8_e4m3fnuz": np.dtype(ml_dtypes.float8_e4m3fnuz),
    "torch.float8_e5m2fnuz": np.dtype(ml_dtypes.float8_e5m2fnuz),
}
