"""What lies beside the weights of a model folder: file names, the card, whether code comes with it (never run)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from lineage.checkpoints.folders.card import MAX_CARD, card_text
from lineage.checkpoints.io import strict_json
from lineage.checkpoints.io.bytes import DiskFolder, Folder, PositionedFile
from lineage.checkpoints.remote import is_remote, locate
from lineage.types import Meter

if TYPE_CHECKING:
    from lineage.types import Beside

MAX_CONFIG = 16 << 20  # bytes
_OWN_CODE = re.compile(r"(modeling|configuration)_.*\.py")


def beside(path: str | Path) -> Beside | None:
    """What lies beside the weights in a folder, on disk or on a hub; None for anything else. Raises CheckpointError."""
    from lineage.types import Beside  # brings all that answers are made of

    folder: Folder | PositionedFile
    if is_remote(path):
        folder = locate(str(path)).place
    elif Path(path).is_dir():
        folder = DiskFolder(Path(path), Meter())
    else:
        return None
    if isinstance(folder, PositionedFile):
        return None
    files = tuple(folder.files())
    return Beside(files, _card(folder, files), _brings_code(folder, files))


def _card(folder: Folder, files: tuple[str, ...]) -> str:
    return card_text(folder.open("README.md").head(MAX_CARD)) if "README.md" in files else ""


def _brings_code(folder: Folder, files: tuple[str, ...]) -> bool:
    if any(_OWN_CODE.fullmatch(name) for name in files):
        return True
    return "config.json" in files and bool(
        strict_json.read_object(folder.open("config.json"), MAX_CONFIG).get("auto_map")
    )
