"""Content digests: the same for every encoding that holds the same values."""

from __future__ import annotations

from typing import Any

import numpy as np
from blake3 import blake3
from ml_dtypes import bfloat16
from numpy.typing import NDArray

from lineage.sketch.family import DIGEST_BYTES

_BF16, _F16, _F32, _F64 = (np.dtype(d) for d in (bfloat16, np.float16, np.float32, np.float64))
_LADDER = (_BF16, _F16, _F32, _F64)
_AT_ONCE = 1 << 18  # values, so that a wide band is not held once for every encoding
_FIRST = 64  # values that tell of nearly every tensor which narrower encodings do not hold it


class ValueHasher:
    """BLAKE3 of a tensor's values in the narrowest of bf16, f16, f32, f64 that holds all of them exactly.

    Feed it the tensor's elements in row-major order with `update`; `hexdigest` covers them and the shape.
    So a float32 file whose values all are bf16 numbers has the digest of the bf16 file. Integers and
    booleans are hashed as they are. Values are compared bit for bit: -0.0 is not 0.0.
    """

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._shape = shape
        self._alive = {rung: blake3() for rung in _rungs(dtype)}

    def update(self, values: NDArray[Any]) -> None:
        """Add the next elements; any shape, contiguous or not, of the dtype given at the start."""
        values = np.ascontiguousarray(values)
        widest = next(reversed(self._alive))
        for rung, hasher in list(self._alive.items()):
            encoded = _cast(values, rung) if rung == widest else _exact(values, rung)
            if encoded is None:
                del self._alive[rung]
            else:
                hasher.update(encoded.view(np.uint8).reshape(-1).data)

    def hexdigest(self) -> str:
        """Hexadecimal digest of 16 bytes over the narrowest encoding, its name and the shape."""
        rung, hasher = next(iter(self._alive.items()))
        seal = blake3(f"{rung.name}{list(self._shape)}".encode())
        seal.update(hasher.digest())
        return seal.hexdigest(length=DIGEST_BYTES)


def value_digest(values: NDArray[Any]) -> str:
    """Digest of one array held in memory; see `ValueHasher`."""
    hasher = ValueHasher(values.shape, values.dtype)
    flat = np.ascontiguousarray(values).reshape(-1)
    for start in range(0, flat.size, _AT_ONCE):
        hasher.update(flat[start : start + _AT_ONCE])
    return hasher.hexdigest()


def value_digests(stack: NDArray[Any]) -> list[str]:
    """`value_digest` of each array of a stack, (n, *shape): the encodings of all are tried at once."""
    digests: list[str | None] = [None] * len(stack)
    flat, rungs = np.ascontiguousarray(stack).reshape(len(stack), -1), _rungs(stack.dtype)
    for rung in rungs:
        left = [i for i, digest in enumerate(digests) if digest is None]
        if rung != rungs[-1]:
            left = [left[i] for i in _fitting(flat[left, :_FIRST], rung)]
        some = flat if len(left) == len(flat) else flat[left]
        encoded = _cast(some, rung)
        seal, size = f"{rung.name}{list(stack.shape[1:])}".encode(), encoded[:1].nbytes
        content = encoded.view(np.uint8).reshape(-1).data
        for place in range(len(left)) if rung == rungs[-1] else _same(encoded, some):
            digest = blake3(content[place * size : (place + 1) * size]).digest()
            digests[left[place]] = blake3(seal + digest).hexdigest(length=DIGEST_BYTES)
    return [digest for digest in digests if digest is not None]


def _fitting(rows: NDArray[Any], rung: np.dtype[Any]) -> list[int]:
    """Which rows an encoding holds exactly."""
    return _same(_cast(rows, rung), rows)


def _same(encoded: NDArray[Any], rows: NDArray[Any]) -> list[int]:
    found: list[int] = np.flatnonzero((encoded.astype(rows.dtype) == rows).all(axis=1)).tolist()
    return found


def _exact(values: NDArray[Any], rung: np.dtype[Any]) -> NDArray[Any] | None:
    """Values in an encoding; None where it does not hold all of them, which the first nearly always tell."""
    first = values.reshape(-1)[:_FIRST]
    if not _same_bits(_cast(first, rung), first):
        return None
    encoded = _cast(values, rung)
    return encoded if _same_bits(encoded, values) else None


def _rungs(dtype: np.dtype[Any]) -> tuple[np.dtype[Any], ...]:
    if dtype in _LADDER:
        # bf16 holds no f16 number's full mantissa and f16 not bf16's range: a file in one may still fit the other
        return (_BF16,) if dtype == _BF16 else _LADDER[: _LADDER.index(dtype) + 1]
    if dtype.kind in "biuc":
        return (dtype,)
    return (_BF16,)  # every fp8, fp6 and fp4 number is a bf16 number


def _cast(values: NDArray[Any], rung: np.dtype[Any]) -> NDArray[Any]:
    with np.errstate(over="ignore", invalid="ignore"):  # a signalling NaN is a value, too, until values are checked
        return np.ascontiguousarray(values).astype(rung, copy=False)


def _same_bits(encoded: NDArray[Any], values: NDArray[Any]) -> bool:
    return bool(np.array_equal(encoded.astype(values.dtype), values))
