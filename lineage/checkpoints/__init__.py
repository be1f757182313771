"""Untrusted bytes to a lazy list of tensors that can read row bands; one module a format."""

from __future__ import annotations

from lineage.checkpoints.folders.many_models import models_in
from lineage.checkpoints.folders.side_files import beside
from lineage.checkpoints.io.quoting import hub_hint
from lineage.checkpoints.opening import open_checkpoint, open_merged
from lineage.checkpoints.remote import is_remote, require_hub, shown

__all__ = ["beside", "hub_hint", "is_remote", "models_in", "open_checkpoint", "open_merged", "require_hub", "shown"]
