"""Compressed and checked containers, opened so that their insides can be damaged, and closed again."""

from __future__ import annotations

import bz2
import io
import warnings
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from random import Random

Change = Callable[[bytes], bytes]
_ZLIB = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")


def changed_inside(content: bytes, change: Change, random: Random) -> bytes | None:
    """`content` with `change` done to what it packs, sums right again; None where it packs nothing."""
    with suppress(zipfile.BadZipFile, zlib.error, RuntimeError, ValueError, OSError, EOFError):  # damaged before
        if content.startswith(b"PK\x03\x04"):
            return _in_zip(content, change, random)
        if content.startswith(_ZLIB):
            return zlib.compress(change(zlib.decompress(content)), 1)
        if content.startswith(b"\x04\x22\x4d\x18"):
            return _in_lz4(content, change)
        if content.partition(b"=\n")[0].isdigit() and b"=\n" in content:
            return _in_ani(content, change)
    return None


def _in_zip(content: bytes, change: Change, random: Random) -> bytes:
    """One member changed."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [(info, archive.read(info)) for info in archive.infolist()]
    victim = random.randrange(len(members)) if members else 0
    written = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(written, "w") as archive:
        warnings.simplefilter("ignore")  # two members of one name are as good a damage as any
        for number, (info, data) in enumerate(members):
            archive.writestr(info, change(data) if number == victim else data)
    return written.getvalue()


def _in_lz4(content: bytes, change: Change) -> bytes:
    from lz4 import frame

    return bytes(frame.compress(change(frame.decompress(content))))


def _in_ani(content: bytes, change: Change) -> bytes:
    """The text of a network: its packed length, then bzip2."""
    packed = bz2.compress(change(bz2.decompress(content.split(b"=\n", 1)[1])))
    return b"%d=\n" % len(packed) + packed
