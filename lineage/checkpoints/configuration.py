"""The settings of a model from its config.json, by part and under common names."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from lineage.types.settings import ConfiguredPart, PartConfiguration, SettingValue

_NAMES: Mapping[str, tuple[str, ...]] = {
    "attention_bias": ("qkv_bias",),
    "first_k_dense_replace": (),
    "fullatt_block_indexes": (),
    "head_dim": (),
    "hidden_size": ("n_embd", "d_model", "embed_dim", "dim"),
    "image_size": (),
    "intermediate_size": ("n_inner", "ffn_dim", "d_ff", "encoder_ffn_dim"),
    "kv_lora_rank": (),
    "max_position_embeddings": ("n_positions", "n_ctx", "max_source_positions"),
    "moe_intermediate_size": (),
    "n_group": (),
    "norm_eps": ("rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon"),
    "num_attention_heads": ("n_head", "num_heads", "encoder_attention_heads"),
    "num_experts": ("n_routed_experts", "num_local_experts"),
    "num_experts_per_tok": ("moe_topk",),
    "num_hidden_layers": ("n_layer", "num_layers", "depth", "encoder_layers"),
    "num_key_value_heads": (),
    "num_mel_bins": (),
    "num_shared_experts": ("n_shared_experts",),
    "out_hidden_size": ("output_dim",),
    "patch_size": (),
    "q_lora_rank": (),
    "qk_nope_head_dim": (),
    "qk_rope_head_dim": (),
    "rope_theta": (),
    "routed_scaling_factor": (),
    "sliding_window": (),
    "spatial_merge_size": (),
    "temporal_patch_size": (),
    "tie_word_embeddings": (),
    "topk_group": (),
    "v_head_dim": (),
    "vocab_size": (),
    "window_size": (),
}
"""Settings that shape a model, each with other names that files give it."""
SETTINGS = frozenset(_NAMES)
_PARTS: Mapping[str, ConfiguredPart] = {
    "text_config": "text",
    "llm_config": "text",
    "language_config": "text",
    "thinker_config": "text",
    "vision_config": "vision",
    "visual": "vision",
    "audio_config": "audio",
    "audio_encoder_config": "audio",
}
_DEPTH = 3
_MOST_WORD, _MOST_LIST, _MOST_NUMBER = 64, 16, 1 << 53


def parts_of(config: Mapping[str, Any]) -> tuple[PartConfiguration, ...]:
    """The settings of each part that a config describes; empty if it describes none.

    Settings at the top level belong to the text part, or to the only part of a pure image or audio model.
    """
    found: dict[ConfiguredPart, dict[str, SettingValue]] = {}
    types: dict[ConfiguredPart, str] = {}
    for part, values in _described(config, _part_at_top(config), 0):
        found[part] = {**_settings(values), **found.get(part, {})}
        word = values.get("model_type")
        if isinstance(word, str) and 0 < len(word) <= _MOST_WORD and word.isprintable():
            types.setdefault(part, word)
    return tuple(
        PartConfiguration(part, types.get(part), tuple(sorted(settings.items())))
        for part, settings in sorted(found.items())
        if settings
    )


def _described(
    config: Mapping[str, Any], part: ConfiguredPart, depth: int
) -> Iterator[tuple[ConfiguredPart, Mapping[str, Any]]]:
    """Each part with the values that apply to it, the most specific first."""
    for key, inner in config.items():
        if key in _PARTS and isinstance(inner, Mapping) and depth < _DEPTH:
            yield from _described(inner, _PARTS[key], depth + 1)
    yield part, config


def _part_at_top(config: Mapping[str, Any]) -> ConfiguredPart:
    if "vocab_size" in config or "text_config" in config:
        return "text"
    return "vision" if "patch_size" in config else "audio" if "num_mel_bins" in config else "text"


def _settings(values: Mapping[str, Any]) -> dict[str, SettingValue]:
    rope = values.get("rope_parameters")
    inner = {"rope_theta": rope["rope_theta"]} if isinstance(rope, Mapping) and "rope_theta" in rope else {}
    held = {**inner, **values}
    found = {}
    for name, others in _NAMES.items():
        value = next((_value(held[word]) for word in (name, *others) if word in held), None)
        if value is not None:
            found[name] = value
    return found


def _value(value: Any) -> SettingValue | None:
    """A value that can be compared and shown; None for any other."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) <= _MOST_NUMBER else None
    if isinstance(value, float):
        is_shown = math.isfinite(value) and abs(value) <= _MOST_NUMBER
        return None if not is_shown else int(value) if value == int(value) else value
    if isinstance(value, list) and 0 < len(value) <= _MOST_LIST and all(type(one) is int for one in value):
        return " ".join(str(one) for one in value)
    return value if isinstance(value, str) and 0 < len(value) <= _MOST_WORD and value.isprintable() else None
