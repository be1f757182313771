"""Tensor names taken apart: wrappers removed, the owning module, the parameter, the layer index."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
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
_KNOWN = 1 << 14  # cached names, or templates of them: models of one library have the same
_NUMBER = re.compile(r"(?<![^.])[0-9]{1,8}(?![^.])")  # as `is_number` decides, among tokens
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
    template: str = field(init=False, compare=False, repr=False)
    """The module path with every index replaced by `#`; there are few different ones, so results are cached."""

    def __post_init__(self) -> None:
        """Work out the template."""
        object.__setattr__(self, "template", sys.intern(_NUMBER.sub("#", ".".join(self.module))))

    @property
    def stack_at(self) -> int | None:
        """`stack_index` of the module."""
        return stack_index(self.module) if "#" in self.name else _stack_index(self.template)

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


def is_number(token: str) -> bool:
    """True for an index: digits only, no more of them than the layer number of any model has."""
    return token.isascii() and token.isdigit() and len(token) < _MAX_DIGITS


def stack_index(module: Path) -> int | None:
    """Where in a module path the layer number stands, or None.

    The first number after a word for repeated layers counts; without one, the first number that has
    something before it.
    """
    return _first_stack(module, [i for i, token in enumerate(module) if i and is_number(token)])


@lru_cache(maxsize=_KNOWN)
def _stack_index(template: str) -> int | None:
    """The same for a template, in which only numbers are `#`."""
    tokens = template.split(".")
    return _first_stack(tokens, [i for i, one in enumerate(tokens) if i and one == "#"])


def _first_stack(tokens: Sequence[str], numbers: Sequence[int]) -> int | None:
    worded = (i for i in numbers if STACK_WORD.match(tokens[i - 1]))
    return next(worded, next(iter(numbers), None))


@lru_cache(maxsize=_KNOWN)
def block_of(name: str) -> str | None:
    """The path of the numbered block that a tensor of a network in stages belongs to, None outside of blocks.

    The first number counts, and a second one that stands right behind it or behind a word for repeated layers:
    `layer2.1`, `stages.2.blocks.5`.
    """
    tokens = _tokens(name)
    first = next((i for i, token in enumerate(tokens[:-1]) if is_number(token)), None)
    if first is None:
        return None
    for inner in (first + 1, first + 2):
        is_behind = inner == first + 1 or STACK_WORD.match(tokens[inner - 1]) is not None
        if inner < len(tokens) - 1 and is_number(tokens[inner]) and is_behind:
            return ".".join(tokens[: inner + 1])
    return ".".join(tokens[: first + 1])


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
    return tuple(sys.intern(token) for token in tokens if token)  # a million of them in a large mixture, few different


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
