"""Files that are there as a whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_whole(target: Path, payload: bytes, *, durable: bool = True) -> None:
    """Write `payload` so that a reader sees the old file or the whole new one, on disk before it is seen if `durable`.

    Raises OSError, which names the target, and leaves nothing behind then.
    """
    try:
        handle, scratch = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(payload)
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
