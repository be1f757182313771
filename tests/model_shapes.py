"""Tensor names and shapes of the common families, small but with the real names and proportions."""

from __future__ import annotations

from collections.abc import Callable, Iterator

Shapes = list[tuple[str, tuple[int, ...]]]

D, F, V, HEADS, KV = 48, 128, 500, 48, 16


def _linear(name: str, out: int, into: int, bias: bool = False) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", (out, into)
    if bias:
        yield f"{name}.bias", (out,)


def _norm(name: str, width: int = D, bias: bool = True) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", (width,)
    if bias:
        yield f"{name}.bias", (width,)


def llama(layers: int = 3, prefix: str = "model.", width: int = D) -> Shapes:
    shapes: Shapes = [(f"{prefix}embed_tokens.weight", (V, width))]
    for n in range(layers):
        at = f"{prefix}layers.{n}"
        shapes += [
            (f"{at}.self_attn.q_proj.weight", (HEADS, width)),
            (f"{at}.self_attn.k_proj.weight", (KV, width)),
            (f"{at}.self_attn.v_proj.weight", (KV, width)),
            (f"{at}.self_attn.o_proj.weight", (width, HEADS)),
            (f"{at}.self_attn.q_norm.weight", (8,)),
            (f"{at}.self_attn.rotary_emb.inv_freq", (4,)),
            (f"{at}.mlp.gate_proj.weight", (F, width)),
            (f"{at}.mlp.up_proj.weight", (F, width)),
            (f"{at}.mlp.down_proj.weight", (width, F)),
            (f"{at}.input_layernorm.weight", (width,)),
            (f"{at}.post_attention_layernorm.weight", (width,)),
        ]
    return [*shapes, (f"{prefix}norm.weight", (width,)), ("lm_head.weight", (V, width))]


def mixtral(layers: int = 2, experts: int = 4) -> Shapes:
    shapes = [item for item in llama(layers) if ".mlp." not in item[0]]
    for n in range(layers):
        at = f"model.layers.{n}.block_sparse_moe"
        shapes.append((f"{at}.gate.weight", (experts, D)))
        for e in range(experts):
            shapes += [
                (f"{at}.experts.{e}.w1.weight", (F, D)),
                (f"{at}.experts.{e}.w2.weight", (D, F)),
                (f"{at}.experts.{e}.w3.weight", (F, D)),
            ]
    return shapes


def stacked_experts(layers: int = 2, experts: int = 4) -> Shapes:
    shapes = [item for item in llama(layers) if ".mlp." not in item[0]]
    for n in range(layers):
        at = f"model.layers.{n}.mlp"
        shapes += [
            (f"{at}.router.weight", (experts, D)),
            (f"{at}.router.bias", (experts,)),
            (f"{at}.experts.gate_up_proj", (experts, D, 2 * F)),
            (f"{at}.experts.gate_up_proj_bias", (experts, 2 * F)),
            (f"{at}.experts.down_proj", (experts, F, D)),
            (f"{at}.experts.down_proj_bias", (experts, D)),
        ]
    return shapes


def qwen_moe(layers: int = 2, experts: int = 4) -> Shapes:
    shapes = [item for item in llama(layers) if ".mlp." not in item[0]]
    for n in range(layers):
        at = f"model.layers.{n}.mlp"
        shapes += [(f"{at}.gate.weight", (experts, D)), (f"{at}.shared_expert_gate.weight", (1, D))]
        for which, units in [*((f"experts.{e}", 64) for e in range(experts)), ("shared_expert", F)]:
            shapes += [
                (f"{at}.{which}.gate_proj.weight", (units, D)),
                (f"{at}.{which}.up_proj.weight", (units, D)),
                (f"{at}.{which}.down_proj.weight", (D, units)),
            ]
    return shapes


def gpt2(layers: int = 3, prefix: str = "transformer.") -> Shapes:
    shapes: Shapes = [(f"{prefix}wte.weight", (V, D)), (f"{prefix}wpe.weight", (64, D))]
    for n in range(layers):
        at = f"{prefix}h.{n}"
        shapes += [*_norm(f"{at}.ln_1"), *_norm(f"{at}.ln_2"), (f"{at}.attn.bias", (1, 1, 64, 64))]
        for module, into, out in (("attn.c_attn", D, 3 * D), ("attn.c_proj", D, D)):
            shapes += [(f"{at}.{module}.weight", (into, out)), (f"{at}.{module}.bias", (out,))]
        for module, into, out in (("mlp.c_fc", D, 4 * D), ("mlp.c_proj", 4 * D, D)):
            shapes += [(f"{at}.{module}.weight", (into, out)), (f"{at}.{module}.bias", (out,))]
    return [*shapes, *_norm(f"{prefix}ln_f")]


