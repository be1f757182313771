"""Tensor names taken apart: wrappers removed, the owning module, the parameter, the layer index."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

Path = tuple[str, ...]

# Containers that a training script puts around a model; they say nothing about the model.
WRAPPERS = frozenset(
    {"model", "module", "transformer", "base_model", "state_dict", "model_state_dict", "params", "_orig_mod"}
    | {"auto_model", "bert", "roberta", "distilbert", "electra", "albert", "deberta", "mpnet", "gpt_neox"}
)
STACK_WORD = re.compile(r"^(?:h|blk|\w*layers?|\w*blocks?|\w*layer_groups)$")
RECURRENT = re.compile(r"^(weight|bias)_(ih|hh)(?:_l(\d+)(_reverse)?)?$")
_LEAVES = frozenset(
    {"weight", "bias", "kernel", "gamma", "beta", "running_mean", "running_var", "weight_g", "weight_v"}
    | {"qweight", "qzeros", "scales", "g_idx", "weight_scale", "weight_scale_inv", "input_scale", "absmax"}
)
_MAX_DIGITS = 9
_KNOWN = 1 << 14  # cached names: models of one library have the same
_PARAMETER_OF = re.compile(r"^(.+)_(weight|bias)$")
_NUMBERED = re.compile(r"^(layer|block|h)_(\d+)$")


@dataclass(frozen=True, slots=True)
class Named:
    """One tensor with its name taken apart.

    `module` is the path of the owning module without wrappers; `leaf` the parameter's own name, or
    "parameter" where the path ends in an unusual name.
    """

    name: str
    shape: tuple[int, ...]
    module: Path
    leaf: str

    @property
    def template(self) -> str:
        """The module path with every index replaced by `#`."""
        return _template(self.module)

    @property
    def last(self) -> str:
        """The last token of the module path, empty for a tensor that no module owns."""
        return self.module[-1] if self.module else ""

    @property
    def parent(self) -> Path:
        """The path of the module that owns this one."""
        return self.module[:-1]


def take_apart(names_shapes: Sequence[tuple[str, tuple[int, ...]]]) -> tuple[Named, ...]:
    """Parse every name, in the order given; wrappers stay where removing them would merge two tensors."""
    paths = [_tokens(name) for name, _ in names_shapes]
    bare = [_without_wrappers(path) for path in paths]
    if len(set(bare)) < len(set(paths)):
        bare = paths
    return tuple(
        Named(name, tuple(shape), *_module_and_leaf(path))
        for (name, shape), path in zip(names_shapes, bare, strict=True)
    )


@lru_cache(maxsize=_KNOWN)
def _template(module: Path) -> str:
    return ".".join("#" if is_number(token) else token for token in module)


def is_number(token: str) -> bool:
    """True for a token that counts: digits only, and no more of them than any model has layers."""
    return token.isascii() and token.isdigit() and len(token) < _MAX_DIGITS


@lru_cache(maxsize=_KNOWN)
def stack_index(module: Path) -> int | None:
    """Where in a module path the layer number stands, or None.

    The first number after a word for repeated layers counts; without one, the first number that has
    something before it.
    """
    numbers = [i for i, token in enumerate(module) if is_number(token) and i > 0]
    worded = [i for i in numbers if STACK_WORD.match(module[i - 1])]
    return next(iter(worded or numbers), None)


def shared_prefix(paths: Sequence[Path]) -> int:
    """How many leading tokens all paths have in common, not counting the last token of each."""
    if not paths:
        return 0
    first, last = min(paths), max(paths)
    shortest = min(len(path) for path in paths) - 1
    return next((i for i in range(max(shortest, 0)) if first[i] != last[i]), max(shortest, 0))


@lru_cache(maxsize=_KNOWN)
def _tokens(name: str) -> Path:
    tokens: list[str] = []
    for token in name.replace("/", ".").split("."):
        numbered = _NUMBERED.match(token)
        tokens.extend(numbered.groups() if numbered else (token,))
    return tuple(token for token in tokens if token)


def _without_wrappers(path: Path) -> Path:
    start = 0
    while start < len(path) - 1:
        numbered_module = is_number(path[start]) and path[start + 1] in WRAPPERS
        if path[start] not in WRAPPERS and not numbered_module:
            break
        start += 1
    return path[start:]


def _module_and_leaf(path: Path) -> tuple[Path, str]:
    if not path:
        return (), "parameter"
    last = path[-1]
    if last in _LEAVES or RECURRENT.match(last):
        return path[:-1], last
    parameter = _PARAMETER_OF.match(last)
    if parameter:
        return (*path[:-1], parameter[1]), parameter[2]
    return path, "parameter"
