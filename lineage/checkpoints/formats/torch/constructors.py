"""What stands for the classes and functions that a checkpoint's pickle names: torch's tensors and plain containers.

Names and arguments are those of torch/_utils.py and torch/serialization.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lineage.checkpoints.formats.torch.quantised import quantised
from lineage.checkpoints.formats.torch.sparse import sparse
from lineage.checkpoints.formats.torch.tensors import Leaf, Storage, Tensor, Unread, is_size
from lineage.checkpoints.formats.torch.wrapped import wrapped
from lineage.checkpoints.wire.unpickler import Global
from lineage.types.facts.exclusions import NotRead


def _rebuild(storage: Any, offset: Any, shape: Any, strides: Any, kind: str | None = None) -> Tensor:
    if not isinstance(storage, Storage) or not isinstance(shape, tuple) or not isinstance(strides, tuple):
        raise TypeError("a tensor without storage, shape and strides")
    if not all(is_size(size) for size in (offset, *shape, *strides)) or len(shape) != len(strides):
        raise ValueError("a tensor whose shape, strides or offset are not sizes")
    return Tensor(storage, kind or storage.kind, storage.offset + offset, shape, strides)


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> Tensor:
    return _rebuild(storage, offset, shape, strides)


def _tensor_v3(
    storage: Any, offset: Any, shape: Any, strides: Any, _grad: Any, _hooks: Any, dtype: Any, *_: Any
) -> Tensor:
    if not isinstance(dtype, Global):
        raise TypeError("a tensor without dtype")
    return _rebuild(storage, offset, shape, strides, dtype.name)


def _quantised(storage: Any, offset: Any, shape: Any, strides: Any, scheme: Any = None, *_: Any) -> Leaf:
    return quantised(_rebuild(storage, offset, shape, strides), scheme)


def _parameter(data: Any, *_: Any) -> Any:
    if not isinstance(data, Leaf):
        raise TypeError("a parameter without tensor")
    return data


def _from_type(function: Any, kind: Any, arguments: Any, state: Any) -> Any:
    if not isinstance(function, Global) or function.name not in REBUILD or not isinstance(arguments, tuple):
        raise TypeError("a tensor subclass that is rebuilt by something unknown")
    if function.name == _WRAPPER:
        return wrapped(kind, arguments, state)
    return REBUILD[function.name](*arguments)


def _unread(reason: NotRead) -> Callable[..., Unread]:
    return lambda *_: Unread(reason)


def _mapping(pairs: Any = (), *_: Any) -> dict[Any, Any]:
    """Build an OrderedDict from its pairs (Python 2 pickles them as arguments), or from nothing."""
    if not isinstance(pairs, list) or not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs):
        return dict(pairs) if isinstance(pairs, dict) else {}
    return {key: value for key, value in pairs if isinstance(key, str | int)}


def _sequence(items: Any = (), *_: Any) -> list[Any]:
    return list(items) if isinstance(items, list | tuple) else []


def _shape(sizes: Any = ()) -> tuple[Any, ...]:
    if not isinstance(sizes, list | tuple):
        raise TypeError("a shape that is not a list")
    return tuple(sizes)


_WRAPPER = "torch._utils._rebuild_wrapper_subclass"
REBUILD: dict[str, Callable[..., object]] = {
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor_v3,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
    "torch._utils._rebuild_qtensor": _quantised,
    "torch._utils._rebuild_sparse_tensor": sparse,
    "torch._utils._rebuild_sparse_csr_tensor": sparse,
    "torch._utils._rebuild_nested_tensor": _unread(NotRead("nested-tensor")),
    "torch._utils._rebuild_meta_tensor_no_storage": _unread(NotRead("meta-tensor")),
    "torch._utils._rebuild_device_tensor_from_numpy": _unread(NotRead("foreign-device")),
    _WRAPPER: _unread(NotRead("wrapped-tensor")),
}

CONSTRUCTORS: dict[str, Callable[..., object]] = {
    **REBUILD,
    "torch._tensor._rebuild_from_type_v2": _from_type,
    "numpy.core.multiarray._reconstruct": _unread(NotRead("array-in-pickle")),
    "numpy._core.multiarray._reconstruct": _unread(NotRead("array-in-pickle")),
    "torch.Size": _shape,
    "torch.serialization._get_layout": lambda name=None, *_: name,
    "torch.jit._pickle.build_intlist": _sequence,
    "torch.jit._pickle.build_doublelist": _sequence,
    "torch.jit._pickle.build_boollist": _sequence,
    "torch.jit._pickle.build_tensorlist": _sequence,
    "torch.jit._pickle.build_tensor_from_id": _unread(NotRead("old-torchscript")),
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
