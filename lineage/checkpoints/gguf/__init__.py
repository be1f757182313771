"""GGUF: the format of llama.cpp, its block types, its names and its row order."""

from lineage.checkpoints.gguf.reader import GgufReader
from lineage.checkpoints.gguf.restoring import restored

__all__ = ["GgufReader", "restored"]
