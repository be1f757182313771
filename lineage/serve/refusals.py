"""Why a request was not answered: one shape for every error, and the HTTP status of each kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lineage import errors

SCHEMA = "lineage/error/1"


@dataclass(frozen=True, slots=True)
class Refused:
    """An HTTP status, an error code for programs, and one line for people."""

    status: int
    error: str
    message: str

    def value(self, request: str | None = None) -> dict[str, Any]:
        """`lineage/error/1`; `request` is the id under which the log has it."""
        return {
            "schema": SCHEMA,
            "status": self.status,
            "error": self.error,
            "message": self.message,
            "request": request,
        }


class Refusal(Exception):
    """Raised where a request ends without its answer."""

    def __init__(self, status: int, error: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.refused = Refused(status, error, message)
        self.headers = headers or {}


_KINDS: tuple[tuple[type[Exception], int, str], ...] = (
    (errors.Unreachable, 422, "unreachable"),
    (errors.NoWeights, 422, "no-weights"),
    (errors.CheckpointError, 422, "unreadable"),
    (errors.SketchMismatch, 422, "not-comparable"),
    (errors.UnknownEnding, 400, "unknown-format"),
    (errors.MissingExtra, 422, "not-installed"),
    (errors.Unknown, 404, "unknown-model"),
    (errors.Locked, 409, "locked"),
    (errors.NoIndex, 503, "no-index"),
    (errors.StoreError, 503, "index"),
    (errors.LineageError, 422, "not-possible"),
    (MemoryError, 422, "too-large"),
)
STATUSES = frozenset({400, 401, 403, 404, 405, 408, 409, 411, 413, 415, 421, 422, 429, 503})
"""Every status with which a request is refused; a fault of this program itself is 500."""


def refused(error: Exception) -> Refused:
    """An error of this package, of memory or of the disk as a refusal; anything else is a fault of the program."""
    for kind, status, word in _KINDS:
        if isinstance(error, kind):
            said = (
                "needs more memory than this service gives to one question" if status == 422 and not str(error) else ""
            )
            return Refused(status, word, said or str(error))
    return Refused(500, "fault", f"unexpected {type(error).__name__}: the log of the service has more")
