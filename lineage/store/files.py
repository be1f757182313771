"""The layout of the folder of an index."""

from __future__ import annotations

from pathlib import Path

DATABASE = "lineage.sqlite"
SKETCHES = "sketches"
HANDED_OVER = "handed-over"
"""Sketches that others made, of weights that were not seen here; apart, so that no lost table makes them ours."""
VECTORS = "vectors"
CATALOGUE = "catalogue"
LAYERS = "layers"
COMPARISONS = "comparisons"
CACHE = "reference"
"""The cache of the shipped index, in the user's cache folder; on some systems that is the data folder, too."""


def take_away(path: Path) -> None:
    """Delete whatever is at the path of a cache or a note: a file, a link, a pipe or a folder. Raises OSError."""
    if path.is_dir() and not path.is_symlink():
        import shutil

        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def holds_index(folder: str | Path) -> bool:
    """Whether the folder holds an index of the user."""
    return (Path(folder) / DATABASE).is_file()
