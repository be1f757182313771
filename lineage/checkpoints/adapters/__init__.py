"""Low-rank adapters: changes to a model, not models themselves; what they add, and what they make of their base."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lineage.on_first_use import names_of

if TYPE_CHECKING:
    from lineage.checkpoints.adapters.config import CONFIG
    from lineage.checkpoints.adapters.merging import merged
    from lineage.checkpoints.adapters.names import is_adapter
    from lineage.checkpoints.adapters.reading import read_adapter
    from lineage.checkpoints.adapters.trainers import read_with_scale
    from lineage.checkpoints.adapters.unmerged import without_adapter

__all__ = ["CONFIG", "is_adapter", "merged", "read_adapter", "read_with_scale", "without_adapter"]

__getattr__ = names_of(
    __name__,
    {
        "CONFIG": "config", "is_adapter": "names", "merged": "merging", "read_adapter": "reading",
        "read_with_scale": "trainers", "without_adapter": "unmerged",
    },
)  # fmt: skip
