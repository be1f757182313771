"""Untrusted bytes to a lazy list of tensors that can read row bands; one module a format."""

from __future__ import annotations

from lineage.checkpoints.opening import open_checkpoint

__all__ = ["open_checkpoint"]
