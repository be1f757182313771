"""Core ML models: the weights of an ML program or of a neural network, without Core ML."""

from __future__ import annotations

from lineage.checkpoints.formats.coreml.model import CoremlReader

__all__ = ["CoremlReader"]
