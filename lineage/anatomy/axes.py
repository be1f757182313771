"""The axes of the tensors of a transformer tower: which share a relabelling and which must stay as they are."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from lineage.anatomy.names import Named
from lineage.anatomy.roles import is_cross_attention, is_expert
from lineage.anatomy.towers import Tower, mlp_label, stored_in_out
from lineage.types import Axis

Axes = tuple[Axis, Axis]
NOTHING = Axis("none", exchangeable=False)

_TABLES = {
    "token-embedding": "tokens",
    "type-embedding": "types",
    "position-embedding": "positions",
    "class-embedding": "positions",
    "head": "classes",
}
# What reads the stream and makes units whose order is fixed.
_READERS = dict.fromkeys(("q", "k", "v", "kv", "qkv"), "heads") | {"gate-up": "gate and up", "router": "experts"}


def tower_axes(tensor: Named, role: str, tower: Tower, towers: Sequence[Tower]) -> Axes:
    """The axes of a tensor that belongs to a tower, in storage order.

    Residual channels and MLP units are exchangeable; heads, tokens, positions, classes, patches and
    router rows are not, nor is any axis whose length is not what its role promises.
    """
    dimensions = len(tensor.shape)
    if dimensions < 2:
        return (_vector_axis(tensor, role, tower) if dimensions else NOTHING), NOTHING
    if role in _TABLES:
        return _table_axes(tensor, role, tower)
    if role == "patch-embedding":
        return stream_axis(tower, tensor.shape[0]), fixed_axis("patch")
    if is_expert(tensor) and dimensions == 3:
        return fixed_axis("experts"), _stacked_axis(tensor, role, tower)
    if tensor.leaf != "bias" and dimensions == 2:
        return _matrix_axes(tensor, role, tower, towers)
    return fixed_axis("unknown"), fixed_axis("unknown")


def stream_axis(tower: Tower, length: int) -> Axis:
    """The axis of a tower's residual channels, or an unknown axis if its length differs."""
    return _free_axis(tower.stream) if length == tower.width else fixed_axis("unknown")


@lru_cache(maxsize=1024)
def fixed_axis(label: str) -> Axis:
    """An axis that no relabelling may touch."""
    return Axis(label, exchangeable=False)


@lru_cache(maxsize=1024)
def _free_axis(label: str) -> Axis:
    return Axis(label, exchangeable=True)


def is_doubled(tensor: Named, tower: Tower) -> bool:
    """True if a matrix makes twice as many MLP units as are read from it: gate and up in one."""
    units = tower.hidden.get(mlp_label(tower.component, tensor), 0)
    return units > 0 and any(n == 2 * units and n != tower.width for n in tensor.shape)


def _vector_axis(tensor: Named, role: str, tower: Tower) -> Axis:
    length = tensor.shape[0]
    if role in ("q", "k", "v", "kv", "qkv", "head-norm"):
        return fixed_axis("heads")
    if role in ("gate", "up"):
        return _mlp_axis(tensor, tower, length)
    if role in ("norm", "o", "down", "patch-embedding", "class-embedding"):
        return stream_axis(tower, length)
    return fixed_axis(_TABLES.get(role, "unknown"))


def _table_axes(tensor: Named, role: str, tower: Tower) -> Axes:
    rows = fixed_axis(_TABLES[role])
    # The columns of a head are residual channels only if no pooler comes between.
    if len(tensor.shape) > 2 or (role == "head" and not _reads_stream_directly(tensor)):
        return rows, fixed_axis("unknown")
    return rows, stream_axis(tower, tensor.shape[1])


def _reads_stream_directly(tensor: Named) -> bool:
    return tensor.last in ("lm_head", "embed_out", "output", "output_layer", "score", "proj_out", "qa_outputs") or (
        tensor.module[-2:] == ("pooler", "dense")
    )


def _mlp_axis(tensor: Named, tower: Tower, length: int) -> Axis:
    label = mlp_label(tower.component, tensor)
    return _free_axis(label) if tower.hidden.get(label) == length else fixed_axis("unknown")


def _stacked_axis(tensor: Named, role: str, tower: Tower) -> Axis:
    length = tensor.shape[1]
    if role in ("gate", "up", "gate-up", "down") and length == tower.width:
        return stream_axis(tower, length)
    return fixed_axis("unknown")


def _matrix_axes(tensor: Named, role: str, tower: Tower, towers: Sequence[Tower]) -> Axes:
    own = stored_in_out(tensor, role, tower.width) if is_expert(tensor) else None
    turned = tower.transposed if own is None else own  # a stack of experts may have its own orientation
    out_length, in_length = tensor.shape[::-1] if turned else tensor.shape
    out, into = _linear_axes(tensor, role, tower, out_length, in_length)
    if role in ("k", "v", "kv") and is_cross_attention(tensor):
        into = _other_stream(tower, towers, in_length)
    return (into, out) if turned else (out, into)


def _linear_axes(tensor: Named, role: str, tower: Tower, out_length: int, in_length: int) -> Axes:
    if role in _READERS:
        return fixed_axis(_READERS[role]), stream_axis(tower, in_length)
    if role in ("gate", "up"):
        return _mlp_axis(tensor, tower, out_length), stream_axis(tower, in_length)
    if role == "o":
        return stream_axis(tower, out_length), fixed_axis("heads")
    if role == "down":
        return stream_axis(tower, out_length), _mlp_axis(tensor, tower, in_length)
    return fixed_axis("unknown"), fixed_axis("unknown")


def _other_stream(tower: Tower, towers: Sequence[Tower], length: int) -> Axis:
    others = [t for t in towers if t.stack != tower.stack and t.component.endswith("encoder") and t.width == length]
    return stream_axis(others[0], length) if len(others) == 1 else fixed_axis("unknown")
