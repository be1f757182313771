"""An archive as the folder that it would be unpacked to: tar (NeMo's .nemo), zip (TorchServe's .mar), llamafile.

Nothing is unpacked: members are read where they lie, or inflated into memory within limits. A llamafile is a program
with a zip behind it. Sources: NeMo's save_restore_connector.py, https://github.com/pytorch/serve (model-archiver),
https://github.com/Mozilla-Ocho/llamafile (zipalign).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Protocol

from lineage.checkpoints.folders.folder import ARCHIVE, Weights
from lineage.checkpoints.io.archive import Archive
from lineage.checkpoints.io.byte_sources import Memory
from lineage.checkpoints.io.bytes import ByteSource, Folder, PositionedFile
from lineage.checkpoints.io.quoting import quoted
from lineage.checkpoints.io.tar import BLOCK, Tar, is_tar
from lineage.errors import CheckpointError, Malformed, Truncated

MAX_DEPTH = 16  # folders in folders
_PROGRAM = re.compile(rb"\x7fELF|MZ")
_COMPRESSED = re.compile(rb"\x1f\x8b\x08|BZh|\xfd7zXZ\0")  # gzip, bzip2, xz


class Members(Protocol):
    """The files in an archive."""

    @property
    def names(self) -> tuple[str, ...]:
        """Their names, with / between folders."""

    def source(self, name: str) -> ByteSource:
        """The bytes of one."""


class PackedFile(PositionedFile):
    """A file in an archive."""

    def __init__(self, folder: PackedFolder, name: str, source: ByteSource) -> None:
        self.path = folder.path / name
        self.meter = folder.meter
        self.size = source.size
        self._folder = folder
        self._source = source

    @property
    def folder(self) -> Folder:
        """The folder that the file lies in, in the archive."""
        return self._folder

    @property
    def homes(self) -> Sequence[tuple[Folder, str]]:
        """The same with the name; links in an archive are not followed."""
        return [(self._folder, self.path.name)]

    def _read(self, offset: int, buffer: memoryview) -> int:
        length = min(len(buffer), self.size - offset)
        self._source.fill(offset, buffer[:length])
        return length


class PackedFolder:
    """A folder in an archive: its files and folders are those of `names` that begin with `prefix`.

    `names` are the members by name, without ./ in front.
    """

    def __init__(self, archive: PositionedFile, path: Path, members: Members, names: Mapping[str, str]) -> None:
        self.archive = archive
        self.path = path
        self.meter = archive.meter
        self._members = members
        self._names = names
        self._prefix = ""

    def files(self) -> list[str]:
        """Names of the files, in order, hidden ones left out."""
        return sorted(name for name in self._below() if "/" not in name and not name.startswith("."))

    def folders(self) -> list[PackedFolder]:
        """Folders in this one."""
        heads = {name.split("/")[0] for name in self._below() if "/" in name}
        return [self.within(head) for head in sorted(heads) if not head.startswith(".")]

    def within(self, name: str) -> PackedFolder:
        """The folder of that name in this one."""
        found = PackedFolder(self.archive, self.path / name, self._members, self._names)
        found._prefix = f"{self._prefix}{name}/"
        return found

    def holds(self, name: str) -> bool:
        """Whether there is such a file or folder. Raises Malformed for a name that leads out of the folder."""
        place = self._prefix + self._inside(name)
        return place in self._names or any(other.startswith(f"{place}/") for other in self._names)

    def open(self, name: str) -> PositionedFile:
        """Open a file. Raises Malformed for a name that leads out of the folder, CheckpointError for one of no file."""
        inside = self._inside(name)
        place = self._names.get(self._prefix + inside)
        if place is None:
            raise CheckpointError(self.path / name, "no such file in the archive")
        home = self
        for part in PurePosixPath(inside).parts[:-1]:
            home = home.within(part)
        return PackedFile(home, PurePosixPath(inside).name, self._members.source(place))

    def _below(self) -> list[str]:
        return [name.removeprefix(self._prefix) for name in self._names if name.startswith(self._prefix)]

    def _inside(self, name: str) -> str:
        place = PurePosixPath(name)
        if ".." in place.parts or place.is_absolute():
            raise Malformed(self.path, f"{quoted(name)} lies outside the folder: refused")
        return str(place)


def unpacked(file: PositionedFile) -> PackedFolder | None:
    """The folder that a file packs, None for what is not an archive or itself a model in a zip.

    Folders that hold nothing but one other are passed through. Raises CheckpointError for an archive that is damaged.
    """
    members = _members(file)
    if members is None:
        return None
    names: dict[str, str] = {}
    for name in members.names:
        place = PurePosixPath(name)
        if ".." in place.parts or place.is_absolute() or "\0" in name:
            raise Malformed(file.path, f"member {quoted(name)} would leave the folder it is unpacked in: refused")
        if len(place.parts) > MAX_DEPTH:
            raise Malformed(file.path, f"member {quoted(name)} lies more than {MAX_DEPTH} folders deep")
        if names.setdefault(str(place), name) != name:
            raise Malformed(file.path, f"two members are named {quoted(str(place))}")
    folder = PackedFolder(file, file.path, members, names)
    while not folder.files() and len(folder.folders()) == 1:
        folder = folder.folders()[0]
    return folder


def unpacked_in(weights: Weights) -> PackedFolder | None:
    """The folder that the only file of a model packs, by its name; archives in archives are not opened."""
    is_one = len(weights.files) == 1 and ARCHIVE.fullmatch(weights.files[0]) is not None
    if not is_one or isinstance(weights.folder, PackedFolder):
        return None
    return unpacked(weights.folder.open(weights.files[0]))


def _members(file: PositionedFile) -> Members | None:
    head = file.head(BLOCK)
    if is_tar(head):
        return Tar(file)
    if _COMPRESSED.match(head):
        return _inflated(file)
    if head.startswith(b"PK\x03\x04"):
        from lineage.checkpoints.formats.zips import is_model

        archive = Archive(file)
        return None if is_model(archive) else archive
    if _PROGRAM.match(head):
        try:
            return Archive(file)
        except Truncated:  # nothing is packed behind the program
            return None
    return None


def _inflated(file: PositionedFile) -> Tar | None:
    """The tar that a file compresses as a whole."""
    from lineage.checkpoints.formats.pickles.compressed import inflate, start_of

    return Tar(Memory(file.path, inflate(file))) if is_tar(start_of(file, BLOCK)) else None
