"""Small stand-ins for the models of the debate of January 2026: true tensor names, folders and proportions.

The values are drawn here, so nothing that is found in them is about a model of that debate. What is true of the real
ones is how their tensors are called and shaped (scripts/debate_shapes.py), divided by about forty in width and by eight
in depth. How they are related is decided here:

- `sight` stands beside `think`: the vision encoder of `think` is that of `sight` after more training;
- `omni` has the audio encoder that `think` has, value for value, under other names;
- the decoders, and the mixtures of experts `open_moe` and `air`, were drawn apart; `tuned_air` comes from `air`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from debate_shapes import Experts, Hearing, Shapes, Sight, Text, audio, decoder, linear, norm, vision
from safetensors.numpy import save_file

from tests.small_models import tuned
from tests.synthetic import Arrays
from tests.tokenizer_files import hangul, pool, tokenizer_json, trained, write

TUNED = 0.1  # of each tensor's spread: a cosine of 0.995
SIGHT, HEARING = Sight(width=64, depth=4, mlp=172, out=96), Hearing(width=64, depth=4, bands=32)
QWEN = Text(96, 5, 96, 16, 256, 900, bias=True)
THINK = Text(96, 7, 96, 16, 400, 800, post_norm=True)
AIR, OPEN = Text(64, 4, 192, 16, 171, 800, bias=True), Text(64, 4, 128, 16, None, 1000)


def drawn(seed: int, shapes: Shapes) -> Arrays:
    """Values of one training of its own: normal ones, gains that stayed near 1."""
    random = np.random.default_rng(seed)
    made: Arrays = {}
    for name, shape in shapes.items():
        is_gain = name.endswith(".weight") and len(shape) == 1
        values = (1 if is_gain else 0) + (0.1 if is_gain else 0.03) * random.standard_normal(shape)
        made[name] = values.astype(np.float16)
    return made


def trained_on(weights: Arrays, seed: int, by: float = TUNED) -> Arrays:
    return {name: value.astype(np.float16) for name, value in tuned(weights, seed, by).items()}


def renamed(weights: Arrays, before: str, after: str) -> Arrays:
    return {name.replace(before, after, 1): value for name, value in weights.items()}


def sight() -> Arrays:
    """As Qwen2.5-VL is saved."""
    return drawn(1, vision("visual.", SIGHT)) | drawn(2, decoder("", QWEN))


def omni() -> Arrays:
    """As Qwen2.5-Omni is saved: the thinker with its encoders, its vision encoder trained on, and a talker."""
    at = "thinker.audio_tower."
    own = drawn(4, audio(at, HEARING)) | drawn(
        3, norm(f"{at}ln_post", 64, bias=True) | linear(f"{at}proj", 96, 64, bias=True)
    )
    seen = renamed(trained_on(drawn(1, vision("visual.", SIGHT)), 5), "visual.", "thinker.visual.")
    talker = drawn(6, decoder("talker.", Text(96, 2, 96, 16, 256, 300, bias=True)))
    del talker["talker.lm_head.weight"]
    return own | seen | drawn(7, decoder("thinker.", QWEN)) | talker


def think() -> Arrays:
    """As HyperCLOVA X SEED is saved: Qwen's encoders under names of its own, projectors and a decoder of its own."""
    seen = renamed(trained_on(drawn(1, vision("visual.", SIGHT)), 9), "visual.", "model.vision_model.")
    heard = drawn(4, audio("model.audio_model.", HEARING))
    between = linear("model.mm_projector", 96, 96, bias=True) | linear("model.audio_projector", 96, 64, bias=True)
    return seen | heard | drawn(8, between) | drawn(10, decoder("model.language_model.", THINK))


def air() -> Arrays:
    """As GLM-4.5-Air is saved."""
    return drawn(11, decoder("", AIR, Experts(16, 22, dense=1)))


def open_moe() -> Arrays:
    """As Solar Open is saved."""
    return drawn(12, decoder("", OPEN, Experts(16, 20)))


def tuned_air() -> Arrays:
    """As INTELLECT-3 is to GLM-4.5-Air."""
    return trained_on(air(), 13, 0.03)


