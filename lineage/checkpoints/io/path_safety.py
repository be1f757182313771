"""Files that other files name: they must lie in the same folder."""

from __future__ import annotations

from pathlib import Path

from lineage.checkpoints.io.quoting import quoted
from lineage.errors import Malformed


def inside(folder: Path, name: str) -> Path:
    """Find a file that an index or listing names, which must lie in the folder.

    The download cache of the Hugging Face hub keeps files in `blobs` beside `snapshots` and links to them; links
    to there are followed too. Raises Malformed for any other way out of the folder.
    """
    place = folder / name
    try:
        real, home = place.resolve(), folder.resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise Malformed(folder, f"{quoted(name)} is a loop of symbolic links or not a path") from error
    snapshot = next((above for above in (home, home.parent) if above.parent.name == "snapshots"), None)
    homes = [home, snapshot.parent.parent / "blobs"] if snapshot is not None else [home]
    if ".." in Path(name).parts or Path(name).is_absolute() or not any(real.is_relative_to(h) for h in homes):
        raise Malformed(folder, f"{quoted(name)} lies outside the folder: refused")
    return place
