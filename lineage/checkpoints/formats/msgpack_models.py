"""MessagePack files of arrays."""

from __future__ import annotations

from lineage.checkpoints.formats.flax import read_flax
from lineage.checkpoints.io.bytes import PositionedFile
from lineage.checkpoints.reader import Contents
from lineage.checkpoints.wire.msgpack import MsgpackFile
from lineage.errors import UnsupportedFormat

_MAPS = frozenset({*range(0x81, 0x90), 0xDE, 0xDF})  # first bytes of a dictionary that is not empty
_SHORT_TEXTS = range(0xA1, 0xC0)
_LISTS = frozenset(bytes([first]) for first in (*range(0x90, 0xA0), 0xDC, 0xDD))
_WIDE = {0xDE: 2, 0xDF: 4}


class MsgpackReader:
    """One dictionary: parameters of flax."""

    def recognises(self, head: bytes) -> bool:
        """A dictionary whose first name is a short printable text, or fixed bytes of one, of anything but a list."""
        if len(head) < 8 or head[0] not in _MAPS:
            return False
        at = 1 + _WIDE.get(head[0], 0)
        if head[at] == 0xD9:
            size, start = head[at + 1], at + 2
        elif head[at] in _SHORT_TEXTS:
            size, start = head[at] & 0x1F, at + 1
        else:
            return False
        name = head[start : start + size]
        is_list = head[start + size : start + size + 1] in _LISTS  # flax writes them as dictionaries
        return bool(name) and name.isascii() and name.decode("ascii").isprintable() and not is_list

    def read(self, file: PositionedFile) -> Contents:
        """List the arrays. Raises UnsupportedFormat for any other data."""
        opened = MsgpackFile(file)
        tree = opened.value()
        if not isinstance(tree, dict):
            raise UnsupportedFormat(file.path, "is MessagePack, but not a model")
        return read_flax(opened, tree)
