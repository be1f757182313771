"""The repeated blocks of a model: which tensors lie in one layer of one stack, and in which of its experts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from lineage.anatomy.names import Named, Path, is_number, take_apart
from lineage.sketch.remembered import remembered
from lineage.types import CheckpointSketch, TensorSketch

EXPERT = "expert-"
"""Prefix of the roles of expert matrices; the rest is the role in a dense model."""

_KNOWN = 1 << 14  # names whose expert is kept: models of one library have the same

_MOST_NAMES = 2048  # of a model whose names are kept

Slot = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """One layer: tensors (places in the sketch) by their path after the layer number, routed experts apart.

    `roles` finds the same tensors by their purpose and their rank among those of one role and number of axes;
    `experts` holds those of each routed expert that is stored by itself, by role.
    """

    paths: dict[Slot, int] = field(default_factory=dict)
    roles: dict[Slot, int] = field(default_factory=dict)
    experts: dict[int, dict[str, int]] = field(default_factory=dict)

    def places(self) -> list[int]:
        """Places of all tensors of the layer."""
        return [*self.paths.values(), *(place for expert in self.experts.values() for place in expert.values())]


@dataclass(frozen=True, slots=True)
class Stack:
    """The layers of one tower by number; `component` is the one that most of its tensors belong to."""

    path: Path
    component: str
    blocks: Mapping[int, Block]


@lru_cache(maxsize=16)
def _taken_apart(names: tuple[tuple[str, tuple[int, ...]], ...]) -> tuple[Named, ...]:
    """The names of a model, which those of its kind have too."""
    return take_apart(names)


@remembered
def stacks(sketch: CheckpointSketch) -> tuple[Stack, ...]:
    """Every stack of a model whose layer numbers stand alone in its tensors' names, in order of first appearance."""
    kept = [i for i, t in enumerate(sketch.tensors) if t.part.excluded is None]
    names = tuple((sketch.tensors[i].name, sketch.tensors[i].shape) for i in kept)
    named = _taken_apart(names) if len(names) <= _MOST_NAMES else take_apart(names)
    found: dict[Path, dict[int, Block]] = {}
    components: dict[Path, Counter[str]] = defaultdict(Counter)
    for i, name in zip(kept, named, strict=True):
        tensor, at = sketch.tensors[i], name.stack_at
        if at is None or int(name.module[at]) != tensor.part.layer:
            continue
        stack = name.module[:at]
        block = found.setdefault(stack, {}).setdefault(int(name.module[at]), Block())
        components[stack][tensor.part.component] += tensor.part.component != "experts"
        _put(block, (*name.module[at + 1 :], name.leaf), i, tensor)
    return tuple(Stack(path, components[path].most_common(1)[0][0], blocks) for path, blocks in found.items())


def expert_number(path: Path) -> int | None:
    """The number of the routed expert in a path; None for stacked experts and for tensors outside experts."""
    if "experts" not in path[:-1]:
        return None
    number = path[path.index("experts") + 1]
    return int(number) if is_number(number) else None


@remembered
def has_experts(sketch: CheckpointSketch) -> bool:
    """Whether a model has expert matrices."""
    return any(t.part.role.startswith("expert") for t in sketch.tensors)


@lru_cache(_KNOWN)
def expert_of(name: str) -> int | None:
    """The number of the routed expert in a tensor's name, None without one."""
    (named,) = take_apart([(name, ())])
    return expert_number((*named.module, named.leaf))


def _put(block: Block, path: Slot, place: int, tensor: TensorSketch) -> None:
    expert = expert_number(path)
    if expert is not None and tensor.part.role.startswith(EXPERT):
        block.experts.setdefault(expert, {})[tensor.part.role.removeprefix(EXPERT)] = place
        return
    block.paths[path] = place
    kind = (tensor.part.role, str(len(tensor.shape)))
    rank = sum(role[:2] == kind for role in block.roles)
    block.roles[*kind, str(rank)] = place