def gpt_neox(layers: int = 2) -> Shapes:
    shapes: Shapes = [("gpt_neox.embed_in.weight", (V, D)), ("embed_out.weight", (V, D))]
    for n in range(layers):
        at = f"gpt_neox.layers.{n}"
        shapes += [
            *_norm(f"{at}.input_layernorm"),
            *_norm(f"{at}.post_attention_layernorm"),
            (f"{at}.attention.bias", (1, 1, 64, 64)),
            (f"{at}.attention.masked_bias", ()),
            (f"{at}.attention.rotary_emb.inv_freq", (4,)),
            *_linear(f"{at}.attention.query_key_value", 3 * D, D, bias=True),
            *_linear(f"{at}.attention.dense", D, D, bias=True),
            *_linear(f"{at}.mlp.dense_h_to_4h", 4 * D, D, bias=True),
            *_linear(f"{at}.mlp.dense_4h_to_h", D, 4 * D, bias=True),
        ]
    return [*shapes, *_norm("gpt_neox.final_layer_norm")]


def phi3(layers: int = 2) -> Shapes:
    shapes: Shapes = [("model.embed_tokens.weight", (V, D)), ("lm_head.weight", (V, D))]
    for n in range(layers):
        at = f"model.layers.{n}"
        shapes += [
            (f"{at}.self_attn.qkv_proj.weight", (HEADS + 2 * KV, D)),
            (f"{at}.self_attn.o_proj.weight", (D, HEADS)),
            (f"{at}.mlp.gate_up_proj.weight", (2 * F, D)),
            (f"{at}.mlp.down_proj.weight", (D, F)),
            (f"{at}.input_layernorm.weight", (D,)),
        ]
    return [*shapes, ("model.norm.weight", (D,))]


def bert(layers: int = 3, prefix: str = "") -> Shapes:
    shapes: Shapes = [
        (f"{prefix}embeddings.word_embeddings.weight", (V, D)),
        (f"{prefix}embeddings.position_embeddings.weight", (64, D)),
        (f"{prefix}embeddings.token_type_embeddings.weight", (2, D)),
        (f"{prefix}embeddings.position_ids", (1, 64)),
        *_norm(f"{prefix}embeddings.LayerNorm"),
    ]
    for n in range(layers):
        at = f"{prefix}encoder.layer.{n}"
        for name in ("query", "key", "value"):
            shapes += _linear(f"{at}.attention.self.{name}", D, D, bias=True)
        shapes += [
            *_linear(f"{at}.attention.output.dense", D, D, bias=True),
            *_norm(f"{at}.attention.output.LayerNorm"),
            *_linear(f"{at}.intermediate.dense", 4 * D, D, bias=True),
            *_linear(f"{at}.output.dense", D, 4 * D, bias=True),
            *_norm(f"{at}.output.LayerNorm"),
        ]
    return [*shapes, *_linear(f"{prefix}pooler.dense", D, D, bias=True)]


def vit(layers: int = 2, prefix: str = "vit.") -> Shapes:
    shapes: Shapes = [
        (f"{prefix}embeddings.cls_token", (1, 1, D)),
        (f"{prefix}embeddings.position_embeddings", (1, 17, D)),
        (f"{prefix}embeddings.patch_embeddings.projection.weight", (D, 3, 8, 8)),
        (f"{prefix}embeddings.patch_embeddings.projection.bias", (D,)),
    ]
    for n in range(layers):
        at = f"{prefix}encoder.layer.{n}"
        for name in ("query", "key", "value"):
            shapes += _linear(f"{at}.attention.attention.{name}", D, D, bias=True)
        shapes += [
            *_linear(f"{at}.attention.output.dense", D, D, bias=True),
            *_linear(f"{at}.intermediate.dense", 4 * D, D, bias=True),
            *_linear(f"{at}.output.dense", D, 4 * D, bias=True),
            *_norm(f"{at}.layernorm_before"),
            *_norm(f"{at}.layernorm_after"),
        ]
    return [*shapes, *_norm(f"{prefix}layernorm"), *_linear("classifier", 10, D, bias=True)]


def clip_tower(prefix: str, layers: int, width: int) -> Shapes:
    shapes: Shapes = []
    for n in range(layers):
        at = f"{prefix}.encoder.layers.{n}"
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            shapes += _linear(f"{at}.self_attn.{name}", width, width, bias=True)
        shapes += [
            *_norm(f"{at}.layer_norm1", width),
            *_norm(f"{at}.layer_norm2", width),
            *_linear(f"{at}.mlp.fc1", 4 * width, width, bias=True),
            *_linear(f"{at}.mlp.fc2", width, 4 * width, bias=True),
        ]
    return shapes


