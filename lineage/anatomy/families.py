"""The family of a model without a config, from the names that only that family uses."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lineage.anatomy.names import Named

# Every pattern of a family must be found; the first family that has them all is the answer.
_FAMILIES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("llava", (r"multi_modal_projector|mm_projector", r"self_attn\.q_proj")),
    ("qwen_vl", (r"visual\.blocks\.#", r"merger", r"self_attn\.q_proj")),
    ("clip", (r"(?:text_model|resblocks)", r"(?:vision_model|visual)", r"text_projection")),
    ("whisper", (r"encoder\.conv1$", r"encoder_attn\.q_proj")),
    ("mixtral", (r"block_sparse_moe\.gate", r"experts\.#\.w1")),
    ("mixture", (r"self_attn\.q_proj", r"experts\.")),
    ("phi3", (r"self_attn\.qkv_proj", r"mlp\.gate_up_proj")),
    ("phi", (r"self_attn\.dense", r"mlp\.fc1")),
    ("llama", (r"self_attn\.q_proj", r"mlp\.gate_proj")),
    ("gpt2", (r"attn\.c_attn", r"mlp\.c_fc")),
    ("gpt_neox", (r"attention\.query_key_value", r"dense_h_to_4h")),
    ("vit", (r"patch_embed", r"(?:attention\.query|attn\.qkv|self_attn\.q_proj)")),
    ("bert", (r"attention\.self\.query", r"intermediate\.dense")),
    ("distilbert", (r"attention\.q_lin", r"ffn\.lin1")),
    ("t5", (r"SelfAttention\.q$", r"DenseReluDense")),
    ("bart", (r"encoder_attn\.q_proj", r"fc1")),
    ("opt", (r"decoder\.layers\.#\.self_attn\.q_proj", r"fc1")),
    ("resnet", (r"layer#?\d?\.#\.conv1", r"downsample")),
)


def architecture_of(tensors: Sequence[Named]) -> str:
    """The family whose names a model uses, or "unknown"."""
    templates = "\n".join(sorted({tensor.template for tensor in tensors}))
    for family, marks in _FAMILIES:
        if all(re.search(mark, templates, re.MULTILINE) for mark in marks):
            return family
    return "unknown"
