"""Archives of model folders: tar as NeMo writes it, zip as TorchServe does, a program with a zip behind it."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Mapping

PROGRAM = b"\x7fELF" + bytes(range(256)) * 8


def tar_of(
    files: Mapping[str, bytes], *, root: str = "./", mode: str = "w", format_: int = tarfile.PAX_FORMAT
) -> bytes:
    """A tar with nothing behind the two blocks that end it."""
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode=mode, format=format_) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(root + name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        end = archive.offset
    return held.getvalue()[: end + 1024] if mode == "w" else held.getvalue()


def zip_of(files: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return held.getvalue()


def llamafile_of(files: Mapping[str, bytes]) -> bytes:
    return PROGRAM + zip_of(files)
