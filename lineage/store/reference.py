"""What ships with the package about public models: the reference index, their tokenizers and their settings.

Facts of their publishers, reviewed like code.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lineage.errors import Malformed
from lineage.store.files import CACHE, SKETCHES
from lineage.store.folder import SketchFolder

if TYPE_CHECKING:
    from lineage.types import TokenizerSketch
    from lineage.types.settings import PublishedConfiguration

CONFIGURATIONS = "configurations.json"
TOKENIZERS = "tokenizers"


def reference_folder() -> Path | None:
    """The folder of all this: inside an installed package, or `index/` beside the package of a source tree."""
    package = Path(__file__).parents[1]
    for folder in (package / "_reference", package.parent / "index"):
        if (folder / SKETCHES).is_dir():
            return folder
    return None


def reference_index() -> SketchFolder | None:
    """The shipped index, if there is one."""
    folder = reference_folder()
    if folder is None:
        return None
    from platformdirs import user_cache_path

    return SketchFolder(folder, user_cache_path("lineage", appauthor=False) / CACHE)


def reference_tokenizers() -> tuple[TokenizerSketch, ...]:
    """All reference tokenizers, in the order of their files; empty without any. Raises Malformed, OSError."""
    from lineage.sketch import read_tokenizer  # imported only for queries about tokenizers

    folder = reference_folder()
    files = [] if folder is None else sorted((folder / TOKENIZERS).glob("*.tokenizer"))
    return tuple(map(read_tokenizer, files))


def published_configurations() -> list[PublishedConfiguration]:
    """All published configurations, in the order of the file; empty without a file. Raises Malformed, OSError."""
    from lineage.types.settings import PartConfiguration, PublishedConfiguration

    def part(held: dict[str, Any]) -> PartConfiguration:
        return PartConfiguration(held["part"], held["model_type"], tuple(sorted(held["settings"].items())))

    folder = reference_folder()
    path = None if folder is None else folder / CONFIGURATIONS
    if path is None or not path.is_file():
        return []
    try:
        listed = json.loads(path.read_bytes())["configurations"]
        return [PublishedConfiguration(one["model"], one["source"], tuple(map(part, one["parts"]))) for one in listed]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Malformed(path, f"is not a list of configurations ({error}): see index/FORMAT.md") from error
