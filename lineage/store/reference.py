"""Where the reference index that ships with the package lies."""

from __future__ import annotations

from pathlib import Path

from lineage.store.files import CACHE, SKETCHES
from lineage.store.folder import SketchFolder


def reference_index() -> SketchFolder | None:
    """The shipped index, if there is one."""
    folder = reference_folder()
    if folder is None:
        return None
    from platformdirs import user_cache_path

    return SketchFolder(folder, user_cache_path("lineage", appauthor=False) / CACHE)


def reference_folder() -> Path | None:
    """The folder of the shipped index: inside an installed package, or `index/` beside the package of a source tree."""
    package = Path(__file__).parents[1]
    for folder in (package / "_reference", package.parent / "index"):
        if (folder / SKETCHES).is_dir():
            return folder
    return None
