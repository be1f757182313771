"""Which files of a model folder are its weights, when several encodings lie beside each other."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lineage.checkpoints.shards import inside, numbered_set
from lineage.errors import CheckpointError, NoWeights, UnsupportedFormat

MAX_ENTRIES = 100_000  # files looked at in one folder


@dataclass(frozen=True, slots=True)
class Weights:
    """The files that hold one model, or the index that lists them."""

    files: tuple[Path, ...]
    index: Path | None = None

    @property
    def folder(self) -> Path:
        """The folder that the weights lie in."""
        return (self.index or self.files[0]).parent


# In order of preference: what opens without any pickle comes first. The names are those the common libraries write.
_ENCODINGS = (
    (re.compile(r".*\.safetensors", re.IGNORECASE), ("model.safetensors", "diffusion_pytorch_model.safetensors")),
    (re.compile(r".*\.(bin|pt|pth|ckpt|pth\.tar)", re.IGNORECASE), ("pytorch_model.bin", "model.pt", "model.pth")),
    (re.compile(r".*\.npz", re.IGNORECASE), ("model.npz", "weights.npz")),
)
_BESIDE = re.compile(
    r"(adapter_|training_args|optimizer|scheduler|rng_state|random_states|scaler|global_step).*", re.IGNORECASE
)
_INDEX = re.compile(r".*\.(safetensors|bin)\.index\.json")


def find_weights(folder: Path) -> Weights:
    """Choose the weights of a folder, or of its only sub-folder that has any.

    Raises NoWeights without any, UnsupportedFormat when it holds several models and none has the usual name.
    """
    found = _choose(folder)
    if found is not None:
        return found
    below = [(child, weights) for child in _folders(folder) if (weights := _choose(child)) is not None]
    if len(below) > 1:
        raise _several(folder, [child for child, _ in below])
    if not below:
        raise NoWeights(folder, "holds no weights: no safetensors, PyTorch or NumPy file")
    return below[0][1]


def _choose(folder: Path) -> Weights | None:
    """Choose in one folder, by encoding."""
    entries = _entries(folder)
    files = [entry for entry in entries if entry.is_file() and not _BESIDE.fullmatch(entry.name)]
    indexes = [file for file in files if _INDEX.fullmatch(file.name)]
    for pattern, usual in _ENCODINGS:
        candidates = [file for file in files if pattern.fullmatch(file.name)]
        listed = [index for index in indexes if pattern.fullmatch(index.name.removesuffix(".index.json"))]
        chosen = _choose_encoding(folder, candidates, usual, listed)
        if chosen is not None:
            for file in (*chosen.files, *([chosen.index] if chosen.index else [])):
                inside(folder, file.name)
            return chosen
    return None


def _choose_encoding(
    folder: Path, candidates: Sequence[Path], usual: Sequence[str], indexes: Sequence[Path]
) -> Weights | None:
    by_name = {file.name: file for file in candidates}
    for name in usual:
        if name in by_name:
            return Weights((by_name[name],))
    if indexes:
        return Weights((), min(indexes, key=lambda index: (len(index.name), index.name)))
    if len(candidates) == 1 and numbered_set(candidates) is None:
        return Weights((candidates[0],))
    shards = numbered_set(candidates)
    if shards is not None:
        return Weights(tuple(shards))
    if candidates:
        raise _several(folder, candidates)
    return None


def _several(folder: Path, choices: Sequence[Path]) -> UnsupportedFormat:
    names = ", ".join(choice.name for choice in choices[:4]) + (", ..." if len(choices) > 4 else "")
    return UnsupportedFormat(folder, f"holds several models ({names}): name one of them")


def _folders(folder: Path) -> list[Path]:
    return [entry for entry in _entries(folder) if entry.is_dir() and not entry.is_symlink()]


def _entries(folder: Path) -> list[Path]:
    """List a folder in the order of names."""
    try:
        found = sorted(folder.iterdir())
    except OSError as error:
        raise CheckpointError(folder, f"cannot be listed: {error.strerror}") from error
    if len(found) > MAX_ENTRIES:
        raise UnsupportedFormat(folder, f"holds {len(found):,} files: name the checkpoint itself")
    return [entry for entry in found if not entry.name.startswith(".")]
