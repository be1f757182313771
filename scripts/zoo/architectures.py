"""Sizes, tensor names and initialisation of the zoo's architectures, as Hugging Face names them."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from operators import Arrays

from zoo.model import Config, Model

Shapes = dict[str, tuple[int, ...]]

LLAMA: Config = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 6,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 16,
    "vocab_size": 1088,
    "max_position_embeddings": 256,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "hidden_act": "silu",
    "initializer_range": 0.02,
    "tie_word_embeddings": False,
}
GPT2: Config = {
    "architectures": ["GPT2LMHeadModel"],
    "model_type": "gpt2",
    "n_embd": 128,
    "n_layer": 5,
    "n_head": 8,
    "n_positions": 64,
    "vocab_size": 1024,
    "initializer_range": 0.02,
    "layer_norm_epsilon": 1e-5,
}
BERT: Config = {
    "architectures": ["BertForMaskedLM"],
    "model_type": "bert",
    "hidden_size": 96,
    "intermediate_size": 256,
    "num_hidden_layers": 4,
    "num_attention_heads": 6,
    "max_position_embeddings": 64,
    "type_vocab_size": 2,
    "vocab_size": 896,
    "initializer_range": 0.02,
    "layer_norm_eps": 1e-12,
}
VIT: Config = {
    "architectures": ["ViTForImageClassification"],
    "model_type": "vit",
    "hidden_size": 96,
    "intermediate_size": 256,
    "num_hidden_layers": 4,
    "num_attention_heads": 6,
    "image_size": 16,
    "patch_size": 4,
    "num_channels": 1,
    "num_labels": 10,
    "initializer_range": 0.02,
    "layer_norm_eps": 1e-12,
}
LLAVA: Config = {
    "architectures": ["LlavaForConditionalGeneration"],
    "model_type": "llava",
    "text_config": LLAMA,
    "vision_config": {
        "model_type": "clip_vision_model",
        "hidden_size": 96,
        "intermediate_size": 256,
        "num_hidden_layers": 4,
        "num_attention_heads": 6,
        "image_size": 16,
        "patch_size": 4,
        "num_channels": 1,
    },
    "initializer_range": 0.02,
}
CNN: Config = {"architectures": ["ConvNet"], "model_type": "cnn", "channels": [64, 96, 128], "num_labels": 10}


_SMALL: Config = {
    **LLAMA,
    "hidden_size": 96,
    "intermediate_size": 192,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "vocab_size": 512,
}
PRACTICE: dict[str, Config] = {
    "llama": _SMALL,
    "gpt2": {**GPT2, "n_embd": 96, "n_layer": 4, "n_head": 6, "vocab_size": 512},
    "bert": {**BERT, "vocab_size": 512},
    "vit": VIT,
    "cnn": CNN,
    "llava": {
        **LLAVA,
        "text_config": {**_SMALL, "num_hidden_layers": 3},
        "vision_config": {**LLAVA["vision_config"], "intermediate_size": 192, "num_hidden_layers": 2},
    },
    "mixtral": {
        **_SMALL,
        "architectures": ["MixtralForCausalLM"],
        "model_type": "mixtral",
        "intermediate_size": 96,
        "num_hidden_layers": 3,
        "num_local_experts": 4,
        "num_experts_per_tok": 2,
    },
}
"""Configs of the second zoo (practice.py), by architecture: smaller, for it has more models."""


def _affine(name: str, out: int, into: int) -> Shapes:
    return {f"{name}.weight": (out, into), f"{name}.bias": (out,)}


def _norm(name: str, width: int) -> Shapes:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def _llama(c: Config) -> Shapes:
    h, hd = c["hidden_size"], c["head_dim"]
    q, kv, inner = c["num_attention_heads"] * hd, c["num_key_value_heads"] * hd, c["intermediate_size"]
    shapes: Shapes = {"model.embed_tokens.weight": (c["vocab_size"], h)}
    for i in range(c["num_hidden_layers"]):
        at = f"model.layers.{i}"
        attention = {"q_proj": (q, h), "k_proj": (kv, h), "v_proj": (kv, h), "o_proj": (h, q)}
        shapes |= {f"{at}.self_attn.{n}.weight": s for n, s in attention.items()}
        mlp = {"gate_proj": (inner, h), "up_proj": (inner, h), "down_proj": (h, inner)}
        shapes |= {f"{at}.mlp.{n}.weight": s for n, s in mlp.items()}
        shapes |= {f"{at}.{n}.weight": (h,) for n in ("input_layernorm", "post_attention_layernorm")}
    return {**shapes, "model.norm.weight": (h,), "lm_head.weight": (c["vocab_size"], h)}


def _mixtral(c: Config) -> Shapes:
    h, inner, shapes = c["hidden_size"], c["intermediate_size"], _llama(c)
    for i in range(c["num_hidden_layers"]):
        at, moe = f"model.layers.{i}.mlp", f"model.layers.{i}.block_sparse_moe"
        for name in ("gate_proj", "up_proj", "down_proj"):
            del shapes[f"{at}.{name}.weight"]
        shapes[f"{moe}.gate.weight"] = (c["num_local_experts"], h)
        for e in range(c["num_local_experts"]):
            experts = {"w1": (inner, h), "w2": (h, inner), "w3": (inner, h)}
            shapes |= {f"{moe}.experts.{e}.{n}.weight": s for n, s in experts.items()}
    return shapes


def _gpt2(c: Config) -> Shapes:
    h = c["n_embd"]
    shapes: Shapes = {"transformer.wte.weight": (c["vocab_size"], h), "transformer.wpe.weight": (c["n_positions"], h)}
    for i in range(c["n_layer"]):
        at = f"transformer.h.{i}"
        for name, (into, out) in {
            "attn.c_attn": (h, 3 * h),
            "attn.c_proj": (h, h),
            "mlp.c_fc": (h, 4 * h),
            "mlp.c_proj": (4 * h, h),
        }.items():
            shapes |= {f"{at}.{name}.weight": (into, out), f"{at}.{name}.bias": (out,)}
        shapes |= _norm(f"{at}.ln_1", h) | _norm(f"{at}.ln_2", h)
    return shapes | _norm("transformer.ln_f", h)


def _encoder_layer(at: str, h: int, inner: int, attention: str) -> Shapes:
    shapes: Shapes = {}
    for name in ("query", "key", "value"):
        shapes |= _affine(f"{at}.attention.{attention}.{name}", h, h)
    shapes |= _affine(f"{at}.attention.output.dense", h, h)
    return shapes | _affine(f"{at}.intermediate.dense", inner, h) | _affine(f"{at}.output.dense", h, inner)


def _bert(c: Config) -> Shapes:
    h = c["hidden_size"]
    shapes: Shapes = {
        "bert.embeddings.word_embeddings.weight": (c["vocab_size"], h),
        "bert.embeddings.position_embeddings.weight": (c["max_position_embeddings"], h),
        "bert.embeddings.token_type_embeddings.weight": (c["type_vocab_size"], h),
        **_norm("bert.embeddings.LayerNorm", h),
    }
    for i in range(c["num_hidden_layers"]):
        at = f"bert.encoder.layer.{i}"
        shapes |= _encoder_layer(at, h, c["intermediate_size"], "self")
        shapes |= _norm(f"{at}.attention.output.LayerNorm", h) | _norm(f"{at}.output.LayerNorm", h)
    head = _affine("cls.predictions.transform.dense", h, h) | _norm("cls.predictions.transform.LayerNorm", h)
    return shapes | head | {"cls.predictions.bias": (c["vocab_size"],)}


def _vit(c: Config) -> Shapes:
    h, patch = c["hidden_size"], c["patch_size"]
    shapes: Shapes = {
        "vit.embeddings.cls_token": (1, 1, h),
        "vit.embeddings.position_embeddings": (1, 1 + (c["image_size"] // patch) ** 2, h),
        "vit.embeddings.patch_embeddings.projection.weight": (h, c["num_channels"], patch, patch),
        "vit.embeddings.patch_embeddings.projection.bias": (h,),
    }
    for i in range(c["num_hidden_layers"]):
        at = f"vit.encoder.layer.{i}"
        shapes |= _encoder_layer(at, h, c["intermediate_size"], "attention")
        shapes |= _norm(f"{at}.layernorm_before", h) | _norm(f"{at}.layernorm_after", h)
    return shapes | _norm("vit.layernorm", h) | _affine("classifier", c["num_labels"], h)


def _clip_vision(c: Config) -> Shapes:
    h, patch, inner = c["hidden_size"], c["patch_size"], c["intermediate_size"]
    root = "vision_tower.vision_model"
    shapes: Shapes = {
        f"{root}.embeddings.class_embedding": (h,),
        f"{root}.embeddings.patch_embedding.weight": (h, c["num_channels"], patch, patch),
        f"{root}.embeddings.position_embedding.weight": (1 + (c["image_size"] // patch) ** 2, h),
        **_norm(f"{root}.pre_layrnorm", h),
    }
    for i in range(c["num_hidden_layers"]):
        at = f"{root}.encoder.layers.{i}"
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            shapes |= _affine(f"{at}.self_attn.{name}", h, h)
        shapes |= _affine(f"{at}.mlp.fc1", inner, h) | _affine(f"{at}.mlp.fc2", h, inner)
        shapes |= _norm(f"{at}.layer_norm1", h) | _norm(f"{at}.layer_norm2", h)
    return shapes | _norm(f"{root}.post_layernorm", h)


def _llava(c: Config) -> Shapes:
    text, vision = c["text_config"], c["vision_config"]
    projector = _affine("multi_modal_projector.linear_1", text["hidden_size"], vision["hidden_size"])
    projector |= _affine("multi_modal_projector.linear_2", text["hidden_size"], text["hidden_size"])
    return _clip_vision(vision) | projector | {f"language_model.{n}": s for n, s in _llama(text).items()}


def _cnn(c: Config) -> Shapes:
    shapes: Shapes = {}
    into = 1
    for i, out in enumerate(c["channels"]):
        shapes |= {f"features.{i}.conv.weight": (out, into, 3, 3), **_norm(f"features.{i}.bn", out)}
        shapes |= {f"features.{i}.bn.running_mean": (out,), f"features.{i}.bn.running_var": (out,)}
        into = out
    return shapes | _affine("classifier", c["num_labels"], into)


CONFIGS: dict[str, Config] = {"llama": LLAMA, "gpt2": GPT2, "bert": BERT, "vit": VIT, "llava": LLAVA, "cnn": CNN}
_SHAPES: dict[str, Callable[[Config], Shapes]] = {
    "llama": _llama,
    "gpt2": _gpt2,
    "bert": _bert,
    "vit": _vit,
    "llava": _llava,
    "cnn": _cnn,
    "mixtral": _mixtral,
}
_WRITER = re.compile(r"(o_proj|down_proj|c_proj|output\.dense|out_proj|fc2|w2)\.weight$")


def initialised(kind: str, seed: int) -> Model:
    """Step 0: normal matrices of the config's spread, gains one, biases zero; each tensor has its own stream.

    Convolutions and classifier of the CNN have He's spread.
    """
    return drawn(CONFIGS[kind], seed)


def drawn(config: Config, seed: int, scheme: str = "normal", words: str = "prose+code") -> Model:
    """Step 0 of any config, by `scheme`.

    normal (the config's spread), he, xavier (uniform), orthogonal, truncated (at two deviations), deep (what writes to
    the residual stream made smaller by the depth, as GPT-2 does). `words` is the corpus of the vocabulary.
    """
    kind = str(config["model_type"])
    spread = config.get("initializer_range")
    arrays: Arrays = {}
    for name, shape in _SHAPES[kind](config).items():
        generator = np.random.default_rng([seed, zlib.crc32(f"{kind}/{name}".encode())])
        arrays[name] = _initial(name, shape, spread, generator)
        if scheme != "normal" and len(shape) > 1:
            arrays[name] = _redrawn(name, arrays[name], scheme, generator)
    text = config.get("text_config", config)
    size = text.get("vocab_size")
    vocabulary = {"words": words, "size": size, "order": None} if size else {}
    return Model(arrays, config, vocabulary)


def _initial(name: str, shape: tuple[int, ...], spread: float | None, generator: np.random.Generator) -> Any:
    if len(shape) == 1 and name.endswith("weight"):
        return np.ones(shape, np.float32)
    if name.endswith("running_var"):
        return np.ones(shape, np.float32)
    if len(shape) == 1 and not name.endswith("class_embedding"):
        return np.zeros(shape, np.float32)
    std = spread or (2 / np.prod(shape[1:])) ** 0.5
    return (std * generator.standard_normal(shape)).astype(np.float32)


def _redrawn(name: str, old: Any, scheme: str, generator: np.random.Generator) -> Any:
    """One matrix by another scheme; `old` is the normal one."""
    into, out = int(np.prod(old.shape[1:])), old.shape[0]
    if scheme == "deep":
        return np.asarray(old / 3, np.float32) if _WRITER.search(name) else old
    if scheme == "truncated":
        return np.clip(old, -2 * old.std(), 2 * old.std())
    if scheme == "he":
        return np.asarray((2 / into) ** 0.5 * generator.standard_normal(old.shape), np.float32)
    if scheme == "xavier":
        return generator.uniform(-1, 1, old.shape).astype(np.float32) * np.float32((6 / (into + out)) ** 0.5)
    if scheme == "orthogonal":
        q, _ = np.linalg.qr(generator.standard_normal((max(into, out), min(into, out))))
        return np.asarray((q if out >= into else q.T).reshape(old.shape) * 0.4, np.float32)
    raise ValueError(f"no scheme of initialisation is called {scheme}")
