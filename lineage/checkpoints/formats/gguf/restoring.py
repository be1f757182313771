"""What llama.cpp's converter did to names, rows and gains, undone where the metadata says that it did it.

Source: `modify_tensors` of the model classes in https://github.com/ggml-org/llama.cpp/blob/master/convert_hf_to_gguf.py
(later conversion/*.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from lineage.checkpoints.decode.rearranged import rows_in_order
from lineage.checkpoints.decode.row_orders import Order, grouped_heads, halves_of_heads
from lineage.checkpoints.formats.gguf.names import STYLES, huggingface_name
from lineage.checkpoints.reader import Contents
from lineage.types import TensorView
from lineage.types.facts.exclusions import NotAWeight

ROTARY = NotAWeight("rotary-factors")

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
        return view if order is None else rows_in_order(view, order)
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
        return grouped_heads(length, heads, groups) if architecture in _UNFUSED and fits else None
    count = groups if part == "k" else heads
    if architecture not in _INTERLEAVED or not count or length % (2 * count):
        return None
    return halves_of_heads(length // count)


def _of_layer(count: Any, layer: int) -> int:
    """A count that is the same in all layers, or given for each layer; 0 if there is none."""
    if isinstance(count, list):
        count = count[layer] if layer < len(count) else 0
    return count if isinstance(count, int) else 0
