"""The .keras archive: a zip file of a configuration and of the weights as HDF5.

Format: keras/src/saving/saving_lib.py
"""

from __future__ import annotations

from lineage.checkpoints.formats.keras.hdf5 import datasets
from lineage.checkpoints.io.archive import Archive
from lineage.checkpoints.reader import Contents

WEIGHTS = "model.weights.h5"


def read_keras(archive: Archive) -> Contents:
    """List the variables of the model in an archive. Raises MissingExtra without h5py."""
    tensors, left_out = datasets(archive.source(WEIGHTS))
    return Contents("keras", tensors, left_out)
