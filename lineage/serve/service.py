"""One running service: its settings, its processes, its jobs, and its counters."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from dataclasses import replace
from pathlib import Path

from lineage import api
from lineage.api.indexes import place_of
from lineage.errors import LineageError, Malformed
from lineage.match.cache import Latest
from lineage.serve.asked import Asked, as_asked, located
from lineage.serve.jobs import Jobs
from lineage.serve.lanes import Lanes
from lineage.serve.metrics import Metrics
from lineage.serve.refusals import Refusal, Refused, refused
from lineage.serve.settings import Settings
from lineage.serve.tokens import FILE, Token, tokens
from lineage.serve.waiting import Question
from lineage.store.files import DATABASE

_LOG = logging.getLogger("lineage.serve")
ANSWERS = "answers"
Key = tuple[str, str, str]
_KEPT = frozenset({"graph", "trace", "descendants"})
_MOST_ANSWERS = 64
_MOST_KEPT = 4 << 20  # bytes of one answer


class Service:
    """What the routes work with; one service at a time has a state folder (`running`)."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.lanes = Lanes(settings)
        self.jobs = Jobs(settings, self.lanes)
        self.metrics = Metrics()
        self.is_stopping = asyncio.Event()
        self._answers: Latest[Key, tuple[bytes, str]] = Latest(_MOST_ANSWERS)
        self._tokens: tuple[tuple[int, int], tuple[Token, ...]] = ((0, 0), ())

    async def start(self) -> None:
        """Begin to answer, and take up what was accepted before."""
        answers = self.settings.state / ANSWERS
        answers.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in answers.iterdir():
            left.unlink(missing_ok=True)
        self.lanes.start()
        self.jobs.start()

    def stopping(self) -> None:
        """End requests that wait for a job: this service is about to stop."""
        self.is_stopping.set()
        self.jobs.wake()

    async def stop(self) -> None:
        """End every process; accepted jobs stay on disk."""
        self.stopping()
        await self.jobs.stop()
        await self.lanes.stop()

    def tokens(self) -> tuple[Token, ...]:
        """The tokens, read again each time so that a revoked one is refused at once. Raises Refusal, OSError."""
        place = self.settings.state / FILE
        try:
            about = place.stat()
        except FileNotFoundError:
            return ()
        seal = (about.st_mtime_ns, about.st_ino)
        if self._tokens[0] != seal:
            try:
                self._tokens = (seal, tokens(self.settings.state))
            except Malformed:
                _LOG.exception("tokens")
                raise Refusal(503, "tokens", "the tokens of this service cannot be read: its log says why") from None
        return self._tokens[1]

    def refused(self, error: Exception) -> Refused:
        """An error of this process as a refusal for the client, without paths of this machine."""
        found = refused(error)
        hidden = {str(place_of(self.settings.index)): "the index", str(self.settings.state): "the state of the service"}
        return replace(found, message=as_asked(found.message, {}, hidden))

    def located(self, asked: Asked) -> Asked:
        """The question with the file of every checkpoint. Raises Refusal."""
        return located(asked, self.settings)

    async def index_id(self) -> str:
        """The ids of the indexes that are searched, at present."""
        return await asyncio.to_thread(api.index_id, self.settings.index, reference=self.settings.reference)

    async def index_id_if_any(self) -> str | None:
        """The same for an answer that was made from no index, or says that none can be opened."""
        try:
            return await self.index_id()
        except (LineageError, OSError):
            return None

    async def read(self, kind: str, asked: Asked, *, is_long: bool = False) -> tuple[bytes, str]:
        """Answer a question outside of any job. Returns the answer and the id of the index that it was made from.

        Answers about the graph are kept until the index changes. Raises Refusal.
        """
        seal = await asyncio.to_thread(self._seal) if kind in _KEPT else None
        key = None if seal is None else (kind, json.dumps(asked, sort_keys=True), seal)
        if key is not None and key in self._answers:
            self._answers.keep([(key, self._answers[key])])
            return self._answers[key]
        if self.lanes.waiting() >= self.settings.limits.waiting:
            raise Refusal(429, "busy", "too many questions wait: ask again in a minute", {"Retry-After": "60"})
        target = self.settings.state / ANSWERS / secrets.token_hex(16)
        try:
            found = await self.lanes.answer(Question(kind, asked, target, is_long=is_long))
            if isinstance(found, Refused):
                raise Refusal(found.status, found.error, found.message)
            answered = await asyncio.to_thread(_taken, target), found
            if key is not None and len(answered[0]) <= _MOST_KEPT:
                self._answers.keep([(key, answered)])
            return answered
        finally:
            for left in target.parent.glob(f"{target.name}*"):  # with its reports, which are not needed
                left.unlink(missing_ok=True)

    def _seal(self) -> str | None:
        """What changes with the index: the ids of its models, and when its tables were written.

        None for one on a server, which others change unseen.
        """
        settings = self.settings
        home = place_of(settings.index)
        if not isinstance(home, Path):
            return None
        tables = [home / DATABASE, home / f"{DATABASE}-wal"]
        written = [about for about in map(_written, tables) if about[0]]
        return f"{api.index_id(settings.index, reference=settings.reference)} {written}"


def _written(table: Path) -> tuple[int, int]:
    """Size and time of a file; zeros if it does not exist: the write-ahead log exists only while it is used."""
    try:
        about = table.stat()
    except FileNotFoundError:
        return 0, 0
    return about.st_size, about.st_mtime_ns


def _taken(target: Path) -> bytes:
    return target.read_bytes()
