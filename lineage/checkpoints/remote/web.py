"""Files side by side on a server that lists nothing: known only by asking for each."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from lineage.checkpoints.io.bytes import PositionedFile
from lineage.checkpoints.io.quoting import quoted
from lineage.checkpoints.remote.address import Address, WebAddress, below, is_plain
from lineage.checkpoints.remote.context import Opened
from lineage.checkpoints.remote.session import Session
from lineage.errors import Malformed, Unreachable, UnsupportedFormat
from lineage.types import Meter

_NOT_THERE = frozenset({401, 403, 404, 410})  # a store that may not be listed answers 403 for what it does not hold


class WebFolder:
    """The folder of a URL's path. What was asked for once is kept open."""

    def __init__(self, opened: Opened, url: str) -> None:
        self.path: Path = Address(url)
        self.meter = opened.meter
        self._opened = opened
        self._url = url
        self._files: dict[str, PositionedFile | None] = {}

    def named(self, name: str, url: str) -> PositionedFile:
        """Open the file that the user named, whose address may say more than the folder's. Raises Unreachable."""
        file = self._opened.file(self.path / name, url, self)
        self._files[name] = file
        return file

    def files(self) -> list[str]:
        """Raises UnsupportedFormat: a server lists nothing."""
        raise UnsupportedFormat(self.path, "a server does not list its files: name one of them")

    def folders(self) -> list[WebFolder]:
        """Empty: none are known."""
        return []

    def holds(self, name: str) -> bool:
        """Whether the server gives such a file. Raises Malformed for a name that leads out of the folder."""
        if name not in self._files:
            try:
                self._files[name] = self._open(name)
            except Unreachable as error:
                if error.status not in _NOT_THERE:
                    raise
                self._files[name] = None
        return self._files[name] is not None

    def open(self, name: str) -> PositionedFile:
        """Open a file. Raises Malformed for a name that leads out of the folder, Unreachable."""
        return self._files.get(name) or self._open(name)

    def _open(self, name: str) -> PositionedFile:
        if not name or not is_plain(name):
            raise Malformed(self.path, f"{quoted(name)} lies outside the folder: refused")
        inner, _, _ = name.rpartition("/")
        folder = WebFolder(self._opened, below(self._url, inner)) if inner else self
        return self._opened.file(self.path / name, below(self._url, name), folder)


def web_file(session: Session, address: WebAddress, meter: Meter) -> PositionedFile:
    """Open the file that an address names. Raises Unreachable, UnsupportedFormat for the address of a folder."""
    name = unquote(urlsplit(address.url).path).rpartition("/")[2]
    if not name or not is_plain(name):
        raise UnsupportedFormat(str(address), "is the address of a folder: name a file of it")
    folder = WebFolder(Opened(session, meter), str(address).rpartition("/")[0])
    return folder.named(name, address.url)


def naming(address: WebAddress) -> Path:
    """A path of the same parts, for the name of the model."""
    parts = urlsplit(address.url)
    return Path(parts.hostname or "", unquote(parts.path).lstrip("/"))
