"""Untrusted bytes to a lazy list of tensors that can read row bands; one module a format."""

from __future__ import annotations

from lineage.checkpoints.beside import beside
from lineage.checkpoints.opening import open_checkpoint, open_merged
from lineage.checkpoints.remote import is_remote, require_hub, shown

__all__ = ["beside", "is_remote", "open_checkpoint", "open_merged", "require_hub", "shown"]
