"""The tensor names that another framework gives to the same model."""

from __future__ import annotations

import re

from operators import Arrays

from zoo.model import Model

_LLAMA = (
    (r"^model\.embed_tokens", "tok_embeddings"),
    (r"^lm_head", "output"),
    (r"^model\.norm", "norm"),
    (r"^model\.layers", "layers"),
    (r"self_attn\.(.)_proj", r"attention.w\1"),
    (r"mlp\.gate_proj", "feed_forward.w1"),
    (r"mlp\.down_proj", "feed_forward.w2"),
    (r"mlp\.up_proj", "feed_forward.w3"),
    (r"block_sparse_moe", "feed_forward"),
    (r"input_layernorm", "attention_norm"),
    (r"post_attention_layernorm", "ffn_norm"),
)
_ENCODER = (
    (r"(bert|vit)\.encoder\.layer", "blocks"),
    (r"(bert|vit)\.embeddings\.", "embed."),
    (r"attention\.(self|attention)\.(query|key|value)", r"attn.\2_proj"),
    (r"attention\.output\.dense", "attn.proj"),
    (r"intermediate\.dense", "mlp.fc1"),
    (r"output\.dense", "mlp.fc2"),
    (r"attention\.output\.LayerNorm|layernorm_before", "norm1"),
    (r"output\.LayerNorm|layernorm_after", "norm2"),
)
_NAMES = {
    "llama": _LLAMA,
    "mixtral": _LLAMA,
    "llava": tuple((rf"^language_model\.{old.removeprefix('^')}", new) for old, new in _LLAMA[:4]),
    "gpt2": ((r"^transformer\.h\.", "decoder/block_"), (r"^transformer\.", "decoder/"), (r"\.weight$", "/kernel")),
    "bert": _ENCODER,
    "vit": _ENCODER,
    "cnn": ((r"^features\.(\d+)\.conv", r"stem.\1.0"), (r"^features\.(\d+)\.bn", r"stem.\1.1"), (r"^classifier", "fc")),
}


def other_names(model: Model) -> Arrays:
    """The arrays under the other framework's names."""
    return {_renamed(name, model.kind): array for name, array in model.arrays.items()}


def _renamed(name: str, kind: str) -> str:
    for old, new in _NAMES[kind]:
        name = re.sub(old, new, name)
    return name
