"""From the objects in a torch checkpoint to named tensors: nesting, wrappers, whole pickled modules."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from lineage.checkpoints.decode.averages import averages
from lineage.checkpoints.decode.non_weights import why_left_out
from lineage.checkpoints.decode.pieces import Piece
from lineage.checkpoints.formats.torch.tensors import Composed, Leaf, Tensor, Unread
from lineage.checkpoints.io.dtypes import TORCH
from lineage.checkpoints.io.quoting import quoted
from lineage.checkpoints.io.views import EMPTY, check_name, without_elements
from lineage.checkpoints.reader import Contents
from lineage.checkpoints.wire.unpickler import SCRIPTED, Foreign, Stateful
from lineage.errors import Malformed, UnsupportedDtype, UnsupportedFormat
from lineage.types import TensorView
from lineage.types.facts.exclusions import Exclusion, UnreadType

MAX_DEPTH = 64  # levels of nesting
MAX_VISITS = 2_000_000  # objects looked at: the same object counts again wherever it is mentioned
MAX_TENSORS = 400_000  # so that their names fit in memory

_WRAPPERS = frozenset(
    {
        "state_dict", "model_state_dict", "model_state", "model", "module", "net", "network", "weights", "params",
        "state", "ema", "ema_model", "model_ema", "state_dict_ema", "ema_state_dict", "params_ema",
    }
)  # fmt: skip
_DOTTED_WRAPPERS = ("module.", "_orig_mod.")
_PACKED = re.compile(r"(.*\.|)_packed_params\._packed_params\.([01])")  # weight and bias of torch.ao's quantised linear

Where = tuple[str, ...]
Weight = tuple[Where, Tensor | Composed]


class Named(NamedTuple):
    """Tensors by name, in the order of the file, and (name, reason) of what is not a weight."""

    tensors: dict[str, Tensor | Composed]
    left_out: list[tuple[str, Exclusion]]
    unread: list[tuple[Exclusion, int]]


def name_tensors(path: Path, loaded: Any, *, is_program: bool = False) -> Named:
    """Flatten what a checkpoint holds into dotted names.

    A wrapper key ("state_dict", "module.") that holds every weight is dropped from the names. A program may have any
    number of empty buffers, a checkpoint only a few. Raises Malformed for endless nesting, for two tensors of one name
    and for as many tensors without elements as with elements.
    """
    weights: list[Weight] = []
    left_out: list[tuple[str, Exclusion]] = []
    unread: list[tuple[Exclusion, int]] = []
    for count, (where, leaf) in enumerate(_Walk(path).leaves((), loaded, 0)):
        if count >= MAX_TENSORS:
            raise Malformed(path, f"holds more than {MAX_TENSORS:,} tensors: its objects are shared without end")
        check_name(path, ".".join(where))
        reason = why_left_out(".".join(where))
        if isinstance(leaf, Unread):
            left_out.append((".".join(where), leaf.reason))
            unread += [(leaf.reason, leaf.count)] if reason is None and leaf.count else []
        elif reason is None:
            weights.append((where, leaf))
        else:
            left_out.append((".".join(where), reason))
    averaged = averages({".".join(where): tensor.shape for where, tensor in weights})
    weights = [(where, tensor) for where, tensor in weights if ".".join(where) not in averaged]
    left_out += averaged.items()
    tensors: dict[str, Tensor | Composed] = {}
    for name, tensor in _unwrap(weights):
        if name in tensors:
            raise Malformed(path, f"two tensors are named {quoted(name)}")
        tensors[name] = tensor
    shapes = {name: _whole(tensor) for name, tensor in tensors.items()}
    for name in [n for n, shape in shapes.items() if shape == (0,)] if is_program else without_elements(path, shapes):
        del tensors[name]
        left_out.append((name, EMPTY))
    return Named(tensors, left_out, unread)


def viewed(path: Path, format_: str, named: Named, view: Callable[[str, Tensor], TensorView | Unread]) -> Contents:
    """The contents of a file whose tensors are `named`; `view` finds the values of one.

    A tensor of an unknown type is left out and named. Raises CheckpointError, for such a type too if there is no other.
    """
    tensors: list[TensorView] = []
    pieces: list[Piece] = []
    left_out, unread = list(named.left_out), list(named.unread)
    unknown: UnsupportedDtype | None = None
    for name, tensor in named.tensors.items():
        try:
            found = _view(path, name, tensor, view)
        except UnsupportedDtype as error:
            found, unknown = Unread(UnreadType(_unknown_kind(tensor)), math.prod(tensor.shape)), unknown or error
        if isinstance(found, Unread):
            left_out.append((name, found.reason))
            unread += [(found.reason, found.count)] if found.count else []
        elif isinstance(tensor, Tensor) and tensor.cut is not None and tensor.cut.offsets is not None:
            pieces.append(Piece(found, tensor.cut.offsets, tensor.cut.shape))
        else:
            tensors.append(found)
    if unknown is not None and not tensors and not pieces:
        raise unknown
    return Contents(format_, tuple(tensors), tuple(left_out), pieces=tuple(pieces), unread=tuple(unread))


def _unknown_kind(tensor: Tensor | Composed) -> str:
    """The type of values that is not read, of a tensor or of one of its parts."""
    kinds = [tensor.kind] if isinstance(tensor, Tensor) else [part.kind for part in tensor.parts.values()]
    return next((kind for kind in kinds if kind not in TORCH), kinds[0])


def _view(
    path: Path, name: str, tensor: Tensor | Composed, view: Callable[[str, Tensor], TensorView | Unread]
) -> TensorView | Unread:
    if isinstance(tensor, Tensor):
        if tensor.cut is not None and tensor.cut.offsets is None:
            raise UnsupportedFormat(
                path,
                f"holds one rank's part of tensor {quoted(name)}, cut in a way that is not read: save it whole, as a"
                " full state dict",
            )
        return Unread(EMPTY) if tensor.cut is not None and 0 in tensor.shape else view(name, tensor)
    parts = {part: view(name, stored) for part, stored in tensor.parts.items()}
    read = {part: found for part, found in parts.items() if not isinstance(found, Unread)}
    if len(read) < len(parts):
        return next(found for found in parts.values() if isinstance(found, Unread))
    return tensor.build(path, name, read)


def _whole(tensor: Tensor | Composed) -> tuple[int, ...]:
    return tensor.cut.shape if isinstance(tensor, Tensor) and tensor.cut is not None else tensor.shape


class _Walk:
    """Finds tensors in nested data, within bounds: shared references can make a small file endless."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._visits = 0

    def leaves(self, where: Where, value: Any, depth: int) -> Iterator[tuple[Where, Leaf]]:
        self._visits += 1 + _length(value)
        if depth > MAX_DEPTH or self._visits > MAX_VISITS:
            raise Malformed(self._path, "nests its objects without end")
        if isinstance(value, Stateful):
            value = value.meaning
        if isinstance(value, Leaf):
            yield where or ("tensor",), value
            return
        for key, inner in _children(value):
            yield from self.leaves((*where, *key), inner, depth + 1)


