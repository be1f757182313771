"""How the tensors of the models of the debate of January 2026 are called and shaped; nothing here knows a value.

Names follow the modelling files of transformers (qwen2_5_vl, qwen2_5_omni, hyperclovax, glm4_moe, solar_open, phimoe)
and the weight maps of vLLM; sizes those of index/configurations.json. The tests draw small stand-ins with these names,
and `hub_bytes.py` counts what a sampled answer about the real ones reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Sight:
    """The vision transformer of Qwen2.5-VL with its merger."""

    width: int = 1280
    depth: int = 32
    mlp: int = 3420
    out: int = 3584


@dataclass(frozen=True, slots=True)
class Hearing:
    """The audio encoder of Qwen2-Audio and Qwen2.5-Omni, without what projects its output."""

    width: int = 1280
    depth: int = 32
    bands: int = 128


@dataclass(frozen=True, slots=True)
class Text:
    """A decoder with grouped keys; `heads` and `keys` are channels. `mlp` is None where all layers have experts."""

    width: int
    depth: int
    heads: int
    keys: int
    mlp: int | None
    tokens: int
    bias: bool = False
    post_norm: bool = False


@dataclass(frozen=True, slots=True)
class Experts:
    """Routed experts of `units` each, and whether one is shared; the first `dense` layers have none."""

    count: int
    units: int
    kind: Literal["deepseek", "mixtral"] = "deepseek"
    dense: int = 0


def linear(name: str, out: int, into: int, bias: bool = False) -> Shapes:
    """A matrix, and the bias beside it."""
    return {f"{name}.weight": (out, into), **({f"{name}.bias": (out,)} if bias else {})}


def norm(name: str, width: int, bias: bool = False) -> Shapes:
    """Gains, and the biases beside them."""
    return {f"{name}.weight": (width,), **({f"{name}.bias": (width,)} if bias else {})}


def vision(prefix: str, sight: Sight) -> Shapes:
    """As Qwen2.5-VL names them below `visual.`."""
    width = sight.width
    made: Shapes = {f"{prefix}patch_embed.proj.weight": (width, 3, 2, 14, 14)}
    for n in range(sight.depth):
        at = f"{prefix}blocks.{n}"
        made |= norm(f"{at}.norm1", width) | norm(f"{at}.norm2", width)
        made |= linear(f"{at}.attn.qkv", 3 * width, width, bias=True)
        made |= linear(f"{at}.attn.proj", width, width, bias=True)
        made |= linear(f"{at}.mlp.gate_proj", sight.mlp, width, bias=True)
        made |= linear(f"{at}.mlp.up_proj", sight.mlp, width, bias=True)
        made |= linear(f"{at}.mlp.down_proj", width, sight.mlp, bias=True)
    made |= norm(f"{prefix}merger.ln_q", width) | linear(f"{prefix}merger.mlp.0", 4 * width, 4 * width, bias=True)
    return made | linear(f"{prefix}merger.mlp.2", sight.out, 4 * width, bias=True)


def audio(prefix: str, hearing: Hearing) -> Shapes:
    """As Qwen2.5-Omni names them below `thinker.audio_tower.`."""
    width, made = hearing.width, Shapes()
    for name, into in (("conv1", hearing.bands), ("conv2", width)):
        made |= {f"{prefix}{name}.weight": (width, into, 3), f"{prefix}{name}.bias": (width,)}
    for n in range(hearing.depth):
        at = f"{prefix}layers.{n}"
        for name in ("q_proj", "v_proj", "out_proj"):
            made |= linear(f"{at}.self_attn.{name}", width, width, bias=True)
        made |= linear(f"{at}.self_attn.k_proj", width, width) | norm(f"{at}.self_attn_layer_norm", width, bias=True)
        made |= linear(f"{at}.fc1", 4 * width, width, bias=True) | linear(f"{at}.fc2", width, 4 * width, bias=True)
        made |= norm(f"{at}.final_layer_norm", width, bias=True)
    return made


def decoder(prefix: str, text: Text, experts: Experts | None = None) -> Shapes:
    """As Llama names them, with biases as Qwen2, norms behind as HyperCLOVA X, experts as DeepSeek or Mixtral."""
    width = text.width
    made: Shapes = {f"{prefix}model.embed_tokens.weight": (text.tokens, width)}
    for n in range(text.depth):
        at = f"{prefix}model.layers.{n}"
        made |= norm(f"{at}.input_layernorm", width) | norm(f"{at}.post_attention_layernorm", width)
        if text.post_norm:
            made |= norm(f"{at}.post_norm1", width) | norm(f"{at}.post_norm2", width)
        made |= linear(f"{at}.self_attn.q_proj", text.heads, width, text.bias)
        made |= linear(f"{at}.self_attn.k_proj", text.keys, width, text.bias)
        made |= linear(f"{at}.self_attn.v_proj", text.keys, width, text.bias)
        made |= linear(f"{at}.self_attn.o_proj", width, text.heads)
        has_experts = experts is not None and n >= experts.dense
        made |= _experts(at, width, experts) if experts and has_experts else _mlp(f"{at}.mlp.", width, text.mlp or 0)
    made |= norm(f"{prefix}model.norm", width)
    return made | {f"{prefix}lm_head.weight": (text.tokens, width)}


def _mlp(at: str, width: int, units: int) -> Shapes:
    into = linear(f"{at}gate_proj", units, width) | linear(f"{at}up_proj", units, width)
    return into | linear(f"{at}down_proj", width, units)


def _experts(at: str, width: int, experts: Experts) -> Shapes:
    if experts.kind == "mixtral":
        made = linear(f"{at}.block_sparse_moe.gate", experts.count, width)
        for e in range(experts.count):
            one = f"{at}.block_sparse_moe.experts.{e}"
            made |= linear(f"{one}.w1", experts.units, width) | linear(f"{one}.w3", experts.units, width)
            made |= linear(f"{one}.w2", width, experts.units)
        return made
    made = linear(f"{at}.mlp.gate", experts.count, width)
    made[f"{at}.mlp.gate.e_score_correction_bias"] = (experts.count,)
    for e in range(experts.count):
        made |= _mlp(f"{at}.mlp.experts.{e}.", width, experts.units)
    return made | _mlp(f"{at}.mlp.shared_experts.", width, experts.units)


def real_shapes() -> dict[str, Shapes]:
    """Those models whose sizes were found whole, by their names at the hub."""
    think = Text(5120, 72, 40 * 128, 8 * 128, 24192, 128256, post_norm=True)
    qwen = Text(3584, 28, 28 * 128, 4 * 128, 18944, 152064, bias=True)
    air = Text(4096, 46, 96 * 128, 8 * 128, 10944, 151552, bias=True)
    solar = Text(4096, 48, 64 * 128, 8 * 128, None, 196608)
    phi = Text(4096, 32, 32 * 128, 8 * 128, None, 32064, bias=True)
    return {
        "naver-hyperclovax/HyperCLOVAX-SEED-Think-32B": vision("model.vision_model.", Sight(out=5120))
        | linear("model.mm_projector", 5120, 5120, bias=True)
        | decoder("model.language_model.", think),
        "Qwen/Qwen2.5-VL-7B-Instruct": vision("visual.", Sight()) | decoder("", qwen),
        "upstage/Solar-Open-100B": decoder("", solar, Experts(128, 1280)),
        "zai-org/GLM-4.5-Air": decoder("", air, Experts(128, 1408, dense=1)),
        "microsoft/Phi-3.5-MoE-instruct": decoder("", phi, Experts(16, 6400, "mixtral")),
    }
