"""What anatomy says of the transformer families."""

from __future__ import annotations

import pytest

from lineage.anatomy import describe
from lineage.types import Part
from lineage.types.facts.exclusions import FixedTable
from tests import model_shapes as shapes


def parts_of(model: shapes.Shapes, config: dict[str, object] | None = None) -> dict[str, Part]:
    anatomy = describe(model, config or {})
    return {name: part for (name, _), part in zip(model, anatomy.parts, strict=True)}


def axes(part: Part) -> tuple[str, str]:
    """Labels, with a star on those that may be permuted."""
    first, second = (axis.label + "*" * axis.exchangeable for axis in part.axes)
    return first, second


STREAM = "text decoder/residual*"


def test_llama_layers_share_the_stream_and_have_their_own_mlp_units():
    parts = parts_of(shapes.llama())
    at = "model.layers.1"
    assert axes(parts["model.embed_tokens.weight"]) == ("tokens", STREAM)
    assert axes(parts[f"{at}.self_attn.k_proj.weight"]) == ("heads", STREAM)
    assert axes(parts[f"{at}.self_attn.o_proj.weight"]) == (STREAM, "heads")
    assert axes(parts[f"{at}.mlp.gate_proj.weight"]) == ("text decoder.1/mlp*", STREAM)
    assert axes(parts[f"{at}.mlp.up_proj.weight"]) == ("text decoder.1/mlp*", STREAM)
    assert axes(parts[f"{at}.mlp.down_proj.weight"]) == (STREAM, "text decoder.1/mlp*")
    assert axes(parts[f"{at}.input_layernorm.weight"])[0] == STREAM
    assert axes(parts[f"{at}.self_attn.q_norm.weight"])[0] == "heads"
    assert axes(parts["lm_head.weight"]) == ("classes", STREAM)


def test_llama_has_three_components_with_roles_and_layers():
    parts = parts_of(shapes.llama())
    assert {part.component for part in parts.values() if not part.excluded} == {"text decoder", "embeddings", "head"}
    roles = {name.split(".")[-2]: part.role for name, part in parts.items() if name.startswith("model.layers.2.")}
    assert roles == {
        "q_proj": "q",
        "k_proj": "k",
        "v_proj": "v",
        "o_proj": "o",
        "q_norm": "norm",
        "rotary_emb": "fixed",
        "gate_proj": "gate",
        "up_proj": "up",
        "down_proj": "down",
        "input_layernorm": "norm",
        "post_attention_layernorm": "norm",
    }
    assert parts["model.layers.2.mlp.up_proj.weight"].layer == 2
    assert parts["model.norm.weight"].layer is None


def test_each_expert_of_a_mixture_has_its_own_units():
    parts = parts_of(shapes.mixtral())
    gate = parts["model.layers.1.block_sparse_moe.experts.3.w1.weight"]
    assert (gate.component, gate.role, gate.layer) == ("experts", "expert-gate", 1)
    assert axes(gate) == ("text decoder.1/expert 3*", STREAM)
    down = parts["model.layers.1.block_sparse_moe.experts.3.w2.weight"]
    assert (down.role, *axes(down)) == ("expert-down", STREAM, "text decoder.1/expert 3*")
    router = parts["model.layers.1.block_sparse_moe.gate.weight"]
    assert (router.component, router.role, *axes(router)) == ("experts", "router", "experts", STREAM)


def test_stacked_experts_show_the_stream_where_it_is_the_second_axis():
    parts = parts_of(shapes.stacked_experts())
    up = parts["model.layers.0.mlp.experts.gate_up_proj"]
    assert (up.role, *axes(up)) == ("expert-gate-up", "experts", STREAM)
    down = parts["model.layers.0.mlp.experts.down_proj"]
    assert (down.role, *axes(down)) == ("expert-down", "experts", "unknown")
    assert parts["model.layers.0.mlp.experts.down_proj_bias"].role == "bias"


def test_a_shared_expert_is_a_dense_mlp_beside_the_routed_ones():
    parts = parts_of(shapes.qwen_moe())
    shared = parts["model.layers.0.mlp.shared_expert.down_proj.weight"]
    assert (shared.component, shared.role) == ("text decoder", "down")
    assert axes(shared) == (STREAM, "text decoder.0/shared expert*")
    assert axes(parts["model.layers.0.mlp.experts.1.down_proj.weight"]) == (STREAM, "text decoder.0/expert 1*")


