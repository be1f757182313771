"""ncnn models: a text that lists the layers, and their weights without names in a file beside it."""

from __future__ import annotations

from lineage.checkpoints.formats.ncnn.model import NcnnReader

__all__ = ["NcnnReader"]