def vision_front(prefix: str, width: int) -> Shapes:
    return [
        (f"{prefix}.embeddings.class_embedding", (width,)),
        (f"{prefix}.embeddings.patch_embedding.weight", (width, 3, 8, 8)),
        (f"{prefix}.embeddings.position_embedding.weight", (17, width)),
        *_norm(f"{prefix}.pre_layrnorm", width),
        *_norm(f"{prefix}.post_layernorm", width),
    ]


def clip() -> Shapes:
    return [
        ("logit_scale", ()),
        ("text_model.embeddings.token_embedding.weight", (V, D)),
        ("text_model.embeddings.position_embedding.weight", (20, D)),
        ("text_model.embeddings.position_ids", (1, 20)),
        *clip_tower("text_model", 2, D),
        *_norm("text_model.final_layer_norm"),
        *vision_front("vision_model", 64),
        *clip_tower("vision_model", 3, 64),
        ("visual_projection.weight", (D, 64)),
        ("text_projection.weight", (D, D)),
    ]


def llava() -> Shapes:
    return [
        *vision_front("vision_tower.vision_model", 64),
        *clip_tower("vision_tower.vision_model", 3, 64),
        *_linear("multi_modal_projector.linear_1", D, 64, bias=True),
        *_linear("multi_modal_projector.linear_2", D, D, bias=True),
        *[(f"language_model.{name}", shape) for name, shape in llama(2)],
    ]


def qwen_vl() -> Shapes:
    shapes: Shapes = [("visual.patch_embed.proj.weight", (64, 3, 2, 8, 8))]
    for n in range(3):
        at = f"visual.blocks.{n}"
        shapes += [
            *_linear(f"{at}.attn.qkv", 192, 64, bias=True),
            *_linear(f"{at}.attn.proj", 64, 64, bias=True),
            *_linear(f"{at}.mlp.fc1", 256, 64, bias=True),
            *_linear(f"{at}.mlp.fc2", 64, 256, bias=True),
            *_norm(f"{at}.norm1", 64),
        ]
    return [
        *shapes,
        *_norm("visual.merger.ln_q", 64),
        *_linear("visual.merger.mlp.0", 256, 256, bias=True),
        *_linear("visual.merger.mlp.2", D, 256, bias=True),
        *llama(2),
    ]


def t5(layers: int = 2) -> Shapes:
    shapes: Shapes = [("shared.weight", (V, D)), ("lm_head.weight", (V, D))]
    for side, kinds in (("encoder", ("SelfAttention",)), ("decoder", ("SelfAttention", "EncDecAttention"))):
        for n in range(layers):
            at = f"{side}.block.{n}.layer"
            for i, kind in enumerate(kinds):
                shapes += [(f"{at}.{i}.{kind}.{x}.weight", (2 * D, D)) for x in "qkv"]
                shapes += [(f"{at}.{i}.{kind}.o.weight", (D, 2 * D)), (f"{at}.{i}.layer_norm.weight", (D,))]
            ff = f"{at}.{len(kinds)}"
            shapes += [
                (f"{ff}.DenseReluDense.wi_0.weight", (F, D)),
                (f"{ff}.DenseReluDense.wi_1.weight", (F, D)),
                (f"{ff}.DenseReluDense.wo.weight", (D, F)),
                (f"{ff}.layer_norm.weight", (D,)),
            ]
        shapes.append((f"{side}.block.0.layer.0.SelfAttention.relative_attention_bias.weight", (32, 6)))
        shapes.append((f"{side}.final_layer_norm.weight", (D,)))
    return shapes


def whisper(layers: int = 2) -> Shapes:
    shapes: Shapes = [
        ("model.encoder.conv1.weight", (D, 20, 3)),
        ("model.encoder.conv1.bias", (D,)),
        ("model.encoder.conv2.weight", (D, D, 3)),
        ("model.encoder.conv2.bias", (D,)),
        ("model.encoder.embed_positions.weight", (100, D)),
        ("model.decoder.embed_tokens.weight", (V, D)),
        ("model.decoder.embed_positions.weight", (30, D)),
        *_norm("model.encoder.layer_norm"),
        *_norm("model.decoder.layer_norm"),
    ]
    for side, kinds in (("encoder", ("self_attn",)), ("decoder", ("self_attn", "encoder_attn"))):
        for n in range(layers):
            at = f"model.{side}.layers.{n}"
            for kind in kinds:
                for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
                    shapes += _linear(f"{at}.{kind}.{name}", D, D, bias=name != "k_proj")
                shapes += _norm(f"{at}.{kind}_layer_norm")
            shapes += [
                *_linear(f"{at}.fc1", 4 * D, D, bias=True),
                *_linear(f"{at}.fc2", D, 4 * D, bias=True),
                *_norm(f"{at}.final_layer_norm"),
            ]
    return shapes


def batch_norm(name: str, width: int) -> Shapes:
    moments: Shapes = [(f"{name}.running_mean", (width,)), (f"{name}.running_var", (width,))]
    return [*_norm(name, width), *moments, (f"{name}.num_batches_tracked", ())]


