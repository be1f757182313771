"""Where the reference index that ships with the package lies."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from lineage.store.folder import SKETCHES, SketchFolder


def reference_index() -> SketchFolder | None:
    """The shipped index, if there is one."""
    folder = reference_folder()
    return None if folder is None else SketchFolder(folder)


def reference_folder() -> Path | None:
    """The folder of the shipped index: inside an installed package, or `index/` beside the package of a source tree."""
    package = Path(str(files("lineage")))
    for folder in (package / "_reference", package.parent / "index"):
        if (folder / SKETCHES).is_dir():
            return folder
    return None
