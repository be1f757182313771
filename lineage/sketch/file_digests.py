"""SHA-256 of the files that hold a model, for formats that identify files, not weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from threading import Event

from lineage.checkpoints import is_remote, open_checkpoint
from lineage.errors import CheckpointError
from lineage.sketch.checkpoint_pass import sketch_checkpoint
from lineage.sketch.sketch_file import is_sketch_file
from lineage.types import Depth

Digests = tuple[tuple[str, str], ...]
"""(name, SHA-256) of each file."""

_PIECE = 1 << 20  # bytes read at a time


def file_digests(source: str, model: str, depth: Depth) -> Digests:
    """The digests of the files that hold the weights at `source`, if these are still the model of that id.

    They are sketched to that depth while their digests are taken. Empty where `taken_beside` gives none, and for files
    that are damaged.
    """
    with taken_beside(source) as taken:
        try:
            return taken() if sketch_checkpoint(open_checkpoint(source), depth).id == model else ()
        except (CheckpointError, OSError):
            return ()


@contextmanager
def taken_beside(source: str) -> Iterator[Callable[[], Digests]]:
    """Take the digests of the files that hold the weights at `source` while the caller sketches these.

    What is yielded waits for the digests. They are those of the bytes that were sketched: there are none where a file
    was changed from the beginning of the block on. Nor are there any for an address or a sketch, and where a part of
    the weights lies in other files.
    """
    stop = Event()
    files = _files(source)
    seals = _seals(files)
    with ThreadPoolExecutor(1) as pool:
        running = [pool.submit(_sha256, file, stop) for file in files]

        def taken() -> Digests:
            try:
                found = [(_name(file, Path(source)), one.result()) for file, one in zip(files, running, strict=True)]
            except OSError:
                return ()
            return tuple(found) if seals is not None and _seals(files) == seals else ()

        try:
            yield taken
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)


def _files(source: str) -> Sequence[Path]:
    if is_remote(source) or is_sketch_file(source) or not Path(source).exists():
        return ()
    try:
        checkpoint = open_checkpoint(source)
        files = [Path(file) for file in checkpoint.files]
        return files if sum(file.stat().st_size for file in files) == checkpoint.nbytes else ()
    except (CheckpointError, OSError):
        return ()


def _seals(files: Sequence[Path]) -> list[tuple[int, ...]] | None:
    """What changes with each file: its size, its times, which file it is; None where one has gone."""
    try:
        told = [file.stat() for file in files]
    except OSError:
        return None
    return [(one.st_size, one.st_mtime_ns, one.st_ctime_ns, one.st_ino) for one in told]


def _name(file: Path, source: Path) -> str:
    return file.relative_to(source).as_posix() if source in file.parents else file.name


def _sha256(file: Path, stop: Event) -> str:
    """The digest; of a beginning, which nobody asks for, once `stop` is set."""
    digest, piece = sha256(), bytearray(_PIECE)
    with file.open("rb", buffering=0) as opened:
        while not stop.is_set() and (count := opened.readinto(piece)):
            digest.update(memoryview(piece)[:count])
    return digest.hexdigest()
