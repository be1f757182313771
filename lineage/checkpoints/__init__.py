"""Untrusted bytes to a lazy list of tensors that can read row bands; one module a format."""

from __future__ import annotations

from lineage.checkpoints.opening import open_checkpoint
from lineage.checkpoints.remote import is_remote, require_hub, shown

__all__ = ["is_remote", "open_checkpoint", "require_hub", "shown"]
