"""GGUF: the format of llama.cpp, its block types, its names and its row order."""

from lineage.checkpoints.formats.gguf.reader import GgufReader
from lineage.checkpoints.formats.gguf.restoring import restored

__all__ = ["GgufReader", "restored"]
