"""Folders as PEFT writes them: an adapter's config, and its factors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from tests.checkpoint_files import write_torch

Factors = Mapping[str, tuple[NDArray[Any], NDArray[Any]]]
"""For each module: B (out, rank) and A (rank, in)."""
PREFIX = "base_model.model."


def names_of(factors: Factors, *, prefix: str = PREFIX, kept: str = "") -> dict[str, NDArray[Any]]:
    """The tensors of an adapter; with `kept` ("default") as they are called in memory."""
    found = {}
    for module, (b, a) in factors.items():
        for part, array in (("A", a), ("B", b)):
            found[f"{prefix}{module}.lora_{part}.{f'{kept}.' if kept else ''}weight"] = np.ascontiguousarray(array)
    return found


def config_of(rank: int, **settings: Any) -> dict[str, Any]:
    """What PEFT always says; `settings` say otherwise."""
    return {
        "peft_type": "LORA", "r": rank, "lora_alpha": 2 * rank, "base_model_name_or_path": "acme/base",
        "fan_in_fan_out": False, "use_rslora": False, "use_dora": False, "rank_pattern": {}, "alpha_pattern": {},
        "modules_to_save": None, "bias": "none", "init_lora_weights": True, **settings,
    }  # fmt: skip


def write_tensors(folder: Path, tensors: Mapping[str, NDArray[Any]], config: Mapping[str, Any] | None) -> Path:
    """The folder of an adapter; without `config`, without one."""
    folder.mkdir(exist_ok=True, parents=True)
    save_file(dict(tensors), folder / "adapter_model.safetensors")
    if config is not None:
        (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


def write_adapter(folder: Path, factors: Factors, **settings: Any) -> Path:
    """The folder of an adapter with one rank for all."""
    rank = next(iter(factors.values()))[1].shape[0]
    return write_tensors(folder, names_of(factors), config_of(rank, **settings))


def write_adapter_bin(folder: Path, factors: Factors) -> Path:
    """The same as PEFT wrote it before safetensors."""
    rank = next(iter(factors.values()))[1].shape[0]
    folder.mkdir(exist_ok=True, parents=True)
    write_torch(folder, names_of(factors)).rename(folder / "adapter_model.bin")
    (folder / "adapter_config.json").write_text(json.dumps(config_of(rank)))
    return folder


def drawn(shapes: Mapping[str, tuple[int, int]], rank: int, seed: int, size: float = 0.02) -> Factors:
    """Factors as training leaves them: uniform A, normal B; products have entries of about `size`."""
    random = np.random.default_rng(seed)
    return {
        module: (
            (size * np.sqrt(3 * into / rank) * random.standard_normal((out, rank))).astype(np.float32),
            (random.uniform(-1, 1, (rank, into)) / np.sqrt(into)).astype(np.float32),
        )
        for module, (out, into) in shapes.items()
    }
