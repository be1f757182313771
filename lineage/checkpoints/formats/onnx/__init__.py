"""ONNX models: the weights of a graph, named, oriented and dequantised as far as the graph allows. Nothing is run."""

from __future__ import annotations

from lineage.checkpoints.formats.onnx.model import OnnxReader

__all__ = ["OnnxReader"]
