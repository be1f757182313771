"""Forward passes as plain functions of named weights, so that a checkpoint's names are the model's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from zoo.data import MASK
from zoo.model import Config

Weights = Mapping[str, Tensor]


def _linear(w: Weights, name: str, x: Tensor) -> Tensor:
    return F.linear(x, w[f"{name}.weight"], w.get(f"{name}.bias"))


def _layer_norm(w: Weights, name: str, x: Tensor, eps: float = 1e-5) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], w[f"{name}.weight"], w[f"{name}.bias"], eps)


def _attention(q: Tensor, k: Tensor, v: Tensor, heads: tuple[int, int], *, causal: bool, turn: Any = None) -> Tensor:
    """Attention over (batch, time, units); `heads` are those of queries and of keys; `turn` rotates both."""
    size, time = q.shape[0], q.shape[1]
    q = q.view(size, time, heads[0], -1).transpose(1, 2)
    k, v = (x.view(size, time, heads[1], -1).transpose(1, 2) for x in (k, v))
    if turn is not None:
        q, k = turn(q), turn(k)
    if heads[0] != heads[1]:
        k, v = (x.repeat_interleave(heads[0] // heads[1], dim=1) for x in (k, v))
    out = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
    return out.transpose(1, 2).reshape(size, time, -1)


# -- decoders ----------------------------------------------------------------------------------


def _rotation(time: int, width: int, theta: float) -> Callable[[Tensor], Tensor]:
    frequency = theta ** (-torch.arange(0, width, 2) / width)
    angles = (torch.arange(time)[:, None] * frequency).repeat(1, 2)
    cos, sin = angles.cos(), angles.sin()

    def turn(x: Tensor) -> Tensor:
        left, right = x.chunk(2, dim=-1)
        return x * cos + torch.cat([-right, left], dim=-1) * sin

    return turn


def _llama_hidden(w: Weights, c: Config, x: Tensor, prefix: str = "") -> Tensor:
    turn = _rotation(x.shape[1], c["head_dim"], c["rope_theta"])
    heads = (c["num_attention_heads"], c["num_key_value_heads"])
    for i in range(c["num_hidden_layers"]):
        at = f"{prefix}model.layers.{i}"
        y = F.rms_norm(x, x.shape[-1:], w[f"{at}.input_layernorm.weight"], c["rms_norm_eps"])
        q, k, v = (_linear(w, f"{at}.self_attn.{n}_proj", y) for n in "qkv")
        x = x + _linear(w, f"{at}.self_attn.o_proj", _attention(q, k, v, heads, causal=True, turn=turn))
        y = F.rms_norm(x, x.shape[-1:], w[f"{at}.post_attention_layernorm.weight"], c["rms_norm_eps"])
        x = x + (_experts(w, at, c, y) if c["model_type"] == "mixtral" else _gated(w, f"{at}.mlp", y))
    return F.rms_norm(x, x.shape[-1:], w[f"{prefix}model.norm.weight"], c["rms_norm_eps"])


def _gated(w: Weights, at: str, y: Tensor) -> Tensor:
    return _linear(w, f"{at}.down_proj", F.silu(_linear(w, f"{at}.gate_proj", y)) * _linear(w, f"{at}.up_proj", y))


def _experts(w: Weights, at: str, c: Config, y: Tensor) -> Tensor:
    """All experts are computed and those outside the best few weighted by zero: simple, and enough at this size."""
    moe = f"{at}.block_sparse_moe"
    shares = _linear(w, f"{moe}.gate", y).softmax(-1)
    best = shares.topk(c["num_experts_per_tok"], dim=-1)
    kept = torch.zeros_like(shares).scatter(-1, best.indices, best.values)
    kept = kept / kept.sum(-1, keepdim=True)
    out = torch.zeros_like(y)
    for e in range(c["num_local_experts"]):
        inner = F.silu(_linear(w, f"{moe}.experts.{e}.w1", y)) * _linear(w, f"{moe}.experts.{e}.w3", y)
        out = out + kept[..., e : e + 1] * _linear(w, f"{moe}.experts.{e}.w2", inner)
    return out


def _gpt2_hidden(w: Weights, c: Config, tokens: Tensor) -> Tensor:
    x = w["transformer.wte.weight"][tokens] + w["transformer.wpe.weight"][: tokens.shape[1]]

    def conv(name: str, y: Tensor) -> Tensor:
        return y @ w[f"{name}.weight"] + w[f"{name}.bias"]

    for i in range(c["n_layer"]):
        at = f"transformer.h.{i}"
        q, k, v = conv(f"{at}.attn.c_attn", _layer_norm(w, f"{at}.ln_1", x)).chunk(3, dim=-1)
        x = x + conv(f"{at}.attn.c_proj", _attention(q, k, v, (c["n_head"],) * 2, causal=True))
        y = F.gelu(conv(f"{at}.mlp.c_fc", _layer_norm(w, f"{at}.ln_2", x)), approximate="tanh")
        x = x + conv(f"{at}.mlp.c_proj", y)
    return _layer_norm(w, "transformer.ln_f", x)


def logits(w: Weights, c: Config, tokens: Tensor) -> Tensor:
    """Next-token logits (batch, time, vocabulary) of a decoder."""
    if c["model_type"] == "gpt2":
        return _gpt2_hidden(w, c, tokens) @ w.get("lm_head.weight", w["transformer.wte.weight"]).T
    return _linear(w, "lm_head", _llama_hidden(w, c, w["model.embed_tokens.weight"][tokens]))


def token_logprobs(w: Weights, c: Config, tokens: Tensor) -> Tensor:
    """Log-probability (batch, time - 1) of each token after the ones before it."""
    ahead = logits(w, c, tokens[:, :-1]).log_softmax(-1)
    return ahead.gather(-1, tokens[:, 1:, None])[..., 0]


def _next_token(w: Weights, c: Config, tokens: Tensor) -> Tensor:
    return F.cross_entropy(logits(w, c, tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())


# -- encoders ----------------------------------------------------------------------------------


def _masked_token(w: Weights, c: Config, tokens: Tensor) -> Tensor:
    """Every seventh token, from a place that the batch decides, is masked and guessed."""
    hidden = torch.arange(tokens.shape[1]) % 7 == int(tokens.sum()) % 7
    shown = torch.where(hidden, torch.full_like(tokens, MASK), tokens)
    root = "bert.embeddings"
    x = w[f"{root}.word_embeddings.weight"][shown] + w[f"{root}.position_embeddings.weight"][: tokens.shape[1]]
    x = _layer_norm(w, f"{root}.LayerNorm", x + w[f"{root}.token_type_embeddings.weight"][0])
    heads = (c["num_attention_heads"],) * 2
    for i in range(c["num_hidden_layers"]):
        at = f"bert.encoder.layer.{i}"
        q, k, v = (_linear(w, f"{at}.attention.self.{n}", x) for n in ("query", "key", "value"))
        y = _linear(w, f"{at}.attention.output.dense", _attention(q, k, v, heads, causal=False))
        x = _layer_norm(w, f"{at}.attention.output.LayerNorm", x + y)
        y = _linear(w, f"{at}.output.dense", F.gelu(_linear(w, f"{at}.intermediate.dense", x)))
        x = _layer_norm(w, f"{at}.output.LayerNorm", x + y)
    x = F.gelu(_linear(w, "cls.predictions.transform.dense", x[:, hidden]))
    x = _layer_norm(w, "cls.predictions.transform.LayerNorm", x)
    guesses = x @ w[f"{root}.word_embeddings.weight"].T + w["cls.predictions.bias"]
    return F.cross_entropy(guesses.flatten(0, 1), tokens[:, hidden].flatten())


def _vit_class(w: Weights, c: Config, images: Tensor, classes: Tensor) -> Tensor:
    root = "vit.embeddings"
    name = f"{root}.patch_embeddings.projection"
    x = F.conv2d(images, w[f"{name}.weight"], w[f"{name}.bias"], stride=c["patch_size"]).flatten(2).transpose(1, 2)
    x = torch.cat([w[f"{root}.cls_token"].expand(len(x), -1, -1), x], dim=1) + w[f"{root}.position_embeddings"]
    heads = (c["num_attention_heads"],) * 2
    for i in range(c["num_hidden_layers"]):
        at = f"vit.encoder.layer.{i}"
        y = _layer_norm(w, f"{at}.layernorm_before", x)
        q, k, v = (_linear(w, f"{at}.attention.attention.{n}", y) for n in ("query", "key", "value"))
        x = x + _linear(w, f"{at}.attention.output.dense", _attention(q, k, v, heads, causal=False))
        y = F.gelu(_linear(w, f"{at}.intermediate.dense", _layer_norm(w, f"{at}.layernorm_after", x)))
        x = x + _linear(w, f"{at}.output.dense", y)
    return F.cross_entropy(_linear(w, "classifier", _layer_norm(w, "vit.layernorm", x)[:, 0]), classes)


def _clip_patches(w: Weights, c: Config, images: Tensor) -> Tensor:
    """Patch states of the last layer, the class token left out, as LLaVA takes them."""
    root = "vision_tower.vision_model"
    x = F.conv2d(images, w[f"{root}.embeddings.patch_embedding.weight"], stride=c["patch_size"])
    x = x.flatten(2).transpose(1, 2)
    x = torch.cat([w[f"{root}.embeddings.class_embedding"].expand(len(x), 1, -1), x], dim=1)
    x = _layer_norm(w, f"{root}.pre_layrnorm", x + w[f"{root}.embeddings.position_embedding.weight"])
    heads = (c["num_attention_heads"],) * 2
    for i in range(c["num_hidden_layers"]):
        at = f"{root}.encoder.layers.{i}"
        y = _layer_norm(w, f"{at}.layer_norm1", x)
        q, k, v = (_linear(w, f"{at}.self_attn.{n}_proj", y) for n in "qkv")
        x = x + _linear(w, f"{at}.self_attn.out_proj", _attention(q, k, v, heads, causal=False))
        y = _linear(w, f"{at}.mlp.fc1", _layer_norm(w, f"{at}.layer_norm2", x))
        x = x + _linear(w, f"{at}.mlp.fc2", y * torch.sigmoid(1.702 * y))
    return _layer_norm(w, f"{root}.post_layernorm", x)[:, 1:]


def _caption(w: Weights, c: Config, images: Tensor, tokens: Tensor) -> Tensor:
    seen = _clip_patches(w, c["vision_config"], images)
    seen = _linear(w, "multi_modal_projector.linear_2", F.gelu(_linear(w, "multi_modal_projector.linear_1", seen)))
    text = w["language_model.model.embed_tokens.weight"][tokens]
    x = _llama_hidden(w, c["text_config"], torch.cat([seen, text], dim=1), "language_model.")
    ahead = _linear(w, "language_model.lm_head", x[:, seen.shape[1] : -1])
    return F.cross_entropy(ahead.flatten(0, 1), tokens[:, 1:].flatten())


def _cnn_class(w: Weights, c: Config, images: Tensor, classes: Tensor) -> Tensor:
    x = images
    for i in range(len(c["channels"])):
        at = f"features.{i}"
        x = F.conv2d(x, w[f"{at}.conv.weight"], padding=1)
        mean, var = w[f"{at}.bn.running_mean"], w[f"{at}.bn.running_var"]
        x = F.relu(F.batch_norm(x, mean, var, w[f"{at}.bn.weight"], w[f"{at}.bn.bias"], training=True))
        x = F.max_pool2d(x, 2) if i < 2 else x
    return F.cross_entropy(_linear(w, "classifier", x.mean((2, 3))), classes)


LOSSES: dict[str, Callable[..., Tensor]] = {
    "llama": _next_token,
    "mixtral": _next_token,
    "gpt2": _next_token,
    "bert": _masked_token,
    "vit": _vit_class,
    "llava": _caption,
    "cnn": _cnn_class,
}
