"""A folder of models: each of them, wherever it lies below."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lineage.checkpoints.folders.assemblies import MODULES, PIPELINE, find_assembly
from lineage.checkpoints.folders.caches import PREFIX
from lineage.checkpoints.folders.card import says_nothing
from lineage.checkpoints.folders.folder import adapter_in, find_weights, weights_in
from lineage.checkpoints.folders.ranks import rank_set
from lineage.checkpoints.io.bytes import MAX_ENTRIES, DiskFolder
from lineage.errors import CheckpointError, NoWeights, SeveralModels, UnsupportedFormat
from lineage.types import Meter

_OF_ONE_MODEL = ("config.json", "README.md", PIPELINE, MODULES)  # of that in whose folder they lie
MAX_DEPTH = 8  # folders below each other; a manifest of ollama lies five deep


def models_in(place: Path) -> list[Path]:
    """The models of a folder of models, in the order of their names; a model, or a file, is itself alone.

    A folder in which nothing is found stands for itself, so that opening it reports why. Links to folders are followed
    where they lead to one below `place`. Raises CheckpointError for a folder that cannot be listed, UnsupportedFormat
    for a link that leads out of it or folders that are too many or too deep.
    """
    if not place.is_dir():
        return [place]
    found = list(_Walk(place).below(place, 0))
    return [place] if not found or (len(found) == 1 and _means(place, found[0])) else found


class _Walk:
    """Goes through folders, each once."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._seen: set[Path] = set()

    def below(self, place: Path, depth: int) -> Iterator[Path]:
        """The models in a folder."""
        real = place.resolve()
        if real in self._seen:
            return
        self._seen.add(real)
        if depth > MAX_DEPTH or len(self._seen) > MAX_ENTRIES:
            raise UnsupportedFormat(place, "holds folders without end: name the models themselves")
        if (place / "manifests").is_dir() and (place / "blobs").is_dir():
            yield from sorted(file for file in (place / "manifests").rglob("*") if file.is_file())
            return
        try:
            if _is_model(place):
                several = beside_models(place)
                yield place / several[0] if several else place
                if not several:
                    return
        except SeveralModels as several:
            yield from (place / name for name in several.names)
            return
        except NoWeights:  # a model of which something is missing: opening it says what
            yield place
            return
        children = sorted(entry for entry in place.iterdir() if entry.is_dir() and not entry.name.startswith("."))
        if rank_set([child.name for child in children]) is not None:
            yield place  # one model in parts
            return
        for child in children:
            if child.is_symlink() and not child.resolve().is_relative_to(self._root):
                raise UnsupportedFormat(child, "is a link out of the folder: name where it leads")
            yield from self.below(child, depth + 1)


def _means(place: Path, model: Path) -> bool:
    """Whether a folder, opened, is the one model in it: then the card beside it describes it, too."""
    if model == place:
        return True
    try:
        return find_weights(DiskFolder(place, Meter())).folder.path == model
    except CheckpointError:
        return False


def beside_models(place: Path) -> list[str]:
    """The file that makes a folder a model, where nothing else does, and the several folders beside it that are models.

    A file with the name of any model's weights is that of the folder. Empty for other folders. Raises CheckpointError.
    """
    folder = DiskFolder(place, Meter())
    if any(folder.holds(name) for name in _OF_ONE_MODEL):
        return []
    weights = weights_in(folder)
    if weights is None or len(weights.files) != 1 or says_nothing(weights.files[0]):
        return []
    others = [child.path.name for child in folder.folders() if _is_one(child.path)]
    return [weights.files[0], *others] if len(others) > 1 else []


def _is_one(place: Path) -> bool:
    try:
        return _is_model(place)
    except CheckpointError:
        return False


def _is_model(place: Path) -> bool:
    """Whether a folder is one model by its own files. Raises SeveralModels, NoWeights, CheckpointError."""
    folder = DiskFolder(place, Meter())
    if place.name.startswith(PREFIX) or find_assembly(folder) is not None:
        return True
    return weights_in(folder) is not None or adapter_in(folder) is not None
