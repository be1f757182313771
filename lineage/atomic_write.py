"""Files that are there as a whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def write_whole(target: Path, payload: bytes, *, durable: bool = True) -> None:
    """Write `payload` as `written_whole` does."""
    with written_whole(target, durable=durable) as file:
        file.write(payload)


@contextmanager
def written_whole(target: Path, *, durable: bool = True) -> Iterator[BinaryIO]:
    """A file to write in; readers see the old one or the whole new one, on disk before it is seen if `durable`.

    Raises OSError, which names the target, and leaves nothing behind then.
    """
    try:
        handle, scratch = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            Path(scratch).chmod(0o644)
            Path(scratch).replace(target)
        except BaseException:
            Path(scratch).unlink(missing_ok=True)
            raise
    except OSError as error:
        if error.errno is not None:
            error.filename, error.filename2 = str(target), None
        raise
