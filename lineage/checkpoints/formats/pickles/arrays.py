"""What NumPy's and joblib's pickles say about arrays, as plain data.

Sources: `ndarray.__reduce__` and `dtype.__reduce__` of NumPy (their pickled states are documented in
numpy/_core/src/multiarray); `NumpyArrayWrapper` of joblib/numpy_pickle.py, behind whose state the values lie in the
stream, after a byte of padding length and that padding since joblib 1.2.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from lineage.checkpoints.formats.torch.constructors import CONSTRUCTORS
from lineage.checkpoints.formats.torch.tensors import Located, Storage, Tensor, Unread
from lineage.checkpoints.io.byte_sources import Memory
from lineage.checkpoints.io.bytes import ByteSource, Window
from lineage.checkpoints.wire.pickle_stream import PickleStream
from lineage.checkpoints.wire.unpickler import Stateful
from lineage.types.facts.exclusions import NotAWeight
from lineage.written_reasons import written

OBJECTS = NotAWeight("objects-or-text")
MAX_SIDES = 64
# NumPy's names of types, as far as a checkpoint has them, and torch's.
_KINDS = {
    "f2": "float16", "f4": "float32", "f8": "float64", "i1": "int8", "i2": "int16", "i4": "int32", "i8": "int64",
    "u1": "uint8", "u2": "uint16", "u4": "uint32", "u8": "uint64", "b1": "bool", "c8": "complex64", "c16": "complex128",
}  # fmt: skip
_WRITTEN = re.compile(r"[<>=|]?([a-zA-Z]\d*)")
_WRAPPERS = ("joblib.numpy_pickle.NumpyArrayWrapper", "sklearn.externals.joblib.numpy_pickle.NumpyArrayWrapper")
_PACKAGES = ("numpy.core", "numpy._core")


class _Dtype(Stateful):
    """A type of values: NumPy's name without the order of bytes, and whether that is big-endian."""

    def __init__(self, kind: Any, *_: Any) -> None:
        written = _WRITTEN.fullmatch(kind) if isinstance(kind, str) else None
        self.kind = written[1] if written else ""
        self.is_big = isinstance(kind, str) and kind.startswith(">")

    def set_state(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) < 2:
            raise ValueError("a dtype of an unknown state")
        self.is_big = state[1] == ">"


class Arrays:
    """The arrays of one pickle: where the values of each lie, by the key of its storage."""

    def __init__(self, stream: PickleStream) -> None:
        self.located: dict[str, Located] = {}
        self.big_endian: set[str] = set()
        self._stream = stream

    @property
    def constructors(self) -> dict[str, Callable[..., object]]:
        """Torch's table, in which builders of arrays replace what skips them."""
        inline = {f"{package}.multiarray._reconstruct": self._inline for package in _PACKAGES}
        buffers = {f"{package}.numeric._frombuffer": self._buffer for package in _PACKAGES}
        wrapped = dict.fromkeys(_WRAPPERS, self._wrapped)
        return {**CONSTRUCTORS, **inline, **buffers, **wrapped, "numpy.dtype": _Dtype, "_codecs.encode": _encoded}

    def add(self, source: ByteSource, dtype: Any, shape: Any, *, fortran: bool) -> Tensor | Unread:
        """Record an array whose values are all of `source`."""
        if not isinstance(dtype, _Dtype) or not isinstance(shape, tuple) or len(shape) > MAX_SIDES:
            raise ValueError("an array without a dtype or shape")
        if not all(type(side) is int and 0 <= side < 1 << 48 for side in shape):
            raise ValueError("an array with an invalid shape")
        if dtype.kind not in _KINDS:
            return Unread(OBJECTS)
        kind, key = f"torch.{_KINDS[dtype.kind]}", str(len(self.located))
        self.located[key] = Located(source, 0, source.size)
        if dtype.is_big:
            self.big_endian.add(key)
        count = _product(shape)
        return Tensor(Storage(key, kind, count), kind, 0, shape, _strides(shape, fortran=fortran))

    def _inline(self, *_: Any) -> Stateful:
        return _Inline(self, self._stream.source.path)

    def _buffer(self, content: Any, dtype: Any, shape: Any, order: Any = "C", *_: Any) -> Tensor | Unread:
        if not isinstance(content, bytes | bytearray):
            raise TypeError("an array whose values are not bytes")
        return self.add(Memory(self._stream.source.path, bytes(content)), dtype, shape, fortran=order == "F")

    def _wrapped(self, *_: Any) -> Stateful:
        return _Wrapped(self, self._stream)


class _Inline(Stateful):
    """An array whose values lie in the pickle, as the last part of its state."""

    def __init__(self, arrays: Arrays, path: Path) -> None:
        self._arrays = arrays
        self._path = path

    def set_state(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise ValueError("an array of an unknown state")
        _, shape, dtype, fortran, content = state
        if isinstance(content, list):
            self.meaning = _objects(shape, content)
        elif isinstance(content, bytes | bytearray | str):
            held = content.encode("latin-1") if isinstance(content, str) else bytes(content)
            self.meaning = self._arrays.add(Memory(self._path, held), dtype, shape, fortran=bool(fortran))
        else:
            raise TypeError("an array whose values are not bytes")


def _objects(shape: Any, content: list[Any]) -> object:
    """What an array of Python objects holds where these may hold arrays: as numpy.save writes a dictionary."""
    if not any(isinstance(one, dict | list | Stateful) for one in content):
        return Unread(OBJECTS)
    return content[0] if shape == () else content


class _Wrapped(Stateful):
    """An array whose values lie in the stream behind its state."""

    def __init__(self, arrays: Arrays, stream: PickleStream) -> None:
        self._arrays = arrays
        self._stream = stream

    def set_state(self, state: Any) -> None:
        if not isinstance(state, dict) or not isinstance(state.get("dtype"), _Dtype):
            raise ValueError("an array of joblib of an unknown state")
        shape, dtype = state.get("shape"), state["dtype"]
        if dtype.kind not in _KINDS:
            raise ValueError(written(OBJECTS))
        if state.get("numpy_array_alignment_bytes") is not None:
            self._stream.pass_over(self._stream.read(1)[0])
        nbytes = _product(shape) * np.dtype(dtype.kind).itemsize if isinstance(shape, tuple) else 0
        source = Window(self._stream.source, self._stream.pass_over(nbytes), nbytes)
        self.meaning = self._arrays.add(source, dtype, shape, fortran=state.get("order") == "F")


def _encoded(text: Any, encoding: Any = None, *_: Any) -> bytes:
    """How protocol 2 writes bytes: as text, to be encoded again."""
    if not isinstance(text, str) or encoding != "latin1":
        raise ValueError("bytes in an unknown encoding")
    return text.encode("latin-1")


def _product(shape: tuple[Any, ...]) -> int:
    """Number of elements. Raises ValueError for a side that is not a size."""
    count = 1
    for side in shape:
        if type(side) is not int or not 0 <= side < 1 << 48 or count >= 1 << 60:
            raise ValueError("an array with an invalid shape")
        count *= side
    return count


def _strides(shape: tuple[int, ...], *, fortran: bool) -> tuple[int, ...]:
    """Strides in elements, of row-major or column-major order."""
    strides, step = [], 1
    for side in shape if fortran else reversed(shape):
        strides.append(step)
        step *= side
    return tuple(strides if fortran else reversed(strides))
