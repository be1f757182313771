"""Pickles that declare themselves one of several ranks of a run, each of which holds a part of the model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lineage.checkpoints.wire.unpickler import Foreign
from lineage.errors import UnsupportedFormat

ZERO_PARTS = 3  # the stage of ZeRO from which each rank has but a part of every weight
_SIZES = ("mp_world_size", "tensor_model_parallel_size", "pipeline_model_parallel_size", "model_parallel_size")


def refuse_rank(path: Path, loaded: Any) -> None:
    """Refuse a pickle that says that it is one of several ranks of tensor or pipeline parallelism.

    DeepSpeed writes `mp_world_size` beside the weights, Megatron the arguments of the run. Raises UnsupportedFormat.
    """
    if not isinstance(loaded, dict):
        return
    if _zero_stage(loaded) == ZERO_PARTS:
        raise UnsupportedFormat(
            path, "is one rank's part of a model (DeepSpeed ZeRO stage 3): run zero_to_fp32.py, and give what it writes"
        )
    arguments = loaded.get("args")
    held = arguments.state if isinstance(arguments, Foreign) and isinstance(arguments.state, dict) else {}
    for said in (loaded, held):
        for key in _SIZES:
            size = said.get(key)
            if type(size) is int and size > 1:
                raise UnsupportedFormat(
                    path,
                    f"is one of {size} parts of a model ({key} {size}): join them with the program that trained it,"
                    " and give the whole",
                )


def _zero_stage(loaded: Mapping[Any, Any]) -> Any:
    """The stage of ZeRO that DeepSpeed's configuration has, in `ds_config` beside the weights."""
    config = loaded.get("ds_config")
    settings = config.get("zero_optimization") if isinstance(config, dict) else None
    return settings.get("stage") if isinstance(settings, dict) else None
