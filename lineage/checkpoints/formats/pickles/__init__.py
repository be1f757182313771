"""NumPy arrays in pickles and joblib files, read without NumPy's or joblib's unpickler."""

from __future__ import annotations

from lineage.checkpoints.formats.pickles.reader import CompressedPickleReader, PickleReader

__all__ = ["CompressedPickleReader", "PickleReader"]
