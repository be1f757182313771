"""HDF5 files, as Keras and others keep weights in: the groups by h5py, the values as stored in the file.

Nothing outside the file is read: links to other files, values in other files and virtual datasets are refused.
Format: https://docs.hdfgroup.org/hdf5/v1_14/_f_m_t3.html
"""

from __future__ import annotations

import io
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from lineage.checkpoints.decode.kernel_layout import Layout, torch_layout
from lineage.checkpoints.decode.non_weights import why_left_out
from lineage.checkpoints.decode.rearranged import turned
from lineage.checkpoints.formats.keras.names import variable_name
from lineage.checkpoints.io.archive import ALLOWANCE, MAX_RATIO
from lineage.checkpoints.io.byte_sources import Decoded, Recent
from lineage.checkpoints.io.bytes import ByteSource, PositionedFile
from lineage.checkpoints.io.quoting import quoted, reason
from lineage.checkpoints.io.unique_names import Names
from lineage.checkpoints.io.views import Place, check_name, count_elements, strided
from lineage.checkpoints.reader import Contents
from lineage.errors import CheckpointError, Malformed, MissingExtra, Truncated, UnsupportedFormat
from lineage.types import TensorView
from lineage.types.facts.exclusions import Exclusion, NotAWeight

MAGIC = b"\x89HDF\r\n\x1a\n"
MAX_OBJECTS = 100_000  # groups and datasets of one file
MAX_DEPTH = 64
MAX_CHUNK = 256 << 20  # bytes of one chunk once inflated
LINK = NotAWeight("link")
TEXT = NotAWeight("text-or-records")
EMPTY = NotAWeight("never-written")
_FILTERS = {1, 2, 3, 32000}  # deflate, shuffle, checksum, LZF: all built into h5py
_LARGEST_READ = 64 << 20  # bytes that the library may ask for at once, apart from values


class Hdf5Reader:
    """One HDF5 file: a model or the weights of one."""

    def recognises(self, head: bytes) -> bool:
        """The format has a magic string."""
        return head.startswith(MAGIC)

    def read(self, file: PositionedFile) -> Contents:
        """List the datasets of numbers, named after their groups. Raises MissingExtra without h5py."""
        tensors, left_out = datasets(file)
        return Contents("hdf5", tensors, left_out)


def datasets(source: ByteSource) -> tuple[tuple[TensorView, ...], tuple[tuple[str, Exclusion], ...]]:
    """List the datasets of an HDF5 file, and (name, reason) of those that are not weights."""
    h5py = _h5py(source.path)
    try:
        return _datasets(source, h5py)
    except CheckpointError:
        raise
    except Exception as error:  # any exception of the library for a damaged file
        if "truncated file" in str(error):
            raise Truncated(source.path, "ends before its own header says: download it again") from error
        raise Malformed(source.path, f"is a damaged HDF5 file: {reason(error)}") from error


def _h5py(path: Path) -> ModuleType:
    try:
        return import_module("h5py")
    except ImportError as error:
        raise MissingExtra(f"{path}: reading HDF5 needs h5py: pip install 'weight-lineage[h5]'") from error


def _datasets(source: ByteSource, h5py: ModuleType) -> tuple[tuple[TensorView, ...], tuple[tuple[str, Exclusion], ...]]:
    file = h5py.File(_Stream(source), "r")
    found = list(_walk(file, h5py, source.path))
    siblings = Counter(path.rpartition("/")[0] for path, _ in found)
    named = [(variable_name(path, siblings[path.rpartition("/")[0]]), path, dataset) for path, dataset in found]
    shapes = {name: dataset.shape or () for name, _, dataset in named if dataset is not None}
    names, recent = Names(), Recent()
    tensors: list[TensorView] = []
    left_out: list[tuple[str, Exclusion]] = []
    for name, path, dataset in named:
        check_name(source.path, name)
        why = LINK if dataset is None else why_left_out(path) or why_left_out(name) or _why_no_numbers(dataset)
        if why is not None:
            left_out.append((name, why))
        else:
            view = _view(source, dataset, torch_layout(name, dataset.shape, shapes), recent)
            tensors.append(replace(view, name=names.distinct(view.name)))
    return tuple(tensors), tuple(left_out)


