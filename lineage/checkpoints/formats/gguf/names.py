"""llama.cpp's names of tensors, and those that Hugging Face's model code gives the same ones.

Source: `TENSOR_NAMES` and `TensorNameMap` of the gguf package (gguf-py/gguf/constants.py and tensor_mapping.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_TENSOR = re.compile(r"(?:blk\.(?P<layer>\d+)\.)?(?P<module>[a-z_\d]+?)(?:\.(?P<expert>\d+))?\.(?P<leaf>weight|bias)")


@dataclass(frozen=True, slots=True)
class Style:
    """The names of one way to write a transformer; `layer` holds the modules of each layer, `{}` its number."""

    layer: str
    modules: Mapping[str, str]
    outside: Mapping[str, str]
    experts: str = "mlp.experts"
    expert_parts: Mapping[str, str] = field(
        default_factory=lambda: {"ffn_gate": "gate_proj", "ffn_up": "up_proj", "ffn_down": "down_proj"}
    )


def huggingface_name(name: str, style: Style) -> str:
    """Translate a name; names unknown to the style are unchanged."""
    found = _TENSOR.fullmatch(name)
    if found is None:
        return name
    if found["layer"] is None:
        usual = style.outside.get(found["module"]) if found["expert"] is None else None
    elif found["expert"] is None:
        usual = style.modules.get(found["module"])
    else:
        part = style.expert_parts.get(found["module"])
        usual = part and f"{style.experts}.{found['expert']}.{part}"
    if usual is None:
        return name
    return f"{style.layer.format(found['layer']) if found['layer'] else ''}{usual}.{found['leaf']}"


_ATTENTION = {
    "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
    "attn_qkv": "self_attn.qkv_proj", "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm",
    "attn_q_a": "self_attn.q_a_proj", "attn_q_b": "self_attn.q_b_proj", "attn_q_a_norm": "self_attn.q_a_layernorm",
    "attn_kv_a_mqa": "self_attn.kv_a_proj_with_mqa", "attn_kv_b": "self_attn.kv_b_proj",
    "attn_kv_a_norm": "self_attn.kv_a_layernorm",
}  # fmt: skip
_GATED = {
    "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
    "ffn_gate_inp": "mlp.gate", "ffn_gate_inp_shexp": "mlp.shared_expert_gate",
    "ffn_gate_shexp": "mlp.shared_expert.gate_proj", "ffn_up_shexp": "mlp.shared_expert.up_proj",
    "ffn_down_shexp": "mlp.shared_expert.down_proj",
}  # fmt: skip
_BEFORE = {"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm"}
_AROUND = {
    "attn_norm": "input_layernorm", "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm", "post_ffw_norm": "post_feedforward_layernorm",
}  # fmt: skip
_OUTSIDE = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
_OF_H = {"token_embd": "transformer.wte", "output_norm": "transformer.ln_f", "output": "lm_head"}
_LAYERS = "model.layers.{}."

_LLAMA = Style(_LAYERS, _ATTENTION | _GATED | _BEFORE, _OUTSIDE)
_MIXTRAL = Style(
    _LAYERS,
    _ATTENTION | _GATED | _BEFORE | {"ffn_gate_inp": "block_sparse_moe.gate"},
    _OUTSIDE,
    "block_sparse_moe.experts",
    {"ffn_gate": "w1", "ffn_down": "w2", "ffn_up": "w3"},
)
_DEEPSEEK = Style(
    _LAYERS,
    _ATTENTION | _BEFORE
    | {module: usual.replace("shared_expert.", "shared_experts.") for module, usual in _GATED.items()},
    _OUTSIDE,
)  # fmt: skip
_GEMMA = Style(_LAYERS, _ATTENTION | _GATED | _AROUND, _OUTSIDE)
_PHI3 = Style(_LAYERS, _ATTENTION | _GATED | _BEFORE | {"ffn_up": "mlp.gate_up_proj"}, _OUTSIDE)
_PHI = Style(
    _LAYERS,
    _ATTENTION | {"attn_output": "self_attn.dense", "attn_norm": "input_layernorm"}
    | {"ffn_up": "mlp.fc1", "ffn_down": "mlp.fc2"},
    _OUTSIDE | {"output_norm": "model.final_layernorm"},
)  # fmt: skip
_STARCODER2 = Style(_LAYERS, _ATTENTION | _BEFORE | {"ffn_up": "mlp.c_fc", "ffn_down": "mlp.c_proj"}, _OUTSIDE)
_GPT2 = Style(
    "transformer.h.{}.",
    {
        "attn_norm": "ln_1", "attn_qkv": "attn.c_attn", "attn_output": "attn.c_proj",
        "ffn_norm": "ln_2", "ffn_up": "mlp.c_fc", "ffn_down": "mlp.c_proj",
    },
    _OF_H | {"position_embd": "transformer.wpe"},
)  # fmt: skip
_PARALLEL = {
    "attn_qkv": "self_attention.query_key_value", "attn_output": "self_attention.dense",
    "ffn_up": "mlp.dense_h_to_4h", "ffn_down": "mlp.dense_4h_to_h",
}  # fmt: skip
_FALCON_OUTSIDE = _OF_H | {"token_embd": "transformer.word_embeddings"}
_FALCON = Style("transformer.h.{}.", _PARALLEL | {"attn_norm": "input_layernorm"}, _FALCON_OUTSIDE)
_BLOOM = Style(
    "transformer.h.{}.",
    _PARALLEL | _BEFORE,
    _FALCON_OUTSIDE | {"token_embd_norm": "transformer.word_embeddings_layernorm"},
)
_GPT_NEOX = Style(
    "gpt_neox.layers.{}.",
    _BEFORE
    | {"attn_qkv": "attention.query_key_value", "attn_output": "attention.dense"}
    | {"ffn_up": "mlp.dense_h_to_4h", "ffn_down": "mlp.dense_4h_to_h"},
    {"token_embd": "gpt_neox.embed_in", "output_norm": "gpt_neox.final_layer_norm", "output": "embed_out"},
)
_BERT = Style(
    "encoder.layer.{}.",
    {
        "attn_q": "attention.self.query", "attn_k": "attention.self.key", "attn_v": "attention.self.value",
        "attn_output": "attention.output.dense", "attn_output_norm": "attention.output.LayerNorm",
        "ffn_up": "intermediate.dense", "ffn_down": "output.dense", "layer_output_norm": "output.LayerNorm",
    },
    {
        "token_embd": "embeddings.word_embeddings", "token_types": "embeddings.token_type_embeddings",
        "position_embd": "embeddings.position_embeddings", "token_embd_norm": "embeddings.LayerNorm",
    },
)  # fmt: skip

STYLES: Mapping[str, Style] = {
    **dict.fromkeys(
        ("llama", "qwen2", "qwen2_moe", "qwen3", "qwen3_moe", "granite", "granitemoe", "minicpm", "smollm3", "olmo",
         "olmoe", "stablelm", "cohere", "gemma", "mistral3", "arcee", "xverse", "deci", "internlm2", "baichuan",
         "orion", "ernie4_5"),
        _LLAMA,
    ),
    **dict.fromkeys(("gemma2", "gemma3_text", "gemma-embedding", "olmo2", "gpt_oss"), _GEMMA),
    **dict.fromkeys(("deepseek", "deepseek_v3"), _DEEPSEEK),
    "mixtral": _MIXTRAL, "phi3": _PHI3, "phi": _PHI, "starcoder2": _STARCODER2, "gpt2": _GPT2, "falcon": _FALCON,
    "bloom": _BLOOM, "gpt_neox": _GPT_NEOX, "bert": _BERT,
}  # fmt: skip
