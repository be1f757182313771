"""Pickles of NumPy arrays, as NumPy itself and as joblib write them."""

from __future__ import annotations

import io
import pickle
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lz4.frame
import numpy as np

_JOBLIB = b"cjoblib.numpy_pickle\n"


class NumpyArrayWrapper:
    """What joblib puts into the pickle in the place of an array."""

    def __init__(self, array: np.ndarray, padded: bool) -> None:
        self.subclass = np.ndarray
        self.shape = array.shape
        self.order = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
        self.dtype = array.dtype
        self.allow_mmap = True
        if padded:
            self.numpy_array_alignment_bytes = 16


class _Pickler(pickle._Pickler):
    """Writes the values of an array behind its wrapper, as joblib does."""

    def __init__(self, stream: io.BytesIO, padded: bool) -> None:
        super().__init__(stream, 3)
        self.stream = stream
        self.padded = padded

    def save(self, obj: Any, save_persistent_id: bool = True) -> None:
        if not isinstance(obj, np.ndarray):
            super().save(obj, save_persistent_id)
            return
        wrapper = NumpyArrayWrapper(obj, self.padded)
        super().save(wrapper, save_persistent_id)
        if self.padded:
            fill = 16 - (self.stream.tell() + 1) % 16
            self.stream.write(bytes([fill]) + b"\xff" * fill)
        self.stream.write(obj.tobytes(order=wrapper.order))


def joblib_bytes(value: Any, *, padded: bool = True) -> bytes:
    """What joblib.dump writes without compression."""
    stream = io.BytesIO()
    _Pickler(stream, padded).dump(value)
    return stream.getvalue().replace(b"c" + __name__.encode() + b"\n", _JOBLIB)


def write_joblib(folder: Path, arrays: Mapping[str, np.ndarray]) -> Path:
    path = folder / "net.joblib"
    path.write_bytes(joblib_bytes(dict(arrays)))
    return path


def write_joblib_zlib(folder: Path, arrays: Mapping[str, np.ndarray]) -> Path:
    path = folder / "net.joblib"
    path.write_bytes(zlib.compress(joblib_bytes(dict(arrays))))
    return path


def write_joblib_lz4(folder: Path, arrays: Mapping[str, np.ndarray]) -> Path:
    path = folder / "net.lz4"
    path.write_bytes(lz4.frame.compress(joblib_bytes(dict(arrays), padded=False), content_checksum=True))
    return path


def write_pickle(folder: Path, arrays: Mapping[str, np.ndarray]) -> Path:
    path = folder / "net.pdparams"
    path.write_bytes(pickle.dumps(dict(arrays), 4))
    return path