MAKERS: Mapping[str, Callable[[], Arrays]] = {
    "sight": sight, "omni": omni, "think": think, "air": air, "tuned_air": tuned_air, "open_moe": open_moe,
}  # fmt: skip


def _text(model_type: str, text: Text, **more: Any) -> dict[str, Any]:
    sizes = {"hidden_size": text.width, "num_hidden_layers": text.depth, "vocab_size": text.tokens}
    heads = {"num_attention_heads": text.heads // 16, "num_key_value_heads": text.keys // 16, "head_dim": 16}
    return {"model_type": model_type, **sizes, **heads, **more}


_EXPERTS = {"n_routed_experts": 16, "num_experts_per_tok": 8, "n_shared_experts": 1}
_VISION = {
    "model_type": "qwen2_5_vl", "depth": 4, "hidden_size": 64, "num_heads": 4, "intermediate_size": 172,
    "patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2, "window_size": 112, "out_hidden_size": 96,
}  # fmt: skip
_AUDIO = {"encoder_layers": 4, "d_model": 64, "encoder_attention_heads": 4, "encoder_ffn_dim": 256, "num_mel_bins": 32}
_THINKER = {
    "model_type": "qwen2_5_omni_thinker",
    "audio_config": {"model_type": "qwen2_5_omni_audio_encoder", **_AUDIO},
    "vision_config": {**_VISION, "model_type": "qwen2_5_omni_vision_encoder"},
    "text_config": _text("qwen2_5_omni_text", QWEN),
}
CONFIGS: Mapping[str, dict[str, Any]] = {
    "sight": {**_text("qwen2_5_vl", QWEN), "vision_config": _VISION},
    "omni": {"model_type": "qwen2_5_omni", "thinker_config": _THINKER},
    "think": {
        "model_type": "vlm",
        "text_config": _text("hyperclovax", THINK),
        "vision_config": _VISION,
        "audio_config": {"model_type": "qwen2_audio_encoder", **_AUDIO},
    },
    "air": _text("glm4_moe", AIR, **_EXPERTS, first_k_dense_replace=1),
    "tuned_air": _text("glm4_moe", AIR, **_EXPERTS, first_k_dense_replace=1),
    "open_moe": _text("solar_open", OPEN, **_EXPERTS),
}
CARDS = {
    "think": "---\nlicense: other\nlicense_name: hyperclovax-seed\n---\n",
    "tuned_air": "---\nlicense: mit\nbase_model: stand-in/air\n---\n",
}
_VOCABULARIES = {"sight": 4, "omni": 4, "think": 5, "open_moe": 6, "air": 7, "tuned_air": 7}


def tokens(name: str) -> Sequence[str]:
    """The vocabulary of a stand-in: `think` has its own, `tuned_air` that of `air`, `omni` that of `sight`."""
    base = trained(pool(), 4000, _VOCABULARIES[name])
    return [*base, *hangul(400)] if name == "think" else base


def saved(name: str, folder: Path) -> Path:
    """A repository as the hub has it: shards with their index, config, tokenizer, card; decoders in sub-folders."""
    folder.mkdir()
    weights = MAKERS[name]()
    names = list(weights)
    shards = {f"model-{i + 1:05}-of-00003.safetensors": names[i::3] for i in range(3)}
    for file, held in shards.items():
        save_file({one: weights[one] for one in held}, folder / file, metadata={"format": "pt"})
    total = sum(value.nbytes for value in weights.values())
    places = {one: file for file, held in shards.items() for one in held}
    index = {"metadata": {"total_size": total}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "config.json").write_text(json.dumps(CONFIGS[name]))
    write(folder, "tokenizer.json", tokenizer_json(tokens(name)))
    (folder / "README.md").write_text(CARDS.get(name, ""))
    for part in ("audio", "vision") if name == "think" else ():
        (folder / "decoder" / part).mkdir(parents=True)
        save_file(drawn(20, linear("proj", 32, 32)), folder / "decoder" / part / "model.safetensors")
    return folder
