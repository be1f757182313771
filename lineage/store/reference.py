"""Where the reference index that ships with the package lies."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from lineage.store.folder import SKETCHES, SketchFolder


def reference_index() -> SketchFolder | None:
    """The shipped index: inside an installed package, or `index/` beside the package of a source tree."""
    package = Path(str(files("lineage")))
    for folder in (package / "_reference", package.parent / "index"):
        if (folder / SKETCHES).is_dir():
            return SketchFolder(folder)
    return None
