"""From the objects in a torch checkpoint to named tensors: nesting, wrappers, whole pickled modules."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from lineage.checkpoints.averages import averages
from lineage.checkpoints.optimizer import why_left_out
from lineage.checkpoints.torch_tensors import Tensor, Unread
from lineage.checkpoints.unpickler import SCRIPTED, Foreign, Stateful
from lineage.checkpoints.views import EMPTY, check_name, without_elements
from lineage.checkpoints.wording import quoted
from lineage.errors import Malformed

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

Where = tuple[str, ...]


class Named(NamedTuple):
    """Tensors by name, in the order of the file, (name, reason) of what is left out, and how many weights that is."""

    tensors: dict[str, Tensor]
    left_out: list[tuple[str, str]]
    unread: int


def name_tensors(path: Path, loaded: Any, *, is_program: bool = False) -> Named:
    """Flatten what a checkpoint holds into dotted names.

    A wrapper key ("state_dict", "module.") that holds every weight is dropped from the names. A program may have any
    number of empty buffers, a checkpoint only a few. Raises Malformed for endless nesting, for two tensors of one name
    and for as many tensors without elements as with.
    """
    weights: list[tuple[Where, Tensor]] = []
    left_out: list[tuple[str, str]] = []
    unread = 0
    for count, (where, leaf) in enumerate(_Walk(path).leaves((), loaded, 0)):
        if count >= MAX_TENSORS:
            raise Malformed(path, f"holds more than {MAX_TENSORS:,} tensors: its objects are shared without end")
        check_name(path, ".".join(where))
        reason = why_left_out(".".join(where))
        if isinstance(leaf, Unread):
            unread += 0 if reason else leaf.count
            reason = leaf.reason
        if reason is None and isinstance(leaf, Tensor):
            weights.append((where, leaf))
        else:
            left_out.append((".".join(where), reason or ""))
    averaged = averages({".".join(where): tensor.shape for where, tensor in weights})
    weights = [(where, tensor) for where, tensor in weights if ".".join(where) not in averaged]
    left_out += averaged.items()
    tensors: dict[str, Tensor] = {}
    for name, tensor in _unwrap(weights):
        if name in tensors:
            raise Malformed(path, f"two tensors are named {quoted(name)}")
        tensors[name] = tensor
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    for name in [n for n, shape in shapes.items() if shape == (0,)] if is_program else without_elements(path, shapes):
        del tensors[name]
        left_out.append((name, EMPTY))
    return Named(tensors, left_out, unread)


class _Walk:
    """Finds tensors in nested data, within bounds: shared references can make a small file endless."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._visits = 0

    def leaves(self, where: Where, value: Any, depth: int) -> Iterator[tuple[Where, Tensor | Unread]]:
        self._visits += 1 + _length(value)
        if depth > MAX_DEPTH or self._visits > MAX_VISITS:
            raise Malformed(self._path, "nests its objects without end")
        if isinstance(value, Stateful):
            value = value.meaning
        if isinstance(value, Tensor | Unread):
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


def _unwrap(weights: list[tuple[Where, Tensor]]) -> list[tuple[str, Tensor]]:
    """Drop wrapper keys that hold everything, then join the rest of the path with dots."""
    while weights and all(len(where) > 1 for where, _ in weights) and len({where[0] for where, _ in weights}) == 1:
        if weights[0][0][0] not in _WRAPPERS:
            break
        weights = [(where[1:], tensor) for where, tensor in weights]
    named = [(".".join(where), tensor) for where, tensor in weights]
    for prefix in _DOTTED_WRAPPERS:
        if all(name.startswith(prefix) for name, _ in named):
            named = [(name.removeprefix(prefix), tensor) for name, tensor in named]
    return named
