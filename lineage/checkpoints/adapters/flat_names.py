"""Names of modules whose dots a trainer replaced by underscores, with the dots put back.

kohya's scripts and LyCORIS write `lora_unet_down_blocks_0_attentions_0_proj_in`. Which underscores were dots is known
from the words that the common networks have; diffusers (loaders/lora_conversion_utils.py) infers them the same way.
"""

from __future__ import annotations

import re

_ROOT = re.compile(
    r"(?:lora|lycoris)_(?:te(?P<encoder>[123]?)_|(?:prior_)?unet_|transformer_(?!blocks_))|(?:lora|lycoris)_"
)
_WORDS = """
    self_attn cross_attn self_attention cross_attention q_proj k_proj v_proj o_proj out_proj in_proj qkv_proj
    gate_proj up_proj down_proj gate_up_proj x_proj dt_proj c_attn c_proj c_fc query_key_value
    dense_h_to_4h dense_4h_to_h
    text_model vision_model language_model text_projection token_embedding position_embedding embed_tokens lm_head
    down_blocks up_blocks mid_block transformer_blocks single_transformer_blocks input_blocks middle_block output_blocks
    double_blocks single_blocks joint_blocks context_block x_block noise_refiner context_refiner feed_forward ff_context
    to_q to_k to_v to_out to_add_out to_qkv add_q_proj add_k_proj add_v_proj proj_in proj_out proj_mlp
    time_emb_proj time_embedding time_embed add_embedding label_emb conv_in conv_out conv_shortcut linear_1 linear_2
    emb_layers in_layers out_layers skip_connection img_attn txt_attn img_mlp txt_mlp img_mod txt_mod img_in txt_in
    time_in vector_in guidance_in in_layer out_layer final_layer adaLN_modulation norm_out patch_embed patch_embedding
""".split()  # noqa: SIM905 - a table of words reads best as a text
_WORD = re.compile(rf"(?:(?<=_)|^)(?:{'|'.join(sorted(_WORDS, key=len, reverse=True))})(?=_|$)")
_KEPT = "\0"


def with_dots(name: str) -> str:
    """The path of a module, that of a text encoder as in a pipeline; one with dots of its own keeps its underscores."""
    root = _ROOT.match(name)
    if root is None:
        return name
    rest, encoder = name[root.end() :], root["encoder"]
    if "." not in rest:
        rest = _WORD.sub(lambda word: word[0].replace("_", _KEPT), rest).replace("_", ".").replace(_KEPT, "_")
    if encoder is None:
        return rest
    return f"text_encoder{f'_{encoder}' if encoder in ('2', '3') else ''}.{rest}"