def test_gpt2_is_stored_in_out_square_matrices_too():
    parts = parts_of(shapes.gpt2())
    assert axes(parts["transformer.h.0.attn.c_attn.weight"]) == (STREAM, "heads")
    assert axes(parts["transformer.h.0.attn.c_proj.weight"]) == ("heads", STREAM)
    assert axes(parts["transformer.h.0.mlp.c_fc.weight"]) == (STREAM, "text decoder.0/mlp*")
    assert axes(parts["transformer.h.0.mlp.c_proj.weight"]) == ("text decoder.0/mlp*", STREAM)
    assert parts["transformer.h.0.attn.bias"].excluded == FixedTable("causal-mask")
    assert axes(parts["transformer.wpe.weight"]) == ("positions", STREAM)


@pytest.mark.parametrize(
    ("model", "name", "role", "expected"),
    [
        (shapes.gpt_neox, "gpt_neox.layers.0.attention.query_key_value.weight", "qkv", ("heads", STREAM)),
        (shapes.gpt_neox, "gpt_neox.layers.0.attention.dense.weight", "o", (STREAM, "heads")),
        (shapes.gpt_neox, "gpt_neox.layers.1.mlp.dense_4h_to_h.weight", "down", (STREAM, "text decoder.1/mlp*")),
        (shapes.gpt_neox, "embed_out.weight", "head", ("classes", STREAM)),
        (shapes.phi3, "model.layers.0.self_attn.qkv_proj.weight", "qkv", ("heads", STREAM)),
        (shapes.phi3, "model.layers.0.mlp.gate_up_proj.weight", "gate-up", ("gate and up", STREAM)),
        (shapes.phi3, "model.layers.0.mlp.down_proj.weight", "down", (STREAM, "text decoder.0/mlp*")),
    ],
)
def test_fused_matrices_keep_the_order_of_their_rows(model, name, role, expected):
    part = parts_of(model())[name]
    assert (part.role, axes(part)) == (role, expected)


def test_bert_has_embeddings_encoder_and_head():
    parts = parts_of(shapes.bert(prefix="bert."))
    stream = "text encoder/residual*"
    at = "bert.encoder.layer.2"
    assert parts["bert.embeddings.LayerNorm.weight"].component == "embeddings"
    assert axes(parts["bert.embeddings.token_type_embeddings.weight"]) == ("types", stream)
    assert axes(parts[f"{at}.attention.self.query.weight"]) == ("heads", stream)
    assert (parts[f"{at}.attention.output.dense.weight"].role, parts[f"{at}.output.dense.weight"].role) == ("o", "down")
    assert axes(parts[f"{at}.intermediate.dense.bias"])[0] == "text encoder.2/mlp*"
    pooler = parts["bert.pooler.dense.weight"]
    assert (pooler.component, pooler.role, *axes(pooler)) == ("head", "head", "classes", stream)


def test_vit_and_clip_see_patches_and_keep_their_towers_apart():
    vit = parts_of(shapes.vit())
    assert {part.component for part in vit.values()} == {"vision encoder", "head"}
    assert axes(vit["vit.embeddings.patch_embeddings.projection.weight"]) == ("vision encoder/residual*", "patch")
    clip = parts_of(shapes.clip())
    assert clip["text_model.encoder.layers.0.mlp.fc1.weight"].component == "text encoder"
    assert axes(clip["vision_model.encoder.layers.2.mlp.fc2.weight"]) == (
        "vision encoder/residual*",
        "vision encoder.2/mlp*",
    )
    assert axes(clip["visual_projection.weight"])[1] == "vision encoder/residual*"
    assert not clip["visual_projection.weight"].axes[0].exchangeable  # ends in the joint space, an output


def test_llava_has_three_towers_in_a_row():
    parts = parts_of(shapes.llava())
    first, second = (parts[f"multi_modal_projector.linear_{n}.weight"] for n in (1, 2))
    assert (first.component, first.role) == ("projector", "projector")
    assert first.axes[1].label == "vision encoder/residual"
    assert first.axes[0] == second.axes[1]
    assert first.axes[0].exchangeable
    assert {part.component for part in parts.values() if not part.excluded} == {
        "vision encoder",
        "projector",
        "text decoder",
        "embeddings",
        "head",
    }
    assert axes(parts["language_model.lm_head.weight"]) == ("classes", STREAM)
    assert parts["vision_tower.vision_model.encoder.layers.2.mlp.fc1.weight"].layer == 2


