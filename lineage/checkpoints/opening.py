"""Opening a model: a file, an index of shards or a folder, with what its side files say."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lineage.checkpoints import strict_json
from lineage.checkpoints.adapters import CONFIG as ADAPTER_CONFIG
from lineage.checkpoints.adapters import adapter_alone, is_adapter
from lineage.checkpoints.bytes import PositionedFile, read
from lineage.checkpoints.card import MAX_CARD, Card, declared_parents, human_name, parse_card
from lineage.checkpoints.folder import Weights, find_weights
from lineage.checkpoints.formats import read_file
from lineage.checkpoints.reader import Contents
from lineage.checkpoints.shards import inside, read_index, read_shards
from lineage.errors import CheckpointError, Malformed, NoWeights
from lineage.types import Checkpoint, Meter

MAX_CONFIG = 16 << 20  # bytes
# Files of these names are the weights of the folder they lie in, so that its config and card speak of them.
_MODEL_FILES = frozenset({"model.safetensors", "pytorch_model.bin", "diffusion_pytorch_model.safetensors"})


def open_checkpoint(path: str | Path) -> Checkpoint:
    """Open a checkpoint: a safetensors, PyTorch or NumPy file, an index of shards, or a model folder.

    Headers are read and checked, values are not; nothing in the file is executed. Tensors come in the order of the
    file, shards in the order of their names. `nbytes` is the size of the files that hold the weights; `meter` counts
    what is read of them and of their side files. Raises CheckpointError: Truncated, Malformed, UnsupportedDtype,
    UnsupportedFormat, NoWeights.
    """
    place = Path(path)
    try:
        return _open(place, Meter())
    except OSError as error:
        raise CheckpointError(place, f"cannot be opened: {error.strerror}") from error


def _open(place: Path, meter: Meter) -> Checkpoint:
    if place.is_dir():
        return _open_folder(place, meter)
    if place.name.endswith(".index.json"):
        return _open_weights(place, place.parent, Weights((), place), meter)
    folder = place.parent if place.name in _MODEL_FILES else None
    return _open_weights(place, folder, Weights((place,)), meter)


def _open_folder(folder: Path, meter: Meter) -> Checkpoint:
    try:
        weights = find_weights(folder)
    except NoWeights as error:
        if (folder / ADAPTER_CONFIG).exists() or any(folder.glob("adapter_model.*")):
            raise adapter_alone(folder, _adapter_base(folder, meter)) from error
        raise
    return _open_weights(folder, weights.folder, weights, meter)


def _open_weights(place: Path, folder: Path | None, weights: Weights, meter: Meter) -> Checkpoint:
    """Read the headers of the weights, and the side files of `folder` if it is the folder of this model."""
    contents, nbytes = _contents(weights, meter)
    if is_adapter(view.name for view in contents.tensors):
        raise adapter_alone(place, _adapter_base(folder or place.parent, meter))
    if not contents.tensors:
        reason = f"; {len(contents.left_out)} left out ({contents.left_out[0][1]})" if contents.left_out else ""
        raise NoWeights(place, f"holds no weights{reason}")
    config = _side_object(folder, "config.json", meter) if folder else {}
    card = _side_card(folder, meter) if folder else Card({})
    name = human_name(_absolute(place), card)
    return Checkpoint(
        name=name,
        path=str(place),
        format=contents.format,
        tensors=contents.tensors,
        nbytes=nbytes,
        meter=meter,
        config=config,
        licence=card.first("license"),
        declared=declared_parents(card, config, name),
        left_out=contents.left_out,
    )


def _contents(weights: Weights, meter: Meter) -> tuple[Contents, int]:
    if weights.index is not None:
        weight_map, shards = read_index(weights.index, meter)
        files = [PositionedFile(shard, meter) for shard in shards]
        return read_shards(weights.index.parent, files, weight_map), sum(file.size for file in files)
    files = [PositionedFile(path, meter) for path in weights.files]
    if len(files) == 1:
        return read_file(files[0]), files[0].size
    return read_shards(weights.files[0].parent, files, None), sum(file.size for file in files)


def _absolute(place: Path) -> Path:
    return Path(place.absolute().parent.resolve(), place.name) if place.name not in {"", "."} else place.resolve()


def _side_object(folder: Path, name: str, meter: Meter) -> Mapping[str, Any]:
    """Parse a JSON side file, empty without one. Raises Malformed for a broken one: it would change the answer."""
    if not (folder / name).is_file():
        return {}
    return strict_json.read_object(PositionedFile(inside(folder, name), meter), MAX_CONFIG)


def _side_card(folder: Path, meter: Meter) -> Card:
    if not (folder / "README.md").is_file():
        return Card({})
    file = PositionedFile(inside(folder, "README.md"), meter)
    return parse_card(read(file, 0, min(file.size, MAX_CARD)).decode("utf-8", "replace"))


def _adapter_base(folder: Path, meter: Meter) -> str | None:
    """Name the base that an adapter declares, if it does."""
    try:
        base = _side_object(folder, ADAPTER_CONFIG, meter).get("base_model_name_or_path")
    except Malformed:
        return None
    return base if isinstance(base, str) and base.isprintable() and len(base) <= 200 else None
