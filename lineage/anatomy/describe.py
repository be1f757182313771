"""The anatomy of a model: what every tensor is for, from names, shapes and the model's config."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lineage.anatomy.axes import NOTHING, Axes, fixed_axis, is_doubled, stream_axis, tower_axes
from lineage.anatomy.families import architecture_of
from lineage.anatomy.fixed import fixed_table
from lineage.anatomy.names import Named, Path, stack_index, take_apart
from lineage.anatomy.networks import Network, layer_number, survey
from lineage.anatomy.roles import in_head, is_expert, is_projector, role_of
from lineage.anatomy.towers import Tower, find_towers, tower_of
from lineage.types import Axis, Part

_EMBEDDINGS = frozenset({"token-embedding", "type-embedding", "position-embedding", "class-embedding"})
_LAYER_ROLES = frozenset({"q", "k", "v", "kv", "qkv", "o", "gate", "up", "gate-up", "down", "router"})


@dataclass(frozen=True, slots=True)
class Anatomy:
    """What a model is and what each of its tensors is for, in the order that they were given."""

    architecture: str
    parts: tuple[Part, ...]


def describe(names_shapes: Sequence[tuple[str, tuple[int, ...]]], config: Mapping[str, Any]) -> Anatomy:
    """Say what every tensor of a model is for.

    `names_shapes` are tensor names with their stored shapes, in any order; `config` is the parsed
    config.json, or empty. Wrapping prefixes ("model.", "bert.", "base_model.model.") do not matter.
    Axes are called exchangeable only where relabelling is known to change nothing; labels of
    exchangeable axes are shared exactly by the axes that share a relabelling and have equal lengths.
    """
    tensors = take_apart(names_shapes)
    model_type = config.get("model_type")
    model_type = model_type if isinstance(model_type, str) else ""
    reasons = {t.name: fixed_table(t.name, t.shape, None) for t in tensors}
    weights = [t for t in tensors if reasons[t.name] is None]
    siblings = _siblings(weights)
    roles = {t.name: role_of(t, siblings) for t in weights}
    towers = find_towers(weights, roles, model_type)
    parts = _in_towers(weights, roles, towers) if towers else _in_network(weights)
    fixed = {t.name: _fixed_part(t, reason) for t in tensors if (reason := reasons[t.name]) is not None}
    parts = _settled(weights, parts) | fixed
    return Anatomy(model_type or architecture_of(tensors), tuple(parts[t.name] for t in tensors))


def _siblings(tensors: Sequence[Named]) -> dict[Path, frozenset[str]]:
    found: dict[Path, set[str]] = defaultdict(set)
    for tensor in tensors:
        if tensor.module:
            found[tensor.parent].add(tensor.module[-1])
    return {parent: frozenset(names) for parent, names in found.items()}


def _fixed_part(tensor: Named, reason: str) -> Part:
    second = fixed_axis("fixed") if len(tensor.shape) > 1 else NOTHING
    return Part("network", "fixed", None, (fixed_axis("fixed") if tensor.shape else NOTHING, second), reason)


def _in_network(tensors: Sequence[Named]) -> dict[str, Part]:
    network = survey(tensors, by_length=True)
    return {t.name: _network_part(t, "network", network) for t in tensors}


def _network_part(tensor: Named, component: str, network: Network) -> Part:
    return Part(component, network.kinds[tensor.name], layer_number(tensor.module), network.axes(tensor.name))


def _in_towers(tensors: Sequence[Named], roles: Mapping[str, str], towers: Sequence[Tower]) -> dict[str, Part]:
    odd = survey([t for t in tensors if roles[t.name] == "unknown"], by_length=False)
    parts = {}
    for tensor in tensors:
        tower = tower_of(tensor, towers)
        role = roles[tensor.name]
        if role == "unknown" or (is_projector(tensor) and not tower.component.startswith("projector")):
            parts[tensor.name] = _odd_part(tensor, role, tower, towers, odd)
        else:
            parts[tensor.name] = _tower_part(tensor, role, tower, towers)
    return parts
