"""Files below an address, fetched whole: of an index that someone published, not of a checkpoint."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Protocol

from lineage.checkpoints.io.quoting import quoted
from lineage.checkpoints.remote.address import below, endpoint, is_remote, shown
from lineage.checkpoints.remote.hub import tokens
from lineage.checkpoints.remote.session import Broken, Reply, Session
from lineage.errors import Malformed, Truncated, Unreachable

_DATASET = re.compile(r"hf:datasets/(?P<repo>[\w.\-]+/[\w.\-]+)(?:@(?P<revision>[\w.\-]+))?(?:/(?P<path>[\w.\-/]+))?")


class WholeFiles(Protocol):
    """Files that can be read by a path of plain names."""

    @property
    def address(self) -> str:
        """What messages call the place, without what may be a secret."""

    def read(self, path: str, size: int, *, is_exact: bool = True) -> bytes:
        """A file of `size` bytes, or at most of that size. Raises CheckpointError for any other, OSError."""


class FolderFiles:
    """Files of a folder on this machine."""

    def __init__(self, folder: Path) -> None:
        self.address = str(folder)
        self._folder = folder

    def read(self, path: str, size: int, *, is_exact: bool = True) -> bytes:
        """The content of a file; what is longer than `size` is not read to its end."""
        place = self._folder / path
        if not place.is_file():
            raise Malformed(place, "is not there: is this an exported index?")
        with place.open("rb") as file:
            content = file.read(size + 1)
        if len(content) > size or (is_exact and len(content) < size):
            raise Truncated(place, f"is not {size:,} bytes long, as its manifest says")
        return content


class WebFiles:
    """Files below a URL, over one session."""

    def __init__(self, address: str, url: str) -> None:
        self.address = address
        self._url = url
        self._session = Session(tokens())

    def read(self, path: str, size: int, *, is_exact: bool = True) -> bytes:
        """The content of a file; failures that pass are tried again."""

        def take(reply: Reply) -> bytes:
            if reply.status != 200:
                raise Unreachable(f"{self.address}/{path}", f"the server answers {reply.status}", reply.status)
            content = reply.body(size + 1)
            if is_exact and len(content) < size:
                raise Broken("breaks off")
            return content

        content = self._session.get(f"{self.address}/{path}", below(self._url, path), {}, take)
        if len(content) > size:
            raise Malformed(f"{self.address}/{path}", f"is over {size:,} bytes long: refused")
        return content


def whole_files(address: str | Path) -> WholeFiles:
    """The files at a folder, at a URL, or of a data set of the hub, `hf:datasets/org/name@rev`. Raises Malformed."""
    text = str(address)
    if not is_remote(text):
        return FolderFiles(Path(address))
    if not text.lower().startswith("hf:"):
        return WebFiles(shown(text).rstrip("/"), text)
    match = _DATASET.fullmatch(text)
    if match is None or ".." in text:
        raise Malformed(quoted(text), "is not an index address: write hf:datasets/org/name, hf:datasets/org/name@rev")
    url = f"{endpoint()}/datasets/{match['repo']}/resolve/{match['revision'] or 'main'}"
    return WebFiles(text, below(url, match["path"]) if match["path"] else url)
