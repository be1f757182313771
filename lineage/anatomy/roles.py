"""What a tensor of a transformer does, read from the name of its module."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from lineage.anatomy.names import Named

_ATTENTION = r"(?:\w*attn\d?|\w*attention|self|SelfAttention|EncDecAttention)"

# First match wins; each pattern covers the end of a module path, with indices written as `#`.
_RULES: tuple[tuple[str, str], ...] = (
    ("head-norm", r"(?:q|k|query|key)_?(?:norm|layernorm|layer_norm|ln)|(?:q|kv)_a_(?:layer)?norm"),
    ("norm", r"\w*(?:norm|Norm|_BN)\w*|\w*ln(?:_\w+)?|ln\d|bn\d*|ls\d|lambda_\d|gamma_\d|layer_scale\w*"),
    ("norm", r"\w*norm\w*\.\w+"),
    ("router", r"(?:mlp|moe|block_sparse_moe|feed_forward|ffn)\.(?:gate|router)(?:\.\w+)?|router|shared_expert_gate"),
    ("router", r"ffn_gate_inp"),
    ("qkv", r"qkv(?:_proj)?|c_attn|query_key_value|Wqkv|wqkv|W_pack|attn_qkv|linear_qkv|to_qkv"),
    ("qkv", r"kqv|wqkv_proj|fused_qkv|qkv_(?:w|lin|linear)|att_proj|attn_in"),
    ("qkv", rf"{_ATTENTION}\.in_proj"),
    ("q", r"q_proj|query(?:_proj)?|q|wq|q_lin|to_q|q_a_proj|q_b_proj|attn_q|linear_q"),
    ("kv", r"kv_a_proj_with_mqa|kv_a_proj|kv_b_proj|kv|c_kv|kv_proj|to_kv|Wkv"),
    ("k", r"k_proj|key(?:_proj)?|k|wk|k_lin|to_k|attn_k|linear_k"),
    ("v", r"v_proj|value(?:_proj)?|v|wv|v_lin|to_v|attn_v|linear_v"),
    ("o", rf"o_proj|out_lin|attn_output|{_ATTENTION}\.(?:out_proj|wo|Wo|o|dense|proj|c_proj|to_out\.#|output\.dense)"),
    ("gate", r"gate_proj|wi_0|w1|fc11|ffn_gate(?:_exps)?|linear_gate"),
    ("gate-up", r"gate_up_proj|up_gate_proj|gate_and_up_proj|gate_up|w12|w13|Wi|ff_proj"),
    ("down", r"down_proj|dense_4h_to_h|fc2|fc_out|output_dense|wo|Wo|lin2|linear2|w2|linear_fc2|mlp\.c_proj"),
    ("down", r"ffn_output|ff_out|ffn_down(?:_exps)?|output\.dense|ff\.net\.2"),
    ("up", r"up_proj|c_fc|dense_h_to_4h|fc1|fc_in|intermediate\.dense|intermediate_dense|wi|wi_1|lin1|linear1|w3|fc12"),
    ("up", r"linear_fc1|ffn_up(?:_exps)?|ffn|ff\.net\.0\.proj"),
    ("token-embedding", r"embed_tokens|wte|word_embeddings?|tok_embeddings|token_embeddings?|token_embd|shared"),
    ("token-embedding", r"embed_in"),
    ("type-embedding", r"(?:token_)?type_embeddings?|segment_embeddings?"),
    ("position-embedding", r"embed_positions|wpe|position_embeddings?|positional_embeddings?|pos_embed(?:ding)?"),
    ("position-embedding", r"relative_attention_bias|relative_position_bias_table|absolute_pos_embed|rel_embeddings"),
    ("patch-embedding", r"patch_embed(?:ding)?s?(?:\.proj(?:ection)?)?|(?:visual|vision_model)\.conv1"),
    ("class-embedding", r"cls_token|class_embedding|mask_token|register_tokens|dist_token|distillation_token"),
    ("head", r"lm_head(?:\.\w+)*|embed_out|proj_out|output_layer|qa_outputs|score|(?:pre_)?classifier(?:\.\w+)*"),
    ("head", r"head(?:\.\w+)*|pooler(?:\.\w+)*|cls\.(?:predictions|seq_relationship)(?:\.\w+)*"),
)
_COMPILED = tuple((role, re.compile(rf"(?:^|\.)(?:{pattern})$")) for role, pattern in _RULES)
_ANY = re.compile(rf"(?:^|\.)(?:{'|'.join(pattern for _, pattern in _RULES)})$")
_KNOWN = 4096  # templates
_PROJECTOR = re.compile(
    r"(?:^|\.)(?:multi_modal_projector|mm_projector|\w*merger|connector|aligner|resampler|perceiver\w*|mlp1|"
    r"visual_projection|text_projection|modality_projection|vision_projection|image_projection|"
    r"(?:audio|speech|image|vision|visual|video)_projector|audio_tower\.proj\d?)(?:\.|$)"
)
_HEAD = re.compile(r"^(?:\w+_)?(?:head|classifier|pooler|cls)\.|\.pooler\.")
_EXPERTS = re.compile(r"(?:^|\.)experts(?:\.|$)|_exps$")
_CROSS = re.compile(r"(?:^|\.)(?:encoder_attn|EncDecAttention|crossattention|cross_attn\w*)\.")


def role_of(tensor: Named, siblings: Mapping[tuple[str, ...], frozenset[str]]) -> str:
    """The role of the module that owns a tensor, or "unknown".

    `siblings` gives, for a parent path, the names of the modules in it: w1, w2 and w3 change places
    between families, and the siblings show which is which.
    """
    role = _role_of_template(tensor.template)
    company = siblings.get(tensor.parent, frozenset())
    last = tensor.last
    if last == "w3" and "w12" in company:
        return "down"
    if last == "w2" and "c_proj" in company:
        return "gate"
    if last == "w1" and not company & {"w3", "c_proj"}:
        return "up"
    return "head" if role == "unknown" and tensor.module == ("output",) else role


def is_projector(tensor: Named) -> bool:
    """True for what stands between a tower and the language model, or between a tower and a joint space."""
    return _is_in(_PROJECTOR, tensor.template)


def in_head(tensor: Named) -> bool:
    """True for every part of a head, including its norms and biases."""
    return _is_in(_HEAD, tensor.template + ".")


def is_expert(tensor: Named) -> bool:
    """True for a routed expert of a mixture, alone or stacked with the others."""
    return _is_in(_EXPERTS, tensor.template)


def is_cross_attention(tensor: Named) -> bool:
    """True for attention that reads another tower."""
    return _is_in(_CROSS, tensor.template)


@lru_cache(maxsize=_KNOWN)
def _is_in(pattern: re.Pattern[str], template: str) -> bool:
    return pattern.search(template) is not None


@lru_cache(maxsize=_KNOWN)
def _role_of_template(template: str) -> str:
    if _ANY.search(template) is None:
        return "unknown"
    return next(role for role, pattern in _COMPILED if pattern.search(template))
