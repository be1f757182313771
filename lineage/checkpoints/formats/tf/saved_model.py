"""A SavedModel: a folder with a graph, which is not examined, and the variables of the model as a tensor bundle."""

from __future__ import annotations

import re

from lineage.checkpoints.formats.tf.bundle import BundleReader
from lineage.checkpoints.io.bytes import PositionedFile
from lineage.checkpoints.reader import Contents
from lineage.errors import NoWeights

VARIABLES = "variables/variables.index"
_SIZE = rb"[\x80-\xff]*[\x00-\x7f]"
_GRAPH = re.compile(rb"\x08\x01\x12(?:\x00|" + _SIZE + rb"\x0a" + _SIZE + rb"[^\x0a])", re.DOTALL)


class SavedModelReader:
    """`saved_model.pb`, for the variables beside it."""

    def recognises(self, head: bytes) -> bool:
        """A schema version of 1, then the first graph, which begins with facts about it.

        A Core ML model of version 1 begins alike, but the first message in its second field begins with a name.
        """
        return _GRAPH.match(head) is not None

    def read(self, file: PositionedFile) -> Contents:
        """List the variables. Raises NoWeights if the graph has none beside it."""
        folder = file.folder
        if not folder.holds(VARIABLES):
            raise NoWeights(file.path, f"is the graph of a SavedModel without {VARIABLES}: its weights are missing")
        return BundleReader().read(folder.open(VARIABLES))
