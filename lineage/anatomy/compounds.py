"""Models made of several named ones: a pipeline of diffusers, or a single file that other tools pack one into.

Prefixes of single files: `convert_original_stable_diffusion_checkpoint` of diffusers
(scripts and loaders/single_file_utils.py); those of pipelines are the keys of model_index.json.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from lineage.types import SUB_MODELS

_SINGLE_FILE = {
    "model.diffusion_model.": "unet",
    "first_stage_model.": "vae",
    "vae.": "vae",
    "cond_stage_model.": "text_encoder",
    "conditioner.embedders.0.": "text_encoder",
    "conditioner.embedders.1.": "text_encoder_2",
    "text_encoders.": "text_encoder",
    "control_model.": "controlnet",
    "embedder.": "image_encoder",
}
_MARKS = ("model.diffusion_model.", "first_stage_model.", "control_model.")
_NAMELESS = "others"


class SubModel(NamedTuple):
    """One of several models: its name, its config, and its tensors with the names that they have in it."""

    name: str
    config: Mapping[str, Any]
    tensors: list[tuple[str, str, tuple[int, ...]]]  # name in the whole, name in the sub-model, shape


def sub_models(
    names_shapes: Sequence[tuple[str, tuple[int, ...]]], config: Mapping[str, Any]
) -> tuple[SubModel, ...] | None:
    """Split a model into its sub-models, in the order of their first tensors; None for a single one."""
    configs = config.get(SUB_MODELS)
    if isinstance(configs, Mapping):
        prefixes = {f"{name}.": name for name in configs}
    elif any(name.startswith(_MARKS) for name, _ in names_shapes):
        configs, prefixes = {}, _SINGLE_FILE
    else:
        return None
    found: dict[str, SubModel] = {}
    for name, shape in names_shapes:
        prefix = next((prefix for prefix in prefixes if name.startswith(prefix)), "")
        own = prefixes[prefix] if prefix else _NAMELESS
        held = configs.get(own, {})
        sub = found.setdefault(own, SubModel(own, held if isinstance(held, Mapping) else {}, []))
        sub.tensors.append((name, name.removeprefix(prefix), shape))
    return tuple(found.values()) if len(found) > 1 or configs else None