def _walk(file: Any, h5py: ModuleType, path: Path) -> Iterator[tuple[str, Any]]:
    """Go through all datasets with their paths; None stands for a link. Groups are entered once."""
    waiting: list[tuple[str, Any, int]] = [("", file, 0)]
    seen: set[tuple[int, int]] = set()
    count = 0
    while waiting:
        prefix, group, depth = waiting.pop()
        info = h5py.h5o.get_info(group.id)
        if (info.fileno, info.addr) in seen:
            continue
        seen.add((info.fileno, info.addr))
        inner: list[tuple[str, Any, int]] = []
        for name in group:
            count += 1
            if count > MAX_OBJECTS or depth > MAX_DEPTH:
                raise Malformed(path, f"holds more than {MAX_OBJECTS:,} objects, or nests them without end")
            where = f"{prefix}{name}"
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                yield where, None
                continue
            kind = group.get(name, getclass=True)
            if kind is h5py.Dataset:
                yield where, _own(path, where, group[name])
            elif kind is h5py.Group:
                inner.append((f"{where}/", group[name], depth + 1))
        waiting += reversed(inner)


def _own(path: Path, where: str, dataset: Any) -> Any:
    """A dataset whose values lie in this file. To ask for the shape of another would open other files."""
    if dataset.is_virtual or dataset.external:
        raise Malformed(path, f"dataset {quoted(where)} keeps its values in other files: refused")
    return dataset


def _why_no_numbers(dataset: Any) -> Exclusion | None:
    if dataset.dtype.kind not in "biufc" or dataset.dtype.itemsize > 16 or dataset.dtype.hasobject:
        return TEXT
    return EMPTY if dataset.shape is None or (dataset.id.get_storage_size() == 0 and math.prod(dataset.shape)) else None


def _view(source: ByteSource, dataset: Any, layout: Layout, recent: Recent) -> TensorView:
    """View a dataset: in place if it lies in one piece, else decoded as a whole at its first use."""
    path, name, dtype = source.path, layout.name, dataset.dtype
    need = count_elements(path, name, dataset.shape) * dtype.itemsize
    stored, offset = dataset.id.get_storage_size(), dataset.id.get_offset()
    if dataset.chunks is None and offset is not None:
        if stored != need or offset + need > source.size:
            raise Truncated(path, f"dataset {quoted(name)} ends beyond the file: download it again")
        place = Place(source, offset, layout.shape, dtype)
        return turned(name, place, layout.strides, f"{path.name}@{offset}+{need}", recent)
    _check_filters(path, dataset, name)
    if need > ALLOWANCE + MAX_RATIO * stored:
        raise Malformed(path, f"dataset {quoted(name)} inflates from {stored:,} bytes to {need:,}: refused")
    native = dtype.newbyteorder("=")
    make = partial(_decode, path, dataset, native)
    place = Place(Decoded(path, need, dataset.name, make, recent), 0, layout.shape, native)
    return strided(name, place, layout.strides, f"{path.name}/{dataset.name}")


def _check_filters(path: Path, dataset: Any, name: str) -> None:
    plan = dataset.id.get_create_plist()
    kinds = {plan.get_filter(i)[0] for i in range(plan.get_nfilters())}
    if not kinds <= _FILTERS:
        raise UnsupportedFormat(path, f"dataset {quoted(name)} is compressed by a filter other than deflate and LZF")
    if dataset.chunks is not None and math.prod(dataset.chunks) * dataset.dtype.itemsize > MAX_CHUNK:
        raise Malformed(path, f"dataset {quoted(name)} has chunks of more than {MAX_CHUNK:,} bytes: refused")


def _decode(path: Path, dataset: Any, native: np.dtype[Any]) -> bytes:
    try:
        return np.asarray(dataset[()], dtype=native).tobytes()
    except CheckpointError:
        raise
    except Exception as error:
        raise Malformed(path, f"dataset {quoted(dataset.name)} is damaged: {reason(error)}") from error


class _Stream(io.RawIOBase):
    """A source of bytes as h5py needs it: a readable, seekable file."""

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._source.size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        wanted = memoryview(buffer).cast("B")
        length = max(0, min(len(wanted), self._source.size - self._position))
        self._source.fill(self._position, wanted[:length])
        self._position += length
        return length
