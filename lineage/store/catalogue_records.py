"""The catalogue of public models that have no sketch here yet: facts of their publishers, reviewed like code."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lineage.errors import Malformed, Unknown
from lineage.store.files import CATALOGUE
from lineage.store.reference import reference_folder
from lineage.types import Declared

HUB = "hub"


@dataclass(frozen=True, slots=True)
class Known:
    """A public model: its name, its source (`hf:org/name`), and what its publisher declares."""

    name: str
    source: str
    family: str
    modality: str
    licence: str | None
    declared: tuple[Declared, ...]


def catalogue(family: str | None = None) -> list[Known]:
    """All models of the catalogue, or those of one family, ordered by name.

    Raises Unknown for a family that it does not have, Malformed for a damaged record.
    """
    folder = reference_folder()
    paths = [] if folder is None else sorted((folder / CATALOGUE / HUB).glob("*.json"))
    models = [_known(path) for path in paths]
    chosen = [model for model in models if family in (None, model.family)]
    if not chosen:
        families = ", ".join(sorted({model.family for model in models})) or "none: this copy has no catalogue"
        raise Unknown(f"the catalogue has no family {family!r}; it has {families}")
    return sorted(chosen, key=lambda model: model.name)


def _known(path: Path) -> Known:
    try:
        fields: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return Known(
            str(fields["name"]),
            str(fields["source"]),
            str(fields["family"]),
            str(fields["modality"]),
            fields["licence"],
            tuple(Declared(str(d["model"]), d["relation"], str(d["source"])) for d in fields["declared"]),
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Malformed(path, f"is not a catalogue record ({error}): see index/FORMAT.md") from error
