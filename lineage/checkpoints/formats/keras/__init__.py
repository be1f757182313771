"""Keras models: HDF5 files, and the .keras archive that holds one."""

from __future__ import annotations

from lineage.checkpoints.formats.keras.archive import WEIGHTS, read_keras
from lineage.checkpoints.formats.keras.hdf5 import Hdf5Reader

__all__ = ["WEIGHTS", "Hdf5Reader", "read_keras"]
