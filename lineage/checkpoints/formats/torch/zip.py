"""PyTorch checkpoints since version 1.6, and TorchScript programs: a zip of pickles and one member a storage.

A program has code and constants besides; the code is not examined.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from lineage.checkpoints.formats.torch.constructors import CONSTRUCTORS
from lineage.checkpoints.formats.torch.ranks import refuse_rank
from lineage.checkpoints.formats.torch.state import name_tensors, viewed
from lineage.checkpoints.formats.torch.tensors import (
    UNTYPED,
    Located,
    Storage,
    Tensor,
    Unread,
    item_size,
    storage_from_id,
    tensor_view,
)
from lineage.checkpoints.io.archive import Archive
from lineage.checkpoints.io.bytes import PositionedFile
from lineage.checkpoints.io.quoting import quoted
from lineage.checkpoints.reader import Contents
from lineage.checkpoints.wire.unpickler import MAX_PICKLE, Unpickler
from lineage.errors import Malformed, Truncated, UnsupportedFormat
from lineage.types import TensorView

PICKLE = "data.pkl"
CONSTANTS = "constants.pkl"


def root_of(archive: Archive) -> str | None:
    """Find the folder of a torch archive ("archive/"), None if this is not a torch archive."""
    for name in archive.names:
        root, slash, last = name.rpartition("/")
        if last == PICKLE and "/" not in root:
            return root + slash
    return None


def read_torch_zip(archive: Archive, root: str) -> Contents:
    """List the tensors of a checkpoint, or the parameters, buffers and constants of a TorchScript program."""
    is_program = f"{root}{CONSTANTS}" in archive or any(name.startswith(f"{root}code/") for name in archive.names)
    contents = _read_pickle(archive, root, PICKLE, "data", is_program)
    if f"{root}{CONSTANTS}" not in archive:
        return contents
    constants = _read_pickle(archive, root, CONSTANTS, "constants", is_program)
    return replace(
        contents,
        tensors=contents.tensors + tuple(replace(view, name=f"constants.{view.name}") for view in constants.tensors),
        left_out=contents.left_out + tuple((f"constants.{name}", reason) for name, reason in constants.left_out),
    )


class Loaded(NamedTuple):
    """What a file holds as plain data, and what makes a view of one of its tensors."""

    path: Path
    value: Any
    view: Callable[[str, Tensor], TensorView | Unread]


def load_zip(file: PositionedFile) -> Loaded:
    """Load the pickle of a torch file for a caller that knows its content. Raises CheckpointError."""
    archive = Archive(file)
    root = root_of(archive)
    if root is None:
        raise UnsupportedFormat(file.path, "is not a PyTorch file of version 1.6 or later")
    pickled = archive.read(root + PICKLE, MAX_PICKLE)
    value = Unpickler(file.path, io.BytesIO(pickled), CONSTRUCTORS, storage_from_id).load()
    return Loaded(file.path, value, _Storages(archive, root, "data").view)


def _read_pickle(archive: Archive, root: str, pickle: str, folder: str, is_program: bool) -> Contents:
    """List the tensors of one pickle, whose storages lie in a folder of the archive, and what is not a weight."""
    path = archive.file.path
    pickled = archive.read(root + pickle, MAX_PICKLE)
    loaded = Unpickler(path, io.BytesIO(pickled), CONSTRUCTORS, storage_from_id).load()
    refuse_rank(path, loaded)
    named = name_tensors(path, loaded, is_program=is_program)
    return viewed(path, "torchscript" if is_program else "torch", named, _Storages(archive, root, folder).view)


class _Storages:
    """The storages in one folder of an archive, each found once."""

    def __init__(self, archive: Archive, root: str, folder: str) -> None:
        self._archive = archive
        self._folder = f"{root}{folder}/"
        self._located: dict[str, Located] = {}
        order = archive.read(f"{root}byteorder", 16) if f"{root}byteorder" in archive else b"little"
        if order not in {b"little", b"big"}:
            raise Malformed(archive.file.path, f"its byteorder is {quoted(repr(order))}")
        self._big_endian = order == b"big"

    def view(self, name: str, tensor: Tensor) -> TensorView | Unread:
        path = self._archive.file.path
        return tensor_view(path, name, tensor, self._locate(tensor.storage), big_endian=self._big_endian)

    def _locate(self, storage: Storage) -> Located:
        if storage.key not in self._located:
            source = self._source(storage.key)
            self._located[storage.key] = Located(source, 0, source.size)
        located = self._located[storage.key]
        self._check_size(storage, located)
        return located

    def _source(self, key: str) -> Any:
        member = f"{self._folder}{key}"
        if member not in self._archive:
            raise Truncated(self._archive.file.path, f"storage {quoted(key)} is missing: download it again")
        return self._archive.source(member)

    def _check_size(self, storage: Storage, located: Located) -> None:
        path = self._archive.file.path
        size = 1 if storage.kind in UNTYPED else item_size(path, f"storage {quoted(storage.key)}", storage.kind)
        if storage.count * size != located.size:
            raise Malformed(
                path,
                f"storage {quoted(storage.key)} has {located.size:,} bytes, the pickle says {storage.count * size:,}",
            )
