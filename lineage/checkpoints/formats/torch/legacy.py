"""PyTorch checkpoints before version 1.6: five pickles, then the storages one after the other.

The pickles are: magic number, protocol version 1001, system information, the objects, the storage keys in the order
of their data. Each storage is its count of values (8 bytes, little-endian) and the values.
"""

from __future__ import annotations

from typing import Any

from lineage.checkpoints.formats.torch.constructors import CONSTRUCTORS
from lineage.checkpoints.formats.torch.ranks import refuse_rank
from lineage.checkpoints.formats.torch.state import name_tensors, viewed
from lineage.checkpoints.formats.torch.tensors import (
    Located,
    Storage,
    Tensor,
    Unread,
    item_size,
    storage_from_id,
    tensor_view,
)
from lineage.checkpoints.io.bytes import PositionedFile, read
from lineage.checkpoints.io.quoting import quoted
from lineage.checkpoints.reader import Contents
from lineage.checkpoints.wire.pickle_stream import PickleStream
from lineage.checkpoints.wire.unpickler import MAX_PICKLE, Unpickler
from lineage.errors import Malformed, Truncated, UnsupportedFormat
from lineage.types import TensorView

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001


class LegacyTorchReader:
    """One file of torch.save before 1.6, or with `_use_new_zipfile_serialization=False`."""

    def recognises(self, head: bytes) -> bool:
        """A pickle of protocol 2 or later; whether torch wrote it is seen when reading."""
        return len(head) > 1 and head[0] == 0x80 and 2 <= head[1] <= 5

    def read(self, file: PositionedFile) -> Contents:
        """List the tensors. Raises UnsupportedFormat for a pickle that torch did not write."""
        cursor = _Pickles(file)
        seen: dict[str, Storage] = {}

        def persistent(identity: Any) -> object:
            if isinstance(identity, tuple) and len(identity) > 1 and identity[0] != "storage":
                return identity[1]  # ("module", class, file, source) stands for the class
            found = storage_from_id(identity)
            if seen.setdefault(found.key, found).kind != found.kind:
                raise ValueError("a storage of two types")
            return found

        unpickler = Unpickler(file.path, cursor, CONSTRUCTORS, persistent)
        if unpickler.load() != MAGIC:
            raise UnsupportedFormat(file.path, "is a pickle, but not one that torch.save wrote: save it as safetensors")
        version, system, loaded, keys = (unpickler.load() for _ in range(4))
        if version != PROTOCOL or not isinstance(system, dict) or system.get("little_endian") is not True:
            raise UnsupportedFormat(file.path, "is a torch file of an unknown version or byte order: save it again")
        refuse_rank(file.path, loaded)
        named = name_tensors(file.path, loaded)
        located = _locate(file, cursor.tell(), keys, seen)
        return viewed(file.path, "torch-legacy", named, lambda name, tensor: _view(file, name, tensor, located))


def _view(file: PositionedFile, name: str, tensor: Tensor, located: dict[str, Located]) -> TensorView | Unread:
    if tensor.storage.key not in located:
        raise Malformed(file.path, f"the storage of tensor {quoted(name)} is not in the file")
    return tensor_view(file.path, name, tensor, located[tensor.storage.key])


def _locate(file: PositionedFile, position: int, keys: Any, seen: dict[str, Storage]) -> dict[str, Located]:
    """Walk over the storages in the order of `keys`."""
    if not isinstance(keys, list) or not all(isinstance(key, str | int) for key in keys):
        raise Malformed(file.path, "has no list of storage keys")
    located: dict[str, Located] = {}
    for key in map(str, keys):
        if key not in seen or key in located:
            raise Malformed(file.path, f"storage {quoted(key)} is listed twice or belongs to no tensor")
        count = int.from_bytes(read(file, position, 8), "little")
        size = count * item_size(file.path, f"storage {quoted(key)}", seen[key].kind)
        position += 8
        if position + size > file.size:
            raise Truncated(
                file.path, f"storage {quoted(key)} needs {size:,} bytes, the file ends before: download it again"
            )
        located[key] = Located(file, position, size)
        position += size
    return located


class _Pickles(PickleStream):
    """The pickles at the beginning of the file."""

    def _too_large(self, size: int) -> Malformed:
        return Malformed(self.source.path, f"its pickle holds a value of {size:,} bytes, more than {MAX_PICKLE:,}")

    def _cut(self, need: int) -> Truncated:  # noqa: ARG002 - how far a damaged pickle would read is meaningless
        return Truncated(self.source.path, "ends inside its pickles: download it again")
