"""Which files of a model folder are its weights, when several encodings lie side by side."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lineage.checkpoints.folders.ranks import rank_set
from lineage.checkpoints.folders.shards import numbered_set, split_set
from lineage.checkpoints.formats.distributed_names import METADATA
from lineage.checkpoints.formats.distributed_names import SUFFIX as PARTS
from lineage.checkpoints.io.bytes import Folder
from lineage.checkpoints.recognising import KNOWN
from lineage.errors import NoWeights, SeveralModels, UnsupportedFormat


@dataclass(frozen=True, slots=True)
class Weights:
    """The names of the files of a folder that hold one model, or of the index that lists them.

    Of `ranks` each holds a part of the tensors, not some of them.
    """

    folder: Folder
    files: tuple[str, ...]
    index: str | None = None
    ranks: bool = False


ARCHIVE = re.compile(r".*\.(nemo|mar|llamafile)", re.IGNORECASE)
"""The names of models that are packed as a whole folder."""
_MODEL = re.compile(r".+\.(safetensors|pt2?|pth|ckpt|gguf|keras|h5|hdf5|onnx|tflite|nemo|mar|llamafile)", re.IGNORECASE)
# In order of preference: what opens without any pickle comes first. The names are those the common libraries write.
_ENCODINGS = (
    (re.compile(r".*\.safetensors", re.IGNORECASE), ("model.safetensors", "diffusion_pytorch_model.safetensors")),
    (
        re.compile(r".*\.(bin|pt|pt2|pth|ckpt|jit|pth\.tar)", re.IGNORECASE),
        ("pytorch_model.bin", "model.pt", "model.pth", "openvino_model.bin"),
    ),
    (re.compile(r".*\.gguf", re.IGNORECASE), ("model.gguf",)),
    (re.compile(r".*\.npz", re.IGNORECASE), ("model.npz", "weights.npz")),
    (re.compile(r"saved_model\.pb"), ()),
    (re.compile(r".*\.keras", re.IGNORECASE), ("model.keras",)),
    (re.compile(r".*\.(h5|hdf5)", re.IGNORECASE), ("tf_model.h5", "model.h5", "model.weights.h5")),
    (re.compile(r".*\.index"), ()),
    (re.compile(r".*\.onnx", re.IGNORECASE), ("model.onnx",)),
    (re.compile(r"model\.json"), ()),
    (re.compile(r".*\.tflite", re.IGNORECASE), ("model.tflite",)),
    (re.compile(r".*\.msgpack"), ("flax_model.msgpack",)),
    (re.compile(r".*\.eqx"), ("model.eqx",)),
    (re.compile(r".*\.pdiparams|__params__"), ("inference.pdiparams",)),
    (re.compile(r".*\.mlmodel"), ("model.mlmodel",)),
    (re.compile(r".*\.pb"), ("frozen_inference_graph.pb", "frozen_graph.pb", "frozen_model.pb")),
    (re.compile(r"ANN-\w+\.nnf"), ("ANN-H.nnf",)),
    (re.compile(r".*\.(joblib|lz4|pkl|pickle|pdparams)"), ()),
    (ARCHIVE, ()),
    (re.compile(r"model"), ()),  # of a component of spaCy
)

_CORE_ML_PACKAGE = "Data/com.apple.CoreML/model.mlmodel"
_BESIDE = re.compile(
    r"(adapter_|training_args|optimizer|scheduler|rng_state|random_states|scaler|global_step|mmproj|imatrix|openvino_(de)?tokenizer"
    r"|group\d+-shard\d+of|(bf16_|fp16_)?zero_pp_rank_\d+_mp_rank_\d+_optim_states).*",
    re.IGNORECASE,
)
_ORBAX = "is a checkpoint of orbax, which is not read: save the arrays as safetensors, from JAX"
_ZARR = "is a zarr of arrays, which is not read: save them as safetensors"
_FOREIGN = {
    "manifest.ocdbt": _ORBAX,
    "_CHECKPOINT_METADATA": _ORBAX,
    ".zgroup": _ZARR,
    ".zmetadata": _ZARR,
    ".zarray": "is a zarr array, which is not read: save it as safetensors",
    "zarr.json": _ZARR,
}
"""Formats of whole folders that are not read, by a file that each has."""
_FOREIGN_DEPTH, _FOREIGN_WIDTH = 2, 16  # folders below each other, and beside, that are looked into for these
ADAPTER_FILES = ("adapter_model.safetensors", "adapter_model.bin")
"""The file names of PEFT's adapters, the preferred first."""
_INDEX = re.compile(r".*\.(safetensors|bin)\.index\.json")


