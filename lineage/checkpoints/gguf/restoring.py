"""What llama.cpp's converter did to names, rows and gains, undone where the metadata says that it did it.

Source: `modify_tensors` of the model classes in https://github.com/ggml-org/llama.cpp/blob/master/convert_hf_to_gguf.py
(later conversion/*.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lineage.checkpoints.gguf.names import STYLES, huggingface_name
from lineage.checkpoints.reader import Contents
from lineage.types import AnyArray, TensorView

Places = NDArray[np.int64]
Order = Callable[[Places], Places]

ROTARY = "rotary factors, computed from the configuration"
NEAR = 16  # rows: gaps up to this are read over rather than around

_ROTARY = re.compile(r"rope_(freqs|factors_long|factors_short)\.weight|blk\.\d+\.attn_rot_embd\.weight")
_HEADS = re.compile(r"blk\.(\d+)\.attn_(q|k|qkv)\.(?:weight|bias)")
# The two halves of a rotary head, interleaved by the converter (`LlamaModel.permute`).
_INTERLEAVED = frozenset(
    {"llama", "deci", "minicpm", "granite", "granitemoe", "smollm3", "xverse", "baichuan", "internlm2", "mistral3"}
    | {"arcee", "olmo"}
)
_UNFUSED = frozenset({"gptneox", "bloom", "falcon"})  # query, key and value of each head, sorted by the converter
_SHIFTED = frozenset({"gemma", "gemma2", "gemma3", "gemma-embedding", "nemotron", "qwen3next"})  # gains stored as 1 + g


def restored(contents: Contents) -> Contents:
    """Give the tensors the names, row order and gains of the model before it was converted to GGUF.

    Without an architecture in the metadata everything stays as stored.
    """
    config = contents.facts.config if contents.facts else {}
    kept = [view for view in contents.tensors if not _ROTARY.fullmatch(view.name)]
    left_out = tuple((view.name, ROTARY) for view in contents.tensors if _ROTARY.fullmatch(view.name))
    style = STYLES.get(config.get("model_type", ""))
    views = [_as_before(view, config) for view in kept]
    if style is not None:
        views = [replace(view, name=huggingface_name(view.name, style)) for view in views]
    return replace(contents, tensors=tuple(views), left_out=(*contents.left_out, *left_out))


def _as_before(view: TensorView, config: Mapping[str, Any]) -> TensorView:
    architecture = config.get("general.architecture")
    heads = _HEADS.fullmatch(view.name)
    if heads is not None:
        order = _order(view, heads[2], int(heads[1]), architecture, config)
        return view if order is None else _reordered(view, order)
    if architecture in _SHIFTED and view.name.endswith("norm.weight") and not view.name.endswith("ssm_norm.weight"):
        return replace(view, rows=lambda start, stop: view.rows(start, stop) - np.float32(1))
    return view


def _order(
    view: TensorView, part: str, layer: int, architecture: str | None, config: Mapping[str, Any]
) -> Order | None:
    """Where in the file the rows of these heads lie, None where they were not moved."""
    heads = _of_layer(config.get("num_attention_heads"), layer)
    groups = _of_layer(config.get("num_key_value_heads"), layer) or heads
    length = view.shape[0]
    if part == "qkv":
        fits = heads and groups and heads % groups == 0 and length % (heads + 2 * groups) == 0
        return _fused(length, heads, groups) if architecture in _UNFUSED and fits else None
    count = groups if part == "k" else heads
    if architecture not in _INTERLEAVED or not count or length % (2 * count):
        return None
    return _interleaved(length // count)


def _of_layer(count: Any, layer: int) -> int:
    """A count that is the same in all layers, or that of one; 0 where there is none."""
    if isinstance(count, list):
        count = count[layer] if layer < len(count) else 0
    return count if isinstance(count, int) else 0


def _interleaved(side: int) -> Order:
    """Row j of half h of a head of `side` rows was stored at 2 j + h."""

    def order(rows: Places) -> Places:
        head, within = np.divmod(rows, side)
        half, j = np.divmod(within, side // 2)
        places: Places = head * side + 2 * j + half
        return places

    return order


def _fused(length: int, heads: int, groups: int) -> Order:
    """Each group's query heads, key and value were stored as all queries, all keys, all values."""
    side = length // (heads + 2 * groups)
    queries = heads // groups

    def order(rows: Places) -> Places:
        head, within = np.divmod(rows, side)
        group, member = np.divmod(head, queries + 2)
        stored = np.where(member < queries, group * queries + member, heads + (member - queries) * groups + group)
        return stored * side + within

    return order


def _reordered(view: TensorView, order: Order) -> TensorView:
    """View the rows in another order: row i of the new view is row `order(i)` of the old."""

    def rows(start: int, stop: int) -> AnyArray:
        if not 0 <= start < stop <= view.shape[0]:
            return view.rows(start, stop)  # nothing, or refused
        places = order(np.arange(start, stop, dtype=np.int64))
        sorted_places = np.sort(places)
        out = np.empty((stop - start, *view.shape[1:]), view.dtype)
        for piece in np.split(sorted_places, np.flatnonzero(np.diff(sorted_places) > NEAR) + 1):
            low, high = int(piece[0]), int(piece[-1]) + 1
            inside = (places >= low) & (places < high)
            out[inside] = view.rows(low, high)[places[inside] - low]
        return out

    return replace(view, rows=rows)
