"""PyTorch checkpoints since version 1.6: a zip of a pickle and one member a storage."""

from __future__ import annotations

import io
from typing import Any

from lineage.checkpoints.archive import Archive
from lineage.checkpoints.reader import Contents
from lineage.checkpoints.torch_state import name_tensors
from lineage.checkpoints.torch_tensors import (
    CONSTRUCTORS,
    UNTYPED,
    Located,
    Storage,
    Tensor,
    Unread,
    item_size,
    storage_from_id,
    tensor_view,
)
from lineage.checkpoints.unpickler import MAX_PICKLE, Unpickler
from lineage.checkpoints.wording import quoted
from lineage.errors import Malformed, Truncated, UnsupportedFormat
from lineage.types import TensorView

PICKLE = "data.pkl"


def root_of(archive: Archive) -> str | None:
    """Find the folder of a torch archive ("archive/"), None if it is none."""
    for name in archive.names:
        root, slash, last = name.rpartition("/")
        if last == PICKLE and "/" not in root:
            return root + slash
    return None


def read_torch_zip(archive: Archive, root: str) -> Contents:
    """List the tensors of a checkpoint. Raises UnsupportedFormat for a TorchScript program."""
    path = archive.file.path
    if f"{root}constants.pkl" in archive or any(name.startswith(f"{root}code/") for name in archive.names):
        raise UnsupportedFormat(path, "is a TorchScript program, not a checkpoint: save its state_dict() instead")
    pickled = archive.read(root + PICKLE, MAX_PICKLE)
    named = name_tensors(path, Unpickler(path, io.BytesIO(pickled), CONSTRUCTORS, storage_from_id).load())
    storages = _Storages(archive, root)
    tensors: list[TensorView] = []
    left_out = named.left_out
    for name, tensor in named.tensors.items():
        view = storages.view(name, tensor)
        if isinstance(view, Unread):
            left_out.append((name, view.reason))
        else:
            tensors.append(view)
    return Contents("torch", tuple(tensors), tuple(left_out))


class _Storages:
    """The storages of an archive, each found once."""

    def __init__(self, archive: Archive, root: str) -> None:
        self._archive = archive
        self._root = root
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
        member = f"{self._root}data/{key}"
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
