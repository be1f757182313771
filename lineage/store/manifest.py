"""An index as a portable folder: sketches, records, and a manifest that says what each file must be.

    manifest.json            every file with its SHA-256 and size
    sketches/ID.sketch       the first layout of a model; ID.LAYOUT.sketch another
    catalogue/ID.json        a record: name, source, licence, what it declares

index/FORMAT.md, section 6, is normative. Nothing from elsewhere is trusted before it is checked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from lineage.errors import Malformed
from lineage.sketch import FAMILY

MANIFEST = "manifest.json"
SCHEMA = "lineage/manifest/1"
MOST_BYTES = 256 << 20  # of a manifest: two million files
_MOST_FILE = 1 << 30
_PATH = re.compile(r"sketches/[0-9a-f]{8,64}(\.[0-9a-f]{8,64})?\.sketch|catalogue/[0-9a-f]{8,64}\.json")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class File:
    """One file of an exported index: its path inside, its SHA-256 (hexadecimal), its size in bytes."""

    path: str
    sha256: str
    size: int

    def is_content(self, content: bytes) -> bool:
        """Whether these are its bytes."""
        return len(content) == self.size and sha256(content).hexdigest() == self.sha256


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an exported index consists of. `index_id` is that of its models, as answers name it."""

    index_id: str
    models: int
    files: tuple[File, ...]

    @property
    def total(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


def file_of(path: str, content: bytes) -> File:
    """The entry of a file with that content."""
    return File(path, sha256(content).hexdigest(), len(content))


def manifest_bytes(index_id: str, models: int, files: Iterable[File]) -> bytes:
    """The manifest as JSON; equal indexes have equal bytes."""
    ordered = sorted(files, key=lambda file: file.path)
    listed = [{"path": file.path, "sha256": file.sha256, "bytes": file.size} for file in ordered]
    said = {"schema": SCHEMA, "family": FAMILY, "index_id": index_id, "models": models, "files": listed}
    return (json.dumps(said, indent=1) + "\n").encode("ascii")


def read_manifest(content: bytes, where: str) -> Manifest:
    """Read a manifest, which may come from anywhere. Raises Malformed.

    A path can only be that of a sketch or a record, so that nothing is written elsewhere.
    """
    try:
        said: Any = json.loads(content)
        if (said["schema"], said["family"]) != (SCHEMA, FAMILY):
            raise Malformed(where, f"is of {said['schema']!r}, {said['family']!r}; this reads {SCHEMA!r}, {FAMILY!r}")
        files = tuple(File(one["path"], one["sha256"], one["bytes"]) for one in said["files"])
        found = Manifest(str(said["index_id"]), int(said["models"]), files)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Malformed(where, f"is not a manifest of an index ({error})") from error
    _require_sound(files, where)
    return found


def _require_sound(files: Sequence[File], where: str) -> None:
    for one in files:
        if not isinstance(one.path, str) or not _PATH.fullmatch(one.path):
            raise Malformed(where, f"names a file {str(one.path)[:80]!r}, which no index has")
        if not isinstance(one.sha256, str) or not _DIGEST.fullmatch(one.sha256):
            raise Malformed(where, f"gives {one.path} no SHA-256")
        if type(one.size) is not int or not 0 < one.size <= _MOST_FILE:
            raise Malformed(where, f"gives {one.path} an impossible size")
    if len({one.path for one in files}) != len(files):
        raise Malformed(where, "names a file twice")


def kept(folder: Path, file: File) -> bool:
    """Whether `folder` has that file with that content already."""
    place = folder / file.path
    return place.is_file() and place.stat().st_size == file.size and file.is_content(place.read_bytes())
