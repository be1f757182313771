"""Quantised weights: which stored tensors make one, and its values again."""

from lineage.checkpoints.decode.quantized.dequantizing import dequantized, one_weight

__all__ = ["dequantized", "one_weight"]