def test_qwen_vl_merger_reads_four_patches_at_once_and_writes_to_the_decoder():
    parts = parts_of(shapes.qwen_vl())
    first, last = parts["visual.merger.mlp.0.weight"], parts["visual.merger.mlp.2.weight"]
    assert {parts[name].component for name in parts if "merger" in name} == {"projector"}
    assert not first.axes[1].exchangeable
    assert first.axes[0] == last.axes[1]
    assert axes(last)[0] == STREAM
    assert axes(parts["visual.blocks.1.attn.qkv.weight"]) == ("heads", "vision encoder/residual*")
    assert axes(parts["lm_head.weight"]) == ("classes", STREAM)


def test_t5_shares_one_stream_between_encoder_and_decoder():
    parts = parts_of(shapes.t5())
    assert parts["encoder.block.0.layer.0.SelfAttention.q.weight"].component == "text encoder"
    assert parts["decoder.block.1.layer.2.DenseReluDense.wo.weight"].component == "text decoder"
    assert axes(parts["shared.weight"]) == ("tokens", "text/residual*")
    assert axes(parts["decoder.block.1.layer.1.EncDecAttention.k.weight"]) == ("heads", "text/residual*")
    assert axes(parts["encoder.block.1.layer.1.DenseReluDense.wi_0.weight"])[0] == "text encoder.1/mlp*"
    assert axes(parts["decoder.block.1.layer.2.DenseReluDense.wo.weight"])[1] == "text decoder.1/mlp*"


def test_whisper_hears_with_its_encoder_and_reads_it_across():
    parts = parts_of(shapes.whisper())
    sound = "audio encoder/residual*"
    conv1, conv2 = parts["model.encoder.conv1.weight"], parts["model.encoder.conv2.weight"]
    assert {conv1.component, conv2.component} == {"audio encoder"}
    assert conv1.axes[0] == conv2.axes[1]
    assert conv1.axes[0].exchangeable
    assert not conv1.axes[1].exchangeable
    assert axes(conv2)[0] == sound
    assert axes(parts["model.decoder.layers.0.encoder_attn.k_proj.weight"]) == ("heads", sound)
    assert axes(parts["model.decoder.layers.0.encoder_attn.q_proj.weight"]) == ("heads", STREAM)
    assert parts["model.encoder.embed_positions.weight"].excluded == FixedTable("sinusoidal-positions")
    assert parts["model.decoder.embed_positions.weight"].excluded is None


def test_a_matrix_of_an_unexpected_width_is_left_alone():
    odd = [*shapes.llama(), ("model.layers.1.self_attn.extra.q_proj.weight", (48, 40))]
    part = parts_of(odd)["model.layers.1.self_attn.extra.q_proj.weight"]
    assert not any(axis.exchangeable for axis in part.axes)


def test_gate_and_up_under_one_ordinary_name_are_seen_by_their_size():
    model = [(n.replace("gate_up_proj", "dense_h_to_4h"), s) for n, s in shapes.phi3()]
    part = parts_of(model)["model.layers.0.mlp.dense_h_to_4h.weight"]
    assert (part.role, axes(part)) == ("gate-up", ("gate and up", STREAM))


@pytest.mark.parametrize(
    ("model", "family"),
    [
        (shapes.llama, "llama"),
        (shapes.gpt2, "gpt2"),
        (shapes.mixtral, "mixtral"),
        (shapes.bert, "bert"),
        (shapes.vit, "vit"),
        (shapes.t5, "t5"),
        (shapes.whisper, "whisper"),
        (shapes.llava, "llava"),
        (shapes.ani, "unknown"),
    ],
)
def test_the_family_is_read_from_the_config_or_else_from_names(model, family):
    assert describe(model(), {}).architecture == family
    assert describe(model(), {"model_type": "own"}).architecture == "own"
    assert describe(model(), {"model_type": 7}).architecture == family
