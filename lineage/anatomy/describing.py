"""The anatomy of a model: the purpose of every tensor, from names, shapes and the model's config."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lineage.anatomy.axes import NOTHING, Axes, fixed_axis, is_doubled, tower_axes
from lineage.anatomy.compounds import SubModel, sub_models
from lineage.anatomy.families import architecture_of
from lineage.anatomy.fixed import fixed_table
from lineage.anatomy.names import Named, Path, take_apart
from lineage.anatomy.networks import Network, layer_number, survey
from lineage.anatomy.parallel_networks import twins
from lineage.anatomy.projectors import is_bridge, joined
from lineage.anatomy.roles import in_head, is_expert, is_projector, role_of
from lineage.anatomy.towers import Tower, component_by_word, find_towers, tower_of
from lineage.types import Part
from lineage.types.facts.exclusions import Exclusion, FixedTable

_EMBEDDINGS = frozenset({"token-embedding", "type-embedding", "position-embedding", "class-embedding"})
_LAYER_ROLES = frozenset({"q", "k", "v", "kv", "qkv", "o", "gate", "up", "gate-up", "down", "router"})
_PLAIN = frozenset({"weight", "bias", "kernel", "gamma", "beta", "parameter"})


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
    A model made of several has each of them as one component, which shares no relabelling with another.
    """
    several = sub_models(names_shapes, config)
    return _one(names_shapes, config) if several is None else _compound(names_shapes, several)


def _compound(names_shapes: Sequence[tuple[str, tuple[int, ...]]], several: Sequence[SubModel]) -> Anatomy:
    parts: dict[str, Part] = {}
    for sub in several:
        described = _one([(name, shape) for _, name, shape in sub.tensors], sub.config)
        for (name, _, _), part in zip(sub.tensors, described.parts, strict=True):
            parts[name] = _of_another(part, sub.name)
    return Anatomy("pipeline", tuple(parts[name] for name, _ in names_shapes))


def _one(names_shapes: Sequence[tuple[str, tuple[int, ...]]], config: Mapping[str, Any]) -> Anatomy:
    tensors = take_apart(names_shapes)
    model_type = config.get("model_type")
    model_type = model_type if isinstance(model_type, str) else ""
    reasons = {t.name: fixed_table(t.name, t.shape, None) for t in tensors}
    weights = [t for t in tensors if reasons[t.name] is None]
    roles = _roles(weights)
    towers = find_towers(weights, roles, model_type)
    parts = _in_towers(weights, roles, towers) if towers else _in_network(weights)
    fixed = {t.name: _fixed_part(t, reason) for t in tensors if (reason := reasons[t.name]) is not None}
    parts = _settled(weights, parts) | fixed
    return Anatomy(model_type or architecture_of(tensors), tuple(parts[t.name] for t in tensors))


def _roles(tensors: Sequence[Named]) -> dict[str, str]:
    siblings = _siblings(tensors)
    return {t.name: role_of(t, siblings) for t in tensors}


def _siblings(tensors: Sequence[Named]) -> dict[Path, frozenset[str]]:
    found: dict[Path, set[str]] = defaultdict(set)
    for tensor in tensors:
        if tensor.module:
            found[tensor.parent].add(tensor.last)
    return {parent: frozenset(names) for parent, names in found.items()}


def _fixed_part(tensor: Named, reason: Exclusion) -> Part:
    second = fixed_axis("fixed") if len(tensor.shape) > 1 else NOTHING
    return Part("network", "fixed", None, (fixed_axis("fixed") if tensor.shape else NOTHING, second), reason)


def _in_network(tensors: Sequence[Named]) -> dict[str, Part]:
    networks = twins(tensors)
    if len(networks) == 1:
        network = survey(tensors, by_length=True)
        return {t.name: _network_part(t, t.module, network) for t in tensors}
    parts: dict[str, Part] = {}
    for number, members in enumerate(networks, start=1):
        network = survey(members, by_length=True)
        for name, tensor in network.tensors.items():
            part = _network_part(tensor, tensor.module, network)
            parts[name] = part if number == 1 else _of_another(part, f"network {number}")
    return parts


def _network_part(tensor: Named, module: Path, network: Network) -> Part:
    return Part("network", network.kinds[tensor.name], layer_number(module), network.axes(tensor.name))


