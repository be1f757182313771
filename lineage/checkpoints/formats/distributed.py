"""Checkpoints of torch.distributed.checkpoint: `.metadata`, a pickle that places each part of each tensor, and .distcp.

Layout: `Metadata`, `TensorStorageMetadata`, `ChunkStorageMetadata`, `MetadataIndex` of torch/distributed/checkpoint/
metadata.py and `_StorageInfo` of filesystem.py: a part is what torch.save wrote at [offset, offset + length) of a file.
`planner_data` gives the path of each tensor in the state dict. The pickle runs in `Unpickler`, which executes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lineage.checkpoints.decode.pieces import Piece, assembled
from lineage.checkpoints.decode.rearranged import row_major
from lineage.checkpoints.formats.torch.constructors import CONSTRUCTORS
from lineage.checkpoints.formats.torch.state import name_tensors
from lineage.checkpoints.formats.torch.tensors import Storage, Tensor, is_size, storage_from_id
from lineage.checkpoints.formats.torch.zip import read_torch_zip, root_of
from lineage.checkpoints.io.archive import Archive
from lineage.checkpoints.io.bytes import PositionedFile, Window, read
from lineage.checkpoints.io.quoting import quoted
from lineage.checkpoints.reader import Contents
from lineage.checkpoints.wire.pickle_stream import PickleStream
from lineage.checkpoints.wire.unpickler import Foreign, Unpickler
from lineage.errors import Malformed, NoWeights, Truncated, UnsupportedFormat
from lineage.types import TensorView

MAX_CHUNKS = 1 << 20  # of all tensors together
_MODULE = b"torch.distributed.checkpoint.metadata"

Placed = tuple[tuple[int, ...], str, int, int]
"""Where a part begins in its tensor, its file, and its offset and length there."""


class DistributedReader:
    """The `.metadata` of a checkpoint; its parts lie in files beside it."""

    def recognises(self, head: bytes) -> bool:
        """A pickle whose first global is of torch.distributed.checkpoint."""
        return head.startswith(b"\x80") and _MODULE in head

    def read(self, file: PositionedFile) -> Contents:
        """List the tensors, each of its parts found; the optimizer's are not examined. Raises CheckpointError."""
        metadata = _fields(Unpickler(file.path, PickleStream(file), CONSTRUCTORS, storage_from_id).load(), "Metadata")
        tensors, places = _mapping(file, metadata, "state_dict_metadata"), _places(file, metadata)
        state = _State(file, metadata.get("planner_data"))
        for key, described in tensors.items():
            if isinstance(described, Foreign) and described.name.endswith(".TensorStorageMetadata"):
                state.add(key, _described(file, key, described))
        named = name_tensors(file.path, state.nested)
        opened = _Opened(file)
        views = [_view(file, name, leaf, places, opened) for name, leaf in named.tensors.items()]
        return Contents("torch-distributed", tuple(views), tuple(named.left_out), beside=opened.nbytes)


class _State:
    """The nested state dict again, with a leaf for each tensor whose storage is named after its key."""

    def __init__(self, file: PositionedFile, planned: Any) -> None:
        self.nested: dict[Any, Any] = {}
        self._file = file
        self._planned = planned if isinstance(planned, dict) else {}

    def add(self, key: str, leaf: Tensor) -> None:
        path = self._planned.get(key, (key,))
        if not isinstance(path, tuple) or not path or not all(isinstance(part, str | int) for part in path):
            raise Malformed(self._file.path, f"tensor {quoted(key)} has no path in the state dict")
        inner = self.nested
        for part in path[:-1]:
            inner = inner.setdefault(part, {})
            if not isinstance(inner, dict):
                raise Malformed(self._file.path, f"tensor {quoted(key)} lies inside another")
        if path[-1] in inner:
            raise Malformed(self._file.path, f"two tensors are {quoted(key)}")
        inner[path[-1]] = leaf