def _length(value: Any) -> int:
    """How many things looking into a value looks at."""
    inner = (value.items or value.state) if isinstance(value, Foreign) else value
    return len(inner) if isinstance(inner, dict | list | tuple) else 0


def _children(value: Any) -> Iterator[tuple[Where, Any]]:
    """Name what lies directly in a container; a pickled module gives its parameters, buffers and modules.

    The state of a module of a TorchScript program is simply its attributes.
    """
    if isinstance(value, dict):
        yield from (((str(key),), inner) for key, inner in value.items() if isinstance(key, str | int))
    elif isinstance(value, list | tuple):
        yield from (((str(i),), inner) for i, inner in enumerate(value) if not isinstance(inner, str | int | float))
    elif isinstance(value, Foreign) and value.name.startswith(SCRIPTED):
        yield from _children(value.state)
    elif isinstance(value, Foreign):
        yield from _children(value.items)
        state = value.state if isinstance(value.state, dict) else {}
        for field in ("_parameters", "_buffers", "_modules"):
            if isinstance(state.get(field), dict | Foreign):
                yield from _children(state[field])


def _unwrap(weights: list[Weight]) -> list[tuple[str, Tensor | Composed]]:
    """Drop wrapper keys that hold everything, then join the rest of the path with dots."""
    while weights and all(len(where) > 1 for where, _ in weights) and len({where[0] for where, _ in weights}) == 1:
        if weights[0][0][0] not in _WRAPPERS:
            break
        weights = [(where[1:], tensor) for where, tensor in weights]
    named = [(_PACKED.sub(_of_packed, ".".join(where)), tensor) for where, tensor in weights]
    for prefix in _DOTTED_WRAPPERS:
        if all(name.startswith(prefix) for name, _ in named):
            named = [(name.removeprefix(prefix), tensor) for name, tensor in named]
    return named


def _of_packed(match: re.Match[str]) -> str:
    return match[1] + ("weight", "bias")[int(match[2])]
