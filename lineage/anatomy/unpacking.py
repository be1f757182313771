"""From tensors as a framework packed them to logical parts: query, key, value, gate, up, and the experts one by one.

The same weights are stored as one matrix or as several; a part has the same values, and the same digest, either way.
A tensor whose layout neither names nor shapes nor the config reveal stays as it is: `lineage.match` decides by values.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from lineage.anatomy.fused_attention import Fused, fused_attention
from lineage.anatomy.names import Named, Path, is_number, take_apart
from lineage.anatomy.roles import role_of
from lineage.anatomy.stacked_experts import expert_parts
from lineage.checkpoints.decode.cuts import row_range
from lineage.checkpoints.decode.rearranged import rows_in_order
from lineage.types import TensorView

MOST_PARTS = 1 << 18  # twice what the largest public mixtures of experts have; hostile files may have more
_LEAVES = frozenset({"weight", "bias", "parameter"})
_DOUBLED = frozenset(
    {
        "gate_up_proj",
        "up_gate_proj",
        "gate_up",
        "Wi",
        "w13",
        "gate_and_up_proj",
        "ff_proj",
        "dense_h_to_4h",
        "fc1",
        "linear_fc1",
    }
)
_ATTENTION = re.compile(r"\w*attn\d?|\w*attention|mixer")
_MLP = re.compile(r"mlp|ffn?|feed_forward")
_QKV = ("q_proj", "k_proj", "v_proj")
_GATED = ("gate_proj", "up_proj")
_KEYS_AND_VALUES = frozenset({"kv", "kv_proj", "to_kv", "Wkv"})  # one above the other: PVT, imagen, flash-attention


def unpacked(views: Sequence[TensorView], config: Mapping[str, Any]) -> list[TensorView]:
    """The logical parts of every view, in order; `config` is the parsed config.json, or empty.

    A part is named after the tensor that it lies in: `self_attn.qkv_proj.q_proj.weight`. Nothing is read.
    """
    named = take_apart([(view.name, view.shape) for view in views])
    known = _Known(named, config)
    parts = [known.parts(view, tensor) for view, tensor in zip(views, named, strict=True)]
    names = [part.name for found in parts for part in found]
    if len(names) > MOST_PARTS or len(set(names)) < len(names):
        return list(views)
    return [part for found in parts for part in found]


class _Known:
    """The tensors of a model by place, to find what reads a fused one."""

    def __init__(self, named: Sequence[Named], config: Mapping[str, Any]) -> None:
        self._config = config
        self._modules = {tensor.module: tensor for tensor in named if tensor.leaf != "bias"}
        self._biased = frozenset(tensor.module for tensor in named if tensor.leaf == "bias")
        self._roles: dict[tuple[Path, str], Named] = {}
        self._by_parent: dict[Path, list[Named]] = defaultdict(list)
        for tensor in named:
            if tensor.leaf != "bias" and len(tensor.shape) > 1:
                self._by_parent[tensor.parent].append(tensor)
                self._roles.setdefault((tensor.parent, role_of(tensor, {})), tensor)

    def parts(self, view: TensorView, tensor: Named) -> list[TensorView]:
        """The parts of one view, or the view."""
        if tensor.leaf not in _LEAVES:
            return [view]
        weight = self._modules.get(tensor.module)
        if weight is None:
            return [view]
        found = expert_parts(view, tensor, self._modules, self._biased, self._config)
        if found:
            return found
        gated = _GATED[::-1] if weight.last == "up_gate_proj" else _GATED
        kinds = ((self._attention, _QKV), (self._keys_and_values, _QKV[1:]), (self._gated, gated))
        return next(
            (_cut(view, tensor, fused, names) for find, names in kinds if (fused := find(weight)) is not None), [view]
        )

    def _attention(self, weight: Named) -> Fused | None:
        role = role_of(weight, {})
        other = self._only_other(weight, _ATTENTION)
        if role == "unknown" and other is not None and weight.shape[0] > max(other.shape):
            return fused_attention(weight, other.shape, self._config)
        if role != "qkv":
            return None
        found = self._roles.get((weight.parent, "o")) or self._roles.get((weight.parent[:-1], "o"))
        return fused_attention(weight, found.shape if found else None, self._config)

    def _keys_and_values(self, weight: Named) -> Fused | None:
        """Key and value in one, beside a query of as many rows as each, or of a multiple of these."""
        query = self._roles.get((weight.parent, "q"))
        if weight.last not in _KEYS_AND_VALUES or query is None or len(weight.shape) != 2 or len(query.shape) != 2:
            return None
        keys, rest = divmod(weight.shape[0], 2)
        return Fused((keys, keys), None) if keys and not rest and query.shape[0] % keys == 0 else None

    def _gated(self, weight: Named) -> Fused | None:
        """Gate and up in one: twice as many units as the down projection reads."""
        down = self._roles.get((weight.parent, "down"))
        if weight.last not in _DOUBLED:
            down = self._only_other(weight, _MLP)
        if down is None or len(down.shape) != 2:
            return None
        width, units = down.shape
        return Fused((units, units), None) if weight.shape == (2 * units, width) else None

    def _only_other(self, weight: Named, word: re.Pattern[str]) -> Named | None:
        """The only other matrix of a module that `word` identifies, where the names in it say nothing."""
        if not weight.parent or word.fullmatch(weight.parent[-1]) is None:
            return None
        matrices = [tensor for tensor in self._by_parent[weight.parent] if len(tensor.shape) == 2]
        others = [tensor for tensor in matrices if tensor is not weight]
        is_pair = len(matrices) == 2 and len(others) == 1 and not any(is_number(tensor.last) for tensor in matrices)
        return others[0] if is_pair else None  # numbered ones are consecutive layers


def _cut(view: TensorView, tensor: Named, fused: Fused, parts: Sequence[str]) -> list[TensorView]:
    """The parts of a fused matrix or of its bias; the view itself where it is of another size."""
    if view.shape[:1] != (sum(fused.sizes),):
        return [view]
    if fused.order is not None:
        view = rows_in_order(view, fused.order)
    stem, leaf = _named(view.name, tensor)
    found, start = [], 0
    for part, size in zip(parts, fused.sizes, strict=True):
        found.append(replace(row_range(view, start, start + size), name=f"{stem}.{part}.{leaf}"))
        start += size
    return found


def _named(name: str, tensor: Named) -> tuple[str, str]:
    """The name up to its parameter, and the parameter's."""
    if tensor.leaf == "parameter":
        return name, "weight"
    return name[: -len(tensor.leaf) - 1], tensor.leaf
