"""What a JSON file describes: the values that lie beside it, or behind it."""

from __future__ import annotations

from lineage.checkpoints.formats.described_binary import TENSORS, read_raw
from lineage.checkpoints.formats.equinox import read_leaves, settings_end
from lineage.checkpoints.formats.tfjs import MANIFEST, is_manifest, read_tfjs
from lineage.checkpoints.io import strict_json
from lineage.checkpoints.io.bytes import PositionedFile
from lineage.checkpoints.reader import Contents

MAX_JSON = 64 << 20  # bytes


class JsonReader:
    """JSON: of tfjs or of values without any header, which lie beside it, or of Equinox, before arrays."""

    def recognises(self, head: bytes) -> bool:
        """An object, or the array that tfjs's bare weightsManifest is."""
        return head.lstrip()[:1] in (b"{", b"[")

    def read(self, file: PositionedFile) -> Contents:
        """List the tensors that it describes."""
        start = settings_end(file)
        if start is not None:
            return read_leaves(file, start)
        described = strict_json.read_json(file, MAX_JSON)
        if not isinstance(described, dict):
            return read_tfjs(file, described if is_manifest(described) else None)
        if TENSORS in described and MANIFEST not in described:
            return read_raw(file, described)
        return read_tfjs(file, described.get(MANIFEST))
