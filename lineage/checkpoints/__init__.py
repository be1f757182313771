"""Untrusted bytes to a lazy list of tensors that can read row bands; one module a format."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lineage.on_first_use import names_of

if TYPE_CHECKING:
    from lineage.checkpoints.folders.many_models import models_in
    from lineage.checkpoints.folders.side_files import beside
    from lineage.checkpoints.io.quoting import hub_hint
    from lineage.checkpoints.opening import open_checkpoint, open_merged
    from lineage.checkpoints.remote import require_hub
    from lineage.checkpoints.remote.address import is_remote, shown

__all__ = ["beside", "hub_hint", "is_remote", "models_in", "open_checkpoint", "open_merged", "require_hub", "shown"]

__getattr__ = names_of(
    __name__,
    {
        "beside": "folders.side_files", "hub_hint": "io.quoting", "is_remote": "remote.address",
        "models_in": "folders.many_models", "open_checkpoint": "opening", "open_merged": "opening",
        "require_hub": "remote", "shown": "remote.address",
    },
)  # fmt: skip
