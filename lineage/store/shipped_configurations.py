"""The settings of public models that ship with the package: facts of their publishers, reviewed like code."""

from __future__ import annotations

import json
from typing import Any

from lineage.errors import Malformed
from lineage.store.reference import reference_folder
from lineage.types.settings import PartConfiguration, PublishedConfiguration

CONFIGURATIONS = "configurations.json"


def published_configurations() -> list[PublishedConfiguration]:
    """All of them, in the order of the file; none where none ship. Raises Malformed for a damaged file, OSError."""
    folder = reference_folder()
    path = None if folder is None else folder / CONFIGURATIONS
    if path is None or not path.is_file():
        return []
    try:
        listed = json.loads(path.read_bytes())["configurations"]
        return [PublishedConfiguration(one["model"], one["source"], tuple(map(_part, one["parts"]))) for one in listed]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Malformed(path, f"is no list of configurations ({error}): see index/FORMAT.md") from error


def _part(held: dict[str, Any]) -> PartConfiguration:
    return PartConfiguration(held["part"], held["model_type"], tuple(sorted(held["settings"].items())))
