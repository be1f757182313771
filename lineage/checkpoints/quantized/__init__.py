"""Quantised weights: which stored tensors make one, and its values again."""

from lineage.checkpoints.quantized.dequantizing import dequantized

__all__ = ["dequantized"]
