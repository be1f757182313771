"""How query, key and value lie in one matrix: their sizes and the order of rows, from names, shapes and config."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lineage.anatomy.names import Named
from lineage.checkpoints.decode.row_orders import Order, sorted_blocks, sorted_heads

# Query, key and value of a head, or of a group of heads, lie together; `query_key_value` is Megatron's own name.
_GROUPED_MODELS = frozenset(
    {"gpt_neox", "gpt_neox_japanese", "bloom", "falcon", "RefinedWeb", "persimmon", "internlm2"}
)
_GROUPED_NAMES = frozenset({"query_key_value", "linear_qkv"})
_STACKED_MODELS = frozenset({"chatglm", "glm"})  # whatever the tensor's name
_CODEGEN_BLOCKS = 4  # blocks of query, value, key: one for each of the TPU cores it was trained on
_HEADS = ("num_attention_heads", "n_head", "n_heads", "num_heads")


@dataclass(frozen=True, slots=True)
class Fused:
    """Parts of one matrix: how many rows each has, and the order that sorts them where they do not lie in turn."""

    sizes: tuple[int, ...]
    order: Order | None


def fused_attention(tensor: Named, output: tuple[int, ...] | None, config: Mapping[str, Any]) -> Fused | None:
    """How a matrix of the role "qkv" is fused; None where names, shapes and `config` do not show it.

    `output` is the shape of the matrix that reads the heads, None where it was not found.
    """
    if len(tensor.shape) != 2 or tensor.last == "c_attn":
        return None  # GPT-2's Conv1D keeps (in, out), so that a band of rows holds some of all parts: left as it is
    total, width = tensor.shape
    heads = head_count(config)
    queries = _queries(total, width, output, config, heads) or total
    keys, rest = divmod(total - queries, 2)
    if rest or keys < 1 or keys > queries or queries % keys:
        return None
    sizes = queries, keys, keys
    model = config.get("model_type")
    if model == "codegen":
        return _codegen(sizes)
    return _grouped(sizes, heads) if _is_grouped(tensor, model, config) else Fused(sizes, None)


def head_count(config: Mapping[str, Any]) -> int | None:
    """How many heads of queries a layer has, as the config or that of its text model says."""
    return _count(config, _HEADS)


def _codegen(sizes: tuple[int, int, int]) -> Fused | None:
    """Four blocks of query, value and key each."""
    fits = sizes[0] == sizes[1] and sizes[0] % _CODEGEN_BLOCKS == 0
    return Fused(sizes, sorted_blocks(sum(sizes), _CODEGEN_BLOCKS, (0, 2, 1))) if fits else None


def _grouped(sizes: tuple[int, int, int], heads: int | None) -> Fused | None:
    """Groups of query heads with their key and value; None where it is not known how many heads there are."""
    queries, keys, _ = sizes
    if not heads or queries % heads:
        return None
    groups, rest = divmod(keys, queries // heads)
    return Fused(sizes, sorted_heads(sum(sizes), heads, groups)) if not rest and heads % groups == 0 else None


def _queries(
    total: int, width: int, output: tuple[int, ...] | None, config: Mapping[str, Any], heads: int | None
) -> int | None:
    """How many units the query has: as many as its output matrix reads, or as the config says, or a third."""
    if output is not None and len(output) == 2 and width in output:
        return output[0] if output[1] == width else output[1]
    side = _count(config, ("head_dim",))
    if heads and side:
        return heads * side
    return width if total == 3 * width else None


def _is_grouped(tensor: Named, model: object, config: Mapping[str, Any]) -> bool:
    if model in _STACKED_MODELS:
        return model == "chatglm" and not config.get("multi_query_attention")
    if tensor.last == "wqkv" and not isinstance(model, str):
        return tensor.name.startswith("model.")  # InternLM2's; gpt-fast has no such prefix, and stacks them
    return model in _GROUPED_MODELS or tensor.last in _GROUPED_NAMES


def _count(config: Mapping[str, Any], keys: tuple[str, ...]) -> int | None:
    """A positive count from the config, or from that of its text model."""
    text = config.get("text_config")
    for said in (config, text if isinstance(text, Mapping) else {}):
        for key in keys:
            if type(said.get(key)) is int and said[key] > 0:
                return int(said[key])
    return None
