"""TensorFlow checkpoints: the tensor bundle, alone or inside a SavedModel."""

from __future__ import annotations

from lineage.checkpoints.tf.bundle import BundleReader
from lineage.checkpoints.tf.saved_model import SavedModelReader

__all__ = ["BundleReader", "SavedModelReader"]