class _Opened:
    """The files of parts, each opened once."""

    def __init__(self, file: PositionedFile) -> None:
        self._file = file
        self._files: dict[str, PositionedFile] = {}

    @property
    def nbytes(self) -> int:
        return sum(file.size for file in self._files.values())

    def part(self, name: str, offset: int, length: int) -> Window:
        if name not in self._files:
            if not self._file.folder.holds(name):
                raise NoWeights(self._file.path, f"part {quoted(name)} is missing: download it, too")
            self._files[name] = self._file.folder.open(name)
        file = self._files[name]
        if offset + length > file.size:
            raise Truncated(
                file.path, f"parts up to byte {offset + length:,} are listed, it has {file.size:,}: download it again"
            )
        return Window(file, offset, length)


def _view(
    file: PositionedFile, name: str, leaf: Any, places: Mapping[str, list[Placed]], opened: _Opened
) -> TensorView:
    key = leaf.storage.key
    pieces: list[Piece] = []
    for offsets, at, offset, length in places.get(key, ()):
        view = _stored(name, opened.part(at, offset, length), f"{at}@{offset}+{length}")
        pieces.append(Piece(view, offsets, leaf.shape))
    if not pieces:
        raise Malformed(file.path, f"no part of tensor {quoted(name)} is listed")
    return assembled(file.path, name, pieces)


def _stored(name: str, window: Window, storage: str) -> TensorView:
    """The one tensor that torch.save wrote there."""
    if window.size < 4 or read(window, 0, 4) != b"PK\x03\x04":
        raise UnsupportedFormat(
            window.path, f"holds a part of tensor {quoted(name)} that torch.save did not write as a zip (transformed?)"
        )
    archive = Archive(window)
    root = root_of(archive)
    contents = read_torch_zip(archive, root) if root is not None else None
    if contents is None or len(contents.tensors) != 1:
        raise Malformed(window.path, f"a part of tensor {quoted(name)} is not one tensor")
    view = contents.tensors[0]
    return replace(view, name=name, storage=storage)


def _described(file: PositionedFile, key: str, described: Foreign) -> Tensor:
    """A placeholder with the tensor's shape and the type of its parts."""
    shape = _fields(described, "TensorStorageMetadata").get("size")
    if not isinstance(shape, tuple) or not all(is_size(side) for side in shape):
        raise Malformed(file.path, f"tensor {quoted(key)} has no shape")
    return Tensor(Storage(key, "", 0), "", 0, shape, row_major(shape))


def _places(file: PositionedFile, metadata: Mapping[Any, Any]) -> dict[str, list[Placed]]:
    found: dict[str, list[Placed]] = {}
    listed = _mapping(file, metadata, "storage_data", Foreign)
    if len(listed) > MAX_CHUNKS:
        raise Malformed(file.path, f"lists {len(listed):,} parts, more than {MAX_CHUNKS:,}")
    for index, info in listed.items():
        where, held = _fields(index, "MetadataIndex"), _fields(info, "_StorageInfo")
        key, offsets = where.get("fqn"), where.get("offset")
        name, offset, length = (held.get(field) for field in ("relative_path", "offset", "length"))
        if not isinstance(key, str) or not isinstance(name, str) or not is_size(offset) or not is_size(length):
            raise Malformed(file.path, "a part has no tensor, file, offset or length")
        if held.get("transform_descriptors"):
            raise UnsupportedFormat(file.path, "its parts are compressed or encrypted: save it without such extensions")
        if isinstance(offsets, tuple) and all(is_size(at) for at in offsets):
            found.setdefault(key, []).append((offsets, name, offset, length))
    return found


def _mapping(file: PositionedFile, metadata: Mapping[Any, Any], field: str, kind: type = str) -> dict[Any, Any]:
    held = metadata.get(field)
    if not isinstance(held, dict) or not all(isinstance(key, kind) for key in held):
        raise Malformed(file.path, f"has no {field}: it is damaged")
    return held


def _fields(value: Any, name: str) -> dict[Any, Any]:
    """The fields of an object of that class, empty for anything else."""
    is_one = isinstance(value, Foreign) and value.name.rpartition(".")[2] == name
    return value.state if is_one and isinstance(value.state, dict) else {}
