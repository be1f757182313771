"""The remote files of one checkpoint: what they share."""

from __future__ import annotations

from itertools import count
from pathlib import Path

from lineage.checkpoints.io.bytes import Folder
from lineage.checkpoints.remote.address import shown
from lineage.checkpoints.remote.disk_cache import Kept, Shelf
from lineage.checkpoints.remote.file import BLOCK, RemoteFile
from lineage.checkpoints.remote.memory_cache import Held
from lineage.checkpoints.remote.ranges import Span
from lineage.checkpoints.remote.session import Session
from lineage.checkpoints.remote.source import Source
from lineage.types import Meter


class Opened:
    """Opens remote files over one session, with one memory cache and one disk cache."""

    def __init__(self, session: Session, meter: Meter) -> None:
        self.meter = meter
        self._session = session
        self._held = Held()
        self._numbers = count()
        self._shelf = Shelf(_cache_folder())

    def file(
        self, path: Path, url: str, folder: Folder, *, size: int | None = None, content: str | None = None
    ) -> RemoteFile:
        """Open the file at `url`, asking its server for the beginning unless `size` is known.

        `content` names address and content for what is kept on disk; without it, the strong ETag does. Raises
        Unreachable.
        """
        source = Source(self._session, path, url, size)
        number = next(self._numbers)
        if size is None:
            for extent in source.one(Span(0, BLOCK)):
                self._held.add(number, extent)
        content = content or (f"{shown(url)} {source.tag} {source.size}" if source.tag else None)
        kept: Kept | None = self._shelf.kept(content) if content else None
        return RemoteFile(source, folder, size=source.size or 0, held=self._held, number=number, kept=kept)


def _cache_folder() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("lineage", appauthor=False)