def crepe() -> Shapes:
    channels, kernels = [1, 128, 16, 16, 16, 32, 64], [512, 64, 64, 64, 64, 64]
    shapes: Shapes = []
    for n, kernel in enumerate(kernels, start=1):
        shapes += [(f"conv{n}.weight", (channels[n], channels[n - 1], kernel, 1)), (f"conv{n}.bias", (channels[n],))]
        shapes += batch_norm(f"conv{n}_BN", channels[n])
    return [*shapes, *_linear("classifier", 360, 256, bias=True)]


def onet() -> Shapes:
    shapes: Shapes = []
    sizes = [(32, 3, 3), (64, 32, 3), (64, 64, 3), (128, 64, 2)]
    for n, (out, into, kernel) in enumerate(sizes, start=1):
        shapes += [(f"conv{n}.weight", (out, into, kernel, kernel)), (f"conv{n}.bias", (out,))]
        shapes += [(f"prelu{n}.weight", (out,))]
    shapes += [*_linear("dense5", 256, 1152, bias=True), ("prelu5.weight", (256,))]
    for n, classes in enumerate((2, 4, 10), start=1):
        shapes += _linear(f"dense6_{n}", classes, 256, bias=True)
    return shapes


def resnet() -> Shapes:
    shapes: Shapes = [("conv1.weight", (64, 3, 7, 7)), *batch_norm("bn1", 64)]
    widths = [64, 64, 128]
    for stage in (1, 2):
        for block in (0, 1):
            at, out = f"layer{stage}.{block}", widths[stage]
            into = widths[stage - 1] if block == 0 else out
            shapes += [(f"{at}.conv1.weight", (out, into, 3, 3)), *batch_norm(f"{at}.bn1", out)]
            shapes += [(f"{at}.conv2.weight", (out, out, 3, 3)), *batch_norm(f"{at}.bn2", out)]
            if into != out:
                shapes += [(f"{at}.downsample.0.weight", (out, into, 1, 1)), *batch_norm(f"{at}.downsample.1", out)]
    return [*shapes, *_linear("fc", 10, 128, bias=True)]


def voice_detector() -> Shapes:
    shapes: Shapes = [("basis", (258, 1, 256))]
    for n, (out, into) in enumerate([(128, 129), (64, 128), (64, 64), (128, 64)]):
        shapes += [(f"encoder.{n}.weight", (out, into, 3)), (f"encoder.{n}.bias", (out,))]
    shapes += [("rnn.weight_ih_l0", (384, 128)), ("rnn.weight_hh_l0", (384, 128))]
    shapes += [("rnn.bias_ih_l0", (384,)), ("rnn.bias_hh_l0", (384,))]
    return [*shapes, *_linear("head", 1, 128, bias=True)]


def ani() -> Shapes:
    shapes: Shapes = []
    for element, sizes in (("H", (384, 160, 128, 96, 1)), ("C", (384, 144, 112, 96, 1)), ("N", (384, 128, 112, 96, 1))):
        for n in range(4):
            shapes += _linear(f"{element}.{n}", sizes[n + 1], sizes[n], bias=True)
    return shapes


def graph_net() -> Shapes:
    shapes: Shapes = [
        ("composition_model.fc.weight", (1, 94)),
        ("atom_embedding.embedding.weight", (94, 64)),
        ("bond_basis_expansion.rbf_expansion_ag.frequencies", (31,)),
        ("bond_embedding.weight", (64, 31)),
        ("bond_weights_ag.weight", (64, 31)),
        ("angle_embedding.weight", (64, 31)),
    ]
    for n in range(2):
        at = f"atom_conv_layers.{n}"
        for part in ("mlp_core", "mlp_gate"):
            shapes += _linear(f"{at}.twoBody_atom.{part}.layers.0", 64, 192, bias=True)
            shapes += _linear(f"{at}.twoBody_atom.{part}.layers.3", 64, 64, bias=True)
        shapes += [*_norm(f"{at}.twoBody_atom.bn1", 64), *_linear(f"{at}.mlp_out.layers.1", 64, 64)]
    for i, out in ((0, 64), (2, 64), (4, 64), (7, 1)):
        shapes += _linear(f"mlp.layers.{i}", out, 64, bias=True)
    return [*shapes, *_norm("readout_norm", 64), *_linear("site_wise", 1, 64, bias=True)]


FAMILIES: dict[str, Callable[[], Shapes]] = {
    make.__name__: make
    for make in [
        *(llama, mixtral, stacked_experts, qwen_moe, gpt2, gpt_neox, phi3, bert, vit, clip, llava, qwen_vl),
        *(t5, whisper, crepe, onet, resnet, voice_detector, ani, graph_net),
    ]
}
