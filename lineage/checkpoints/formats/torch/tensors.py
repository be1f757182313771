"""What torch's pickles say about tensors, as plain data, and the views made from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

from lineage.checkpoints.io.bytes import ByteSource
from lineage.checkpoints.io.dtypes import TORCH
from lineage.checkpoints.io.quoting import quoted
from lineage.checkpoints.io.views import Place, count_elements, is_dense, last_element, strided
from lineage.checkpoints.wire.unpickler import Global
from lineage.errors import Malformed, UnsupportedDtype
from lineage.types import TensorView
from lineage.types.facts.exclusions import Exclusion, NotAWeight

REPEATED = NotAWeight("repeated-view")
UNTYPED = frozenset({"torch.storage.UntypedStorage", "torch.UntypedStorage", "torch.storage.TypedStorage"})


@dataclass(frozen=True, slots=True, eq=False)
class Storage:
    """A run of values: `key` names it in the file, `kind` its type; `offset` is that of a view into another."""

    key: str
    kind: str
    count: int
    offset: int = 0


class Cut(NamedTuple):
    """Where a rank's part begins in a tensor of `shape`; None where the file does not say."""

    shape: tuple[int, ...]
    offsets: tuple[int, ...] | None


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """A strided view of a storage; offset and stride count elements, `kind` is a name of `dtypes.TORCH`.

    With a `cut` it is a part of a larger tensor.
    """

    storage: Storage
    kind: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    cut: Cut | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Unread:
    """A tensor of a layout that is not read, and why; `count` are the values that it stands for, 0 if not known."""

    reason: Exclusion
    count: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Composed:
    """A tensor made from several stored ones: sparse, quantised.

    `build` makes the view from the path, the name and the views of the `parts`; it raises CheckpointError for parts
    that do not fit each other.
    """

    shape: tuple[int, ...]
    parts: Mapping[str, Tensor]
    build: Callable[[Path, str, Mapping[str, TensorView]], TensorView]


Leaf = Tensor | Composed | Unread


class Located(NamedTuple):
    """Where the bytes of a storage lie."""

    source: ByteSource
    start: int
    size: int


def storage_from_id(identity: Any) -> Storage:
    """Read a persistent id: ("storage", class, key, device, count), before torch 1.6 also a view in a root storage."""
    if not isinstance(identity, tuple) or len(identity) < 5 or identity[0] != "storage":
        raise ValueError("a persistent id that is not a storage")
    kind, key, _, count = identity[1:5]
    view = identity[5] if len(identity) > 5 else None
    if not isinstance(kind, Global) or not isinstance(key, str | int) or not is_size(count):
        raise ValueError("a storage without class, key and count")
    offset = view[1] if isinstance(view, tuple) and len(view) == 3 else 0
    if not is_size(offset):
        raise ValueError("a storage at no offset")
    return Storage(str(key), kind.name, count, offset)


def is_size(value: Any) -> TypeGuard[int]:
    """Whether this is a whole number that a size, stride or offset may be."""
    return type(value) is int and 0 <= value < 1 << 63


def item_size(path: Path, name: str, kind: str) -> int:
    """Bytes of one value of a storage class or dtype. Raises UnsupportedDtype."""
    if kind not in TORCH:
        raise UnsupportedDtype(path, f"{name} holds values of {quoted(kind)}, which this version cannot read")
    return TORCH[kind].itemsize


def tensor_view(
    path: Path, name: str, tensor: Tensor, located: Located, *, big_endian: bool = False
) -> TensorView | Unread:
    """View a tensor inside its storage. Raises Malformed when it reaches beyond it, UnsupportedDtype."""
    size = item_size(path, f"tensor {quoted(name)}", tensor.kind)
    count = count_elements(path, name, tensor.shape)
    end = (tensor.offset + last_element(tensor.shape, tensor.strides) + 1) * size
    if end > located.size:
        raise Malformed(path, f"tensor {quoted(name)} needs {end:,} bytes of its storage, which has {located.size:,}")
    if count * size > located.size:
        return Unread(REPEATED)
    dtype = TORCH[tensor.kind].newbyteorder(">") if big_endian else TORCH[tensor.kind]
    start = located.start + tensor.offset * size
    place = Place(located.source, start, tensor.shape, dtype)
    layout = "dense" if is_dense(tensor.shape, tensor.strides) else ",".join(map(str, tensor.strides))
    storage = f"{path.name}/{tensor.storage.key}@{tensor.offset * size}+{count * size}/{layout}"
    return strided(name, place, tensor.strides, storage)
