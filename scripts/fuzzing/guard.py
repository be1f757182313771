"""What a process may not do while it reads an untrusted file, and how much memory it may take."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MEMORY = 768 << 20  # bytes of address space beyond what is taken when a case begins
_FORBIDDEN = (
    "exec", "import", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty", "os.startfile",
    "subprocess.", "pty.", "socket.", "http.", "urllib.", "ftplib.", "smtplib.", "ctypes.", "code.", "marshal.",
    "pickle.find_class", "shutil.", "tempfile.", "os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link",
    "os.symlink", "os.truncate", "os.chmod", "os.chown", "os.utime", "os.setxattr", "os.putenv", "os.kill", "signal.",
)  # fmt: skip
_WRITES = (
    "os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.chmod", "os.truncate", "os.utime", "tempfile.mkstemp",
)  # fmt: skip
_FOLDERS = ("os.listdir", "os.scandir", "os.chdir", "glob.glob")


class Breach(BaseException):
    """A reader did something that no reader may; no `except Exception` catches it."""


class Guard:
    """An audit hook (PEP 578) that refuses, inside `with guard.reading():`, all but reading below `folder`.

    With `may_write`, files below it may be written, renamed and deleted as well: they are an index.
    """

    def __init__(self, folder: Path, *, may_write: bool = False) -> None:
        self._may_write = may_write
        self._home = os.path.realpath(folder)
        self._is_on = False
        self.breaches: list[str] = []
        sys.addaudithook(self._heard)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Refuse from here on; what was refused before is forgotten."""
        self.breaches.clear()
        self._is_on = True
        try:
            yield
        finally:
            self._is_on = False

    def _heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._is_on:
            return
        places = [one for one in arguments[:2] if isinstance(one, (str, bytes, os.PathLike))]
        if self._may_write and event in _WRITES and all(map(self._is_below, places)):
            return
        opened = event in ("open", *_FOLDERS)
        if event.startswith(_FORBIDDEN) or (opened and not self._is_allowed(*arguments[:3])):
            self.breaches.append(f"{event}{arguments!r:.200}")
            raise Breach(self.breaches[-1])

    def _is_allowed(self, path: Any, _mode: Any = None, flags: Any = 0) -> bool:
        """Whether it is a file or folder below home, opened to be read; a descriptor was opened before."""
        if isinstance(path, int):
            return True
        writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        return path is not None and (self._may_write or not writes) and self._is_below(path)

    def _is_below(self, path: Any) -> bool:
        real = os.path.realpath(os.fsdecode(path))
        return real == self._home or real.startswith(self._home + os.sep)


def limit_memory() -> None:
    """From here on a process gets MEMORY bytes of address space more, and leaves no core behind. For Linux."""
    import resource

    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
