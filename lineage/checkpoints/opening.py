"""Opening a model: a file, an index of shards or a folder, with what its side files say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lineage.checkpoints.adapters import CONFIG as ADAPTER_CONFIG
from lineage.checkpoints.adapters import is_adapter, without_adapter
from lineage.checkpoints.decoding import decoded
from lineage.checkpoints.folders.archives import PackedFolder, unpacked, unpacked_in
from lineage.checkpoints.folders.assemblies import Assembly, find_assembly
from lineage.checkpoints.folders.caches import ollama_model, snapshot_of, with_reason
from lineage.checkpoints.folders.card import (
    MAX_CARD,
    Card,
    card_text,
    declared_parents,
    human_name,
    parse_card,
    stated_licence,
)
from lineage.checkpoints.folders.folder import ADAPTER_FILES, Weights, find_weights
from lineage.checkpoints.folders.lone_ranks import refuse_lone
from lineage.checkpoints.folders.many_models import beside_models
from lineage.checkpoints.folders.ranks import joined_ranks, refuse_flat, refuse_part, refuse_pieces
from lineage.checkpoints.folders.shards import read_index, read_shards, refuse_split, split_beside
from lineage.checkpoints.folders.side_files import MAX_CONFIG
from lineage.checkpoints.formats.distributed_names import METADATA
from lineage.checkpoints.formats.distributed_names import SUFFIX as PARTS
from lineage.checkpoints.io import strict_json
from lineage.checkpoints.io.bytes import DiskFolder, Folder, PositionedFile, read
from lineage.checkpoints.numbers import require_few, require_full
from lineage.checkpoints.reader import Contents, Facts
from lineage.checkpoints.recognising import read_file
from lineage.checkpoints.remote import is_remote, locate
from lineage.checkpoints.unread import refuse_unread
from lineage.errors import CheckpointError, NoWeights, SeveralModels, UnsupportedFormat
from lineage.types import SUB_MODELS, Checkpoint, Meter, TensorView
from lineage.written_reasons import written

_MOST_VALUES = 8  # in a byte: a file that claims to hold more than was read would make every share small
# Files of these names are the weights of their folder, so its config and card describe them.
_MODEL_FILES = frozenset(
    {
        "model.safetensors", "pytorch_model.bin", "diffusion_pytorch_model.safetensors", "tf_model.h5", "model.onnx",
        "saved_model.pb", "frozen_inference_graph.pb", "model.bin", "flax_model.msgpack", "inference.pdiparams",
        "openvino_model.bin", "openvino_model.xml",
        METADATA, *ADAPTER_FILES,
    }
)  # fmt: skip

_Weights = tuple[Contents, int, tuple[str, ...]]
"""The tensors of some files, the size of these and of files beside them, and their paths."""


def open_checkpoint(path: str | Path) -> Checkpoint:
    """Open a checkpoint: a file of a format of `formats.listing`, an index of shards, a model folder, or an address.

    Headers are read and checked, values are not; nothing in the file is executed. Tensors come in the order of the
    file, shards in the order of their names. `nbytes` is the size of the files that hold the weights; `meter` counts
    what is read of them and of their side files. Raises CheckpointError: Truncated, Malformed, UnsupportedDtype,
    UnsupportedFormat, NoWeights, Unreachable.
    """
    if is_remote(path):
        return _open_remote(str(path))
    place = Path(path)
    try:
        if place.is_dir():
            return _open_on_disk(snapshot_of(place))
        held = ollama_model(place)
        if held is not None:
            return _open_file(place, PositionedFile(held.blob, Meter()), Path(held.name))
        return _open_file(place, PositionedFile(place, Meter()), _absolute(place))
    except OSError as error:
        raise CheckpointError(place, f"cannot be opened: {error.strerror}") from error


def _open_on_disk(place: Path) -> Checkpoint:
    try:
        if several := beside_models(place):
            raise SeveralModels(place, several)
        return _open_folder(place, DiskFolder(place, Meter()), _absolute(place))
    except NoWeights as error:
        raise with_reason(place, error) from error


def open_merged(path: str | Path, adapter: str | Path) -> Checkpoint:
    """Open a model with a LoRA or DoRA adapter merged onto it; each is what `open_checkpoint` takes.

    The sums are made while they are read. Raises UnsupportedFormat where the two do not fit.
    """
    from lineage.checkpoints.adapters import merged

    return merged(open_checkpoint(path), open_checkpoint(adapter))


def _open_remote(text: str) -> Checkpoint:
    located = locate(text)
    place = located.place
    if isinstance(place, PositionedFile):
        opened = _open_file(place.path, place, located.naming)
    else:
        opened = _open_folder(place.path, place, located.naming)
    return replace(opened, ahead=located.ahead)


def _open_file(place: Path, file: PositionedFile, naming: Path) -> Checkpoint:
    if place.name.endswith(".index.json"):
        return _open_weights(place, file.folder, _indexed(file), naming)
    if place.name.endswith(PARTS):
        raise UnsupportedFormat(
            place, f"is a part of a model, one of the files that {METADATA} beside it lists: name the folder"
        )
    packed = unpacked(file)
    if packed is not None:
        return _open_packed(place, packed, naming)
    return _open_weights(place, file.folder, _joined(split_beside(file)), naming, of_folder=place.name in _MODEL_FILES)


def _open_folder(place: Path, folder: Folder, naming: Path) -> Checkpoint:
    assembly = find_assembly(folder)
    if assembly is not None and assembly.members:
        return _open_assembly(place, folder, assembly, naming)
    weights = find_weights(folder)
    packed = unpacked_in(weights)
    if packed is not None:
        return _open_packed(place, packed, naming)
    return _open_weights(place, weights.folder, _read(weights), naming)


def _open_packed(place: Path, packed: PackedFolder, naming: Path) -> Checkpoint:
    """What an archive packs; the file that holds it is the archive."""
    opened = _open_folder(place, packed, naming)
    return replace(opened, nbytes=packed.archive.size, files=(str(packed.archive.path),))


def _open_assembly(place: Path, folder: Folder, assembly: Assembly, naming: Path) -> Checkpoint:
    """Several models as one: the names of each begin with its own, and its config stays its own."""
    opened = [
        (prefix, _open_weights(weights.folder.path, weights.folder, _read(weights), naming))
        for prefix, weights in assembly.members
    ]
    card = _side_card(folder)
    first, parts = opened[0][1], [part for _, part in opened]
    configs = {prefix.removesuffix("."): part.config for prefix, part in opened}
    name = human_name(naming, card)
    return Checkpoint(
        name=name,
        path=str(place),
        format="+".join(sorted({part.format for part in parts})),
        tensors=tuple(_within(prefix, view) for prefix, part in opened for view in part.tensors),
        nbytes=sum(part.nbytes for part in parts),
        meter=folder.meter,
        config={SUB_MODELS: configs} if assembly.is_pipeline else first.config,
        licence=stated_licence(card),
        declared=declared_parents(card, {} if assembly.is_pipeline else first.config, name),
        left_out=tuple((prefix + name, reason) for prefix, part in opened for name, reason in part.left_out),
        unread=sum(part.unread for part in parts),
        files=tuple(file for part in parts for file in part.files),
    )


def _within(prefix: str, view: TensorView) -> TensorView:
    """The view of a member; files of one name in two folders are not the same bytes."""
    return replace(view, name=prefix + view.name, storage=prefix + view.storage) if prefix else view


def _read(weights: Weights) -> _Weights:
    home = weights.folder
    if weights.index is not None:
        return _indexed(home.open(weights.index))
    files = [home.open(name) for name in weights.files]
    return _of_ranks(home, files) if weights.ranks else _joined(files)


def _open_weights(
    place: Path, folder: Folder, weights: _Weights, naming: Path, *, of_folder: bool = True
) -> Checkpoint:
    """Add to the tensors what the side files say, if the weights are those `of_folder`, the model in the folder."""
    contents, nbytes, files = weights
    require_few(place, contents.tensors, contents.left_out)
    refuse_flat(place, contents)
    adapts = Path(files[0]).name in ADAPTER_FILES
    contents = contents if adapts else without_adapter(contents)
    adapts = adapts or is_adapter(view.name for view in contents.tensors)
    if adapts:
        contents = _read_adapter(place, folder, contents)
    refuse_unread(place, contents)
    if not contents.tensors:
        others = [written(reason) for _, reason in contents.left_out]
        behind = f"; {len(others)} left out ({others[0]})" if others else ""
        raise NoWeights(place, f"holds no weights{behind}")
    facts = contents.facts or Facts({})
    config = _side_object(folder, "config.json") if of_folder and not adapts else {}
    if not adapts:
        contents = decoded(place, contents, config)
        require_full(place, contents.tensors, nbytes)
    refuse_unread(place, contents)
    config = config or facts.config
    card = _side_card(folder) if of_folder else Card({})
    name = human_name(naming, card)
    return Checkpoint(
        name=name,
        path=str(place),
        format=contents.format,
        tensors=contents.tensors,
        nbytes=nbytes,
        meter=folder.meter,
        config=config,
        licence=stated_licence(card) or facts.licence,
        declared=(*declared_parents(card, config, name), *facts.declared),
        left_out=contents.left_out,
        unread=min(sum(count for _, count in contents.unread), _MOST_VALUES * nbytes),
        files=files,
    )


def _indexed(index: PositionedFile) -> _Weights:
    """The tensors of the shards that an index names."""
    weight_map, files = read_index(index)
    return read_shards(index.path.parent, files, weight_map), *_size_and_paths(files)


def _joined(files: Sequence[PositionedFile]) -> _Weights:
    """The tensors of all files."""
    size, paths = _size_and_paths(files)
    if len(files) == 1:
        contents = read_file(files[0])
        refuse_split(files[0].path, contents)
        refuse_pieces(files[0].path, contents)
        refuse_part(files[0].path, files[0].folder)
        refuse_lone(files[0].path, contents, lambda: _side_object(files[0].folder, "config.json"))
        return contents, size + contents.beside, paths
    return read_shards(files[0].path.parent, files, None), size, paths


def _of_ranks(folder: Folder, files: Sequence[PositionedFile]) -> _Weights:
    """The tensors of all ranks, joined."""
    from lineage.checkpoints.formats.torch.zero import ranks_of, read_zero

    names = [file.path.name for file in files]
    zero = ranks_of(names, folder.holds)
    if zero is not None:
        models, optimizers = ([folder.open(name) for name in side] for side in zip(*zero, strict=True))
        return read_zero(models, optimizers), *_size_and_paths([*models, *optimizers])
    return joined_ranks(folder.path, names, [read_file(file) for file in files]), *_size_and_paths(files)


def _size_and_paths(files: Sequence[PositionedFile]) -> tuple[int, tuple[str, ...]]:
    return sum(file.size for file in files), tuple(str(file.path) for file in files)


def _absolute(place: Path) -> Path:
    return Path(place.absolute().parent.resolve(), place.name) if place.name not in {"", "."} else place.resolve()


def _side_object(folder: Folder, name: str) -> Mapping[str, Any]:
    """Parse a JSON side file, empty without one. Raises Malformed for a broken one: it would change the answer."""
    if not folder.holds(name):
        return {}
    return strict_json.read_object(folder.open(name), MAX_CONFIG)


def _side_card(folder: Folder) -> Card:
    if not folder.holds("README.md"):
        return Card({})
    file = folder.open("README.md")
    return parse_card(card_text(read(file, 0, min(file.size, MAX_CARD))))


def _read_adapter(place: Path, folder: Folder, contents: Contents) -> Contents:
    from lineage.checkpoints.adapters import read_adapter, read_with_scale

    config = _side_object(folder, ADAPTER_CONFIG)
    found = None if "peft_type" in config else read_with_scale(place, contents)
    if found is None and not config:
        raise NoWeights(
            place,
            f"holds an adapter alone, without the {ADAPTER_CONFIG} that says how it is scaled: put that beside it, or"
            " merge the adapter into its base first",
        )
    return found or read_adapter(place, contents, config)