def find_weights(folder: Folder) -> Weights:
    """Choose the weights of a folder, an adapter if it has no others, or those of its only sub-folder that has any.

    Raises NoWeights without any, UnsupportedFormat when it holds several models and none has the usual name.
    """
    found = weights_in(folder) or adapter_in(folder)
    if found is not None:
        return found
    children = folder.folders()
    below = [weights for child in children if (weights := weights_in(child)) is not None]
    if len(below) > 1 and rank_set([weights.folder.path.name for weights in below]) is not None:
        raise _ranks_apart(folder, [weights.folder.path.name for weights in below])
    adapters = [weights for child in children if not below and (weights := adapter_in(child)) is not None]
    if len(adapters) > 1:
        raise SeveralModels(folder.path, [weights.folder.path.name for weights in adapters], "adapters")
    below = below or adapters
    if len(below) > 1:
        raise SeveralModels(folder.path, [weights.folder.path.name for weights in below])
    if not below:
        foreign = next(_foreign(folder, _FOREIGN_DEPTH), None)
        raise NoWeights(folder.path, f"holds no weights: no {KNOWN}" if foreign is None else foreign)
    return below[0]


def _foreign(folder: Folder, depth: int) -> Iterator[str]:
    """What a folder without weights is, by the files in it or below."""
    yield from (said for name, said in _FOREIGN.items() if folder.holds(name))
    for child in folder.folders()[:_FOREIGN_WIDTH] if depth else ():
        yield from _foreign(child, depth - 1)


def weights_in(folder: Folder) -> Weights | None:
    """The weights of one model that lie in a folder itself, None without any. Raises UnsupportedFormat for several."""
    return _choose(folder) or _distributed(folder)


def _choose(folder: Folder) -> Weights | None:
    """Choose in one folder, by encoding."""
    if folder.holds(_CORE_ML_PACKAGE):
        return Weights(folder, (_CORE_ML_PACKAGE,))
    files = [name for name in folder.files() if not _BESIDE.fullmatch(name)]
    indexes = [name for name in files if _INDEX.fullmatch(name)]
    for pattern, usual in _ENCODINGS:
        candidates = [name for name in files if pattern.fullmatch(name)]
        listed = [index for index in indexes if pattern.fullmatch(index.removesuffix(".index.json"))]
        chosen = _choose_encoding(folder, candidates, usual, listed)
        if chosen is not None:
            _refuse_others(chosen, usual, files)
            return chosen
    return None


def _refuse_others(chosen: Weights, usual: Sequence[str], files: Sequence[str]) -> None:
    """Refuse a choice between files of several encodings whose names have nothing in common. Raises SeveralModels.

    Encodings of one model share a name, or one has the usual name of its library.
    """
    if len(chosen.files) != 1 or chosen.files[0] in usual or _MODEL.fullmatch(chosen.files[0]) is None:
        return
    own = _stem(chosen.files[0])
    named = {name for _, names in _ENCODINGS for name in names}
    models = [name for name in files if _MODEL.fullmatch(name) and name not in named]
    others = [name for name in models if not (_stem(name).startswith(own) or own.startswith(_stem(name)))]
    if others:
        raise SeveralModels(chosen.folder.path, [chosen.files[0], *others])


def _stem(name: str) -> str:
    return name.partition(".")[0].casefold()


def _distributed(folder: Folder) -> Weights | None:
    """The parts of torch.distributed.checkpoint, by the file that lists them. Raises NoWeights without that."""
    parts = [name for name in folder.files() if name.endswith(PARTS)]
    if not parts:
        return None
    if not folder.holds(METADATA):
        raise NoWeights(
            folder.path, f"holds {len(parts):,} {PARTS} without the {METADATA} that places them: copy it, too"
        )
    return Weights(folder, (METADATA,))


def adapter_in(folder: Folder) -> Weights | None:
    """The adapter that lies in a folder itself, None without one."""
    return next((Weights(folder, (name,)) for name in ADAPTER_FILES if folder.holds(name)), None)


def _choose_encoding(
    folder: Folder, candidates: Sequence[str], usual: Sequence[str], indexes: Sequence[str]
) -> Weights | None:
    for name in usual:
        if name in candidates:
            return Weights(folder, (name,))
    if indexes:
        return Weights(folder, (), min(indexes, key=lambda index: (len(index), index)))
    if not candidates:
        return None
    shards = numbered_set(folder.path, candidates) or split_set(folder, candidates)
    if shards is not None:
        return Weights(folder, tuple(shards))
    if len(candidates) == 1:
        return Weights(folder, (candidates[0],))
    if (ranks := rank_set(candidates)) is not None:
        return Weights(folder, tuple(ranks), ranks=True)
    raise SeveralModels(folder.path, candidates)


def _ranks_apart(folder: Folder, names: Sequence[str]) -> UnsupportedFormat:
    shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    return UnsupportedFormat(
        folder.path,
        f"holds one model in {len(names)} parts, one a rank ({shown}): join them with the program that trained it, and"
        " give the whole",
    )
