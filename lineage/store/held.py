"""The sketch files of one model, as the tables name them: its first layout, then the further ones."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from typing import TYPE_CHECKING

from lineage.errors import Malformed
from lineage.store.files import HANDED_OVER, SKETCHES
from lineage.store.rows import Row, rows_of, seen

if TYPE_CHECKING:
    from sqlite_utils import Database


@dataclass(frozen=True, slots=True)
class Held:
    """A sketch that the tables know: `layout` is None for the first of its model, `weights_seen` as in its rows."""

    model: str
    layout: str | None
    name: str
    source: str
    file_sha256: str
    weights_seen: bool | None

    def path(self, folder: Path) -> Path:
        """Where the file lies in the folder of an index."""
        return folder / sketch_path(self.model, self.layout, self.weights_seen)


def sketch_path(model: str, layout: str | None, weights_seen: bool | None) -> Path:
    """Where the sketch of a model in a layout lies, from the folder of its index."""
    name = f"{model}.sketch" if layout is None else f"{model}.{layout}.sketch"
    return Path(HANDED_OVER if weights_seen is False else SKETCHES, name)


def held_of(db: Database, model: str) -> list[Held]:
    """What is kept of a model, the first layout first; none if it is not there. Raises BadRow."""
    with db.atomic():
        first = rows_of(db, "models", "id = ?", [model])
        further = rows_of(db, "layouts", "model = ?", [model], order_by="id")
    return [*(_held(row, model, None) for row in first), *(_held(row, model, row["id"]) for row in further)]


def _held(row: Row, model: str, layout: str | None) -> Held:
    return Held(model, layout, row["name"], row["source"] or "", row["file_sha256"], seen(row))


def sha256(path: Path) -> str:
    """Digest of a sketch file, hexadecimal. Raises OSError, and Malformed for a pipe or device, which may never end."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise Malformed(path, "is not a plain file")
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
