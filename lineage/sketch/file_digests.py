"""SHA-256 of the files that hold a model, for formats that identify files, not weights."""

from __future__ import annotations

from hashlib import file_digest
from pathlib import Path

from lineage.checkpoints import is_remote, open_checkpoint
from lineage.errors import CheckpointError
from lineage.sketch.checkpoint_pass import sketch_checkpoint
from lineage.sketch.sketch_file import is_sketch_file
from lineage.types import Depth


def file_digests(source: str, model: str, depth: Depth) -> tuple[tuple[str, str], ...]:
    """(name, SHA-256) of each file that holds the weights at `source`, if these are still the model of that id.

    Everything is read twice: for a sketch of that depth, whose id must be `model`, and for the digests. Empty for an
    address or a sketch, where the files have gone or changed, and where a part of the weights lies in other files.
    """
    if is_remote(source) or is_sketch_file(source) or not Path(source).exists():
        return ()
    try:
        checkpoint = open_checkpoint(source)
        files = [Path(file) for file in checkpoint.files]
        if sum(file.stat().st_size for file in files) != checkpoint.nbytes:
            return ()
        if sketch_checkpoint(checkpoint, depth).id != model:
            return ()
        return tuple((_name(file, Path(source)), _sha256(file)) for file in files)
    except (CheckpointError, OSError):
        return ()


def _name(file: Path, source: Path) -> str:
    return file.relative_to(source).as_posix() if source in file.parents else file.name


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return file_digest(opened, "sha256").hexdigest()
