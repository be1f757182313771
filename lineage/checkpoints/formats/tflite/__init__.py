"""TFLite models: the constant tensors of a FlatBuffer, dequantised, with their axes in the order of torch."""

from __future__ import annotations

from lineage.checkpoints.formats.tflite.model import TfliteReader

__all__ = ["TfliteReader"]
