"""Low-rank adapters: a change to a model, no model of their own."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from lineage.errors import NoWeights

CONFIG = "adapter_config.json"
_FACTOR = re.compile(
    r"(^|[._])(lora_(A|B|a|b|up|down|embedding_A|embedding_B|magnitude_vector)|hada_w\d_[ab]|lokr_w\d(_[ab])?|ia3_l)($|[._])"
)
_BESIDE = re.compile(r"^base_model\.model\.|(^|\.)(alpha|dora_scale|modules_to_save\..*)$")


def is_adapter(names: Iterable[str]) -> bool:
    """Whether these tensors are the factors of an adapter and nothing else."""
    beside, factors = [], 0
    for name in names:
        if _FACTOR.search(name):
            factors += 1
        else:
            beside.append(name)
    return factors > 0 and all(_BESIDE.search(name) for name in beside)


def adapter_alone(path: Path, base: str | None) -> NoWeights:
    """Say that there is only an adapter, and what to do."""
    of = f" of {base}" if base else ""
    return NoWeights(path, f"holds an adapter alone{of}, no model: merge it into its base first")
