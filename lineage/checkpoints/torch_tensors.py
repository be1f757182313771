"""What torch's pickles say about tensors, as plain data, and the views made from it.

Names and arguments are those of torch/_utils.py and torch/serialization.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from lineage.checkpoints.bytes import ByteSource
from lineage.checkpoints.dtypes import TORCH
from lineage.checkpoints.unpickler import Global
from lineage.checkpoints.views import (
    MAX_DIMENSIONS,
    Place,
    count_elements,
    is_dense,
    last_element,
    strided,
)
from lineage.checkpoints.wording import quoted
from lineage.errors import Malformed, UnsupportedDtype
from lineage.types import TensorView

REPEATED = "a view that repeats fewer stored values"
UNTYPED = frozenset({"torch.storage.UntypedStorage", "torch.UntypedStorage", "torch.storage.TypedStorage"})


@dataclass(frozen=True, slots=True, eq=False)
class Storage:
    """A run of values: `key` names it in the file, `kind` its type; `offset` is that of a view into another."""

    key: str
    kind: str
    count: int
    offset: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """A strided view of a storage; offset and stride count elements, `kind` is a name of `dtypes.TORCH`."""

    storage: Storage
    kind: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Unread:
    """A tensor of a layout that is not read, why, and how many values it has, 0 where nothing tells."""

    reason: str
    count: int = 0


class Located(NamedTuple):
    """Where the bytes of a storage lie."""

    source: ByteSource
    start: int
    size: int


def storage_from_id(identity: Any) -> Storage:
    """Read a persistent id: ("storage", class, key, device, count), before torch 1.6 also a view in a root storage."""
    if not isinstance(identity, tuple) or len(identity) < 5 or identity[0] != "storage":
        raise ValueError("a persistent id that is no storage")
    kind, key, _, count = identity[1:5]
    view = identity[5] if len(identity) > 5 else None
    if not isinstance(kind, Global) or not isinstance(key, str | int) or not _is_size(count):
        raise ValueError("a storage without class, key and count")
    offset = view[1] if isinstance(view, tuple) and len(view) == 3 else 0
    if not _is_size(offset):
        raise ValueError("a storage at no offset")
    return Storage(str(key), kind.name, count, offset)


def _rebuild(storage: Any, offset: Any, shape: Any, strides: Any, kind: str | None = None) -> Tensor:
    if not isinstance(storage, Storage) or not isinstance(shape, tuple) or not isinstance(strides, tuple):
        raise TypeError("a tensor without storage, shape and strides")
    if not all(_is_size(size) for size in (offset, *shape, *strides)) or len(shape) != len(strides):
        raise ValueError("a tensor whose shape, strides or offset are no sizes")
    return Tensor(storage, kind or storage.kind, storage.offset + offset, shape, strides)


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 63


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> Tensor:
    return _rebuild(storage, offset, shape, strides)


def _tensor_v3(
    storage: Any, offset: Any, shape: Any, strides: Any, _grad: Any, _hooks: Any, dtype: Any, *_: Any
) -> Tensor:
    if not isinstance(dtype, Global):
        raise TypeError("a tensor without dtype")
    return _rebuild(storage, offset, shape, strides, dtype.name)


def _parameter(data: Any, *_: Any) -> Any:
    if not isinstance(data, Tensor | Unread):
        raise TypeError("a parameter without tensor")
    return data


def _from_type(function: Any, _kind: Any, arguments: Any, _state: Any) -> Any:
    if not isinstance(function, Global) or function.name not in REBUILD or not isinstance(arguments, tuple):
        raise TypeError("a tensor subclass that is rebuilt by something unknown")
    return REBUILD[function.name](*arguments)


def _unread(reason: str) -> Callable[..., Unread]:
    return lambda *_: Unread(reason)


def _unread_of_size(reason: str, *places: int) -> Callable[..., Unread]:
    """A function that finds the size among its arguments, at the first of `places`, in what lies there at the next."""

    def unread(*arguments: Any) -> Unread:
        found: Any = arguments
        for place in places:
            is_there = isinstance(found, tuple) and len(found) > place
            found = found[place] if is_there else ()
        is_size = isinstance(found, tuple) and len(found) <= MAX_DIMENSIONS and all(map(_is_size, found))
        return Unread(reason, math.prod(found) if is_size and found else 0)

    return unread


def _mapping(pairs: Any = (), *_: Any) -> dict[Any, Any]:
    """Build an OrderedDict from its pairs (Python 2 pickles them as arguments), or from nothing."""
    if not isinstance(pairs, list) or not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs):
        return dict(pairs) if isinstance(pairs, dict) else {}
    return {key: value for key, value in pairs if isinstance(key, str | int)}


def _sequence(items: Any = (), *_: Any) -> list[Any]:
    return list(items) if isinstance(items, list | tuple) else []


def _shape(sizes: Any = ()) -> tuple[Any, ...]:
    if not isinstance(sizes, list | tuple):
        raise TypeError("a shape that is no list")
    return tuple(sizes)


REBUILD: dict[str, Callable[..., object]] = {
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor_v3,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
    "torch._utils._rebuild_qtensor": _unread_of_size("a quantized torch tensor", 2),
    "torch._utils._rebuild_sparse_tensor": _unread_of_size("a sparse torch tensor", 1, 2),
    "torch._utils._rebuild_sparse_csr_tensor": _unread_of_size("a sparse torch tensor", 1, 3),
    "torch._utils._rebuild_nested_tensor": _unread("a nested torch tensor"),
    "torch._utils._rebuild_meta_tensor_no_storage": _unread("a meta tensor, which has no values"),
    "torch._utils._rebuild_device_tensor_from_numpy": _unread("a tensor of a foreign device"),
    "torch._utils._rebuild_wrapper_subclass": _unread_of_size("a wrapped torch tensor", 2),
}

CONSTRUCTORS: dict[str, Callable[..., object]] = {
    **REBUILD,
    "torch._tensor._rebuild_from_type_v2": _from_type,
    "numpy.core.multiarray._reconstruct": _unread("a NumPy array inside the pickle"),
    "numpy._core.multiarray._reconstruct": _unread("a NumPy array inside the pickle"),
    "torch.Size": _shape,
    "torch.jit._pickle.build_intlist": _sequence,
    "torch.jit._pickle.build_doublelist": _sequence,
    "torch.jit._pickle.build_boollist": _sequence,
    "torch.jit._pickle.build_tensorlist": _sequence,
    "torch.jit._pickle.build_tensor_from_id": _unread("a tensor of a TorchScript program before torch 1.4"),
    "torch.jit._pickle.restore_type_tag": lambda value=None, *_: value,
    "collections.OrderedDict": _mapping,
    "collections.Counter": _mapping,
    "collections.defaultdict": lambda *_: {},
    "collections.deque": _sequence,
    "builtins.dict": _mapping,
    "builtins.list": _sequence,
    "builtins.tuple": _sequence,
    "builtins.set": _sequence,
    "builtins.frozenset": _sequence,
    "__builtin__.dict": _mapping,
    "__builtin__.list": _sequence,
    "__builtin__.tuple": _sequence,
    "__builtin__.set": _sequence,
    "__builtin__.frozenset": _sequence,
}


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
