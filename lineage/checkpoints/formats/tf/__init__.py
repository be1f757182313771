"""TensorFlow: the tensor bundle, alone or inside a SavedModel, and graphs with the weights in them."""

from __future__ import annotations

from lineage.checkpoints.formats.tf.bundle import BundleReader
from lineage.checkpoints.formats.tf.frozen import FrozenGraphReader
from lineage.checkpoints.formats.tf.saved_model import SavedModelReader

__all__ = ["BundleReader", "FrozenGraphReader", "SavedModelReader"]