def _of_another(part: Part, component: str) -> Part:
    """A part of another model or network, whose units are relabelled on their own."""
    axes = (replace(axis, label=f"{axis.label} of {component}") if axis.exchangeable else axis for axis in part.axes)
    first, second = axes
    return replace(part, component=component, axes=(first, second))


def _in_towers(tensors: Sequence[Named], roles: Mapping[str, str], towers: Sequence[Tower]) -> dict[str, Part]:
    near = {t.name: tower_of(t, towers) for t in tensors}
    odd = [t for t in tensors if roles[t.name] == "unknown" or is_bridge(t, near[t.name])]
    network = survey(odd, by_length=False)
    parts = {t.name: _tower_part(t, roles[t.name], near[t.name], towers) for t in tensors}
    return parts | {t.name: _odd_part(t, near[t.name], towers, network) for t in odd}


def _tower_part(tensor: Named, name_role: str, tower: Tower, towers: Sequence[Tower]) -> Part:
    layer = _layer(tensor, tower)
    role = "gate-up" if name_role in ("gate", "up") and is_doubled(tensor, tower) else name_role
    component = _component(tensor, role, tower, layer)
    if tensor.leaf not in _PLAIN or (role in _LAYER_ROLES and layer is None):
        return Part(component, "unknown", layer, _unknown_axes(tensor))
    beside_stream = component == "head" and role in ("norm", "head-norm")
    axes = _unknown_axes(tensor) if beside_stream else tower_axes(tensor, role, tower, towers)
    if component == "audio encoder" and tensor.last == "embed_positions":
        return _fixed_part(tensor, FixedTable("sinusoidal-positions"))
    return Part(component, _shown_role(tensor, role), layer, axes)


def _odd_part(tensor: Named, tower: Tower, towers: Sequence[Tower], network: Network) -> Part:
    layer, kind = _layer(tensor, tower), network.kinds[tensor.name]
    component = _component(tensor, kind, tower, layer)
    axes = joined(tensor, kind, network.axes(tensor.name), tower, towers)
    role = "projector" if component == "projector" and kind == "linear" else kind
    return Part(component, role, layer, axes)


def _layer(tensor: Named, tower: Tower) -> int | None:
    at = len(tower.stack)
    return int(tensor.module[at]) if tensor.stack_at == at and tensor.module[:at] == tower.stack else None


def _component(tensor: Named, role: str, tower: Tower, layer: int | None) -> str:
    if is_projector(tensor):
        return "projector"
    if is_expert(tensor) or role == "router":
        return "experts"
    if in_head(tensor) or (role == "head" and component_by_word(tensor.module) is None):
        return "head"
    of_text = tower.component.startswith("text") and layer is None
    if of_text and (role in _EMBEDDINGS or "embeddings" in tensor.module):
        return "embeddings"
    return tower.component


def _shown_role(tensor: Named, role: str) -> str:
    if role in ("norm", "head-norm"):
        return "norm"
    if tensor.leaf == "bias":
        return "bias"
    return f"expert-{role}" if is_expert(tensor) and role in ("gate", "up", "gate-up", "down") else role


def _unknown_axes(tensor: Named) -> Axes:
    axis = fixed_axis("unknown")
    return (axis if tensor.shape else NOTHING), (axis if len(tensor.shape) > 1 else NOTHING)


def _settled(tensors: Sequence[Named], parts: Mapping[str, Part]) -> dict[str, Part]:
    """Withdraw exchangeability from every label that would tie axes of different lengths together."""
    lengths: dict[str, set[int]] = defaultdict(set)
    for tensor in tensors:
        for axis, length in zip(parts[tensor.name].axes, tensor.shape, strict=False):
            if axis.exchangeable:
                lengths[axis.label].add(length)
    torn = {label for label, found in lengths.items() if len(found) > 1}
    return {name: _with_fixed(part, torn) for name, part in parts.items()}


def _with_fixed(part: Part, labels: set[str]) -> Part:
    if labels.isdisjoint(axis.label for axis in part.axes):
        return part
    first, second = (fixed_axis(axis.label) if axis.label in labels else axis for axis in part.axes)
    return replace(part, axes=(first, second))
