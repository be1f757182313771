"""Writes what the ranks of a training run write, without torch: torch.distributed.checkpoint and parts of DTensors."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests.torch_files import Call, Glob, Pairs, Storages, ordered_dict, pickled, row_major, write_zip

Arrays = Mapping[str, np.ndarray]
Offsets = tuple[int, ...]
Box = tuple[Offsets, np.ndarray]
METADATA = "torch.distributed.checkpoint.metadata"


def size(shape: Sequence[int]) -> Call:
    return Call(Glob("torch", "Size"), (tuple(shape),))


def tensor_metadata(shape: Sequence[int], chunks: Sequence[tuple[Offsets, Sequence[int]]]) -> Call:
    listed = [
        Call(Glob(METADATA, "ChunkStorageMetadata"), (), {"offsets": size(at), "sizes": size(sides)})
        for at, sides in chunks
    ]
    properties = Call(Glob(METADATA, "TensorProperties"), (), (Glob("torch", "float32"), False))
    return Call(
        Glob(METADATA, "TensorStorageMetadata"), (), {"properties": properties, "size": size(shape), "chunks": listed}
    )


def index(name: str, offsets: Offsets | None) -> Call:
    where = None if offsets is None else size(offsets)
    return Call(Glob(METADATA, "MetadataIndex"), (), {"fqn": name, "offset": where, "index": 0})


def stored_at(file: str, offset: int, length: int, **more: Any) -> Call:
    fields = {"relative_path": file, "offset": offset, "length": length, **more}
    return Call(Glob("torch.distributed.checkpoint.filesystem", "_StorageInfo"), (), fields)


def saved(array: np.ndarray) -> bytes:
    """What torch.save writes for one tensor."""
    storages, out = Storages(), io.BytesIO()
    value = storages.tensor_v3(array) if array.dtype.name not in _CLASSES else storages.tensor(array)
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("archive/data.pkl", pickled(value))
        for key, held in storages.arrays.items():
            archive.writestr(f"archive/data/{key}", held.tobytes())
    return out.getvalue()


_CLASSES = ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool")


def halves(array: np.ndarray, axis: int = 0) -> list[Box]:
    """Two boxes of an array as torch.chunk cuts it, one where there is nothing to cut."""
    if array.ndim == 0 or array.shape[axis] < 2:
        return [((0,) * array.ndim, array)]
    middle = -(-array.shape[axis] // 2)
    first, second = np.split(array, [middle], axis)
    return [((0,) * array.ndim, first), (tuple(middle if a == axis else 0 for a in range(array.ndim)), second)]


def write_boxes(
    folder: Path, boxes: Mapping[str, Sequence[Box]], shapes: Mapping[str, Sequence[int]], path: Sequence[str] = ()
) -> Path:
    """A checkpoint folder, the n-th box of each tensor in the file of rank n; `path` leads to the tensors."""
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, bytes] = {}
    places: list[tuple[Any, Any]] = []
    for name, held in boxes.items():
        for rank, (offsets, array) in enumerate(held):
            file, part = f"__{rank}_0.distcp", saved(array)
            start = len(files.setdefault(file, b""))
            files[file] += part
            places.append((index(".".join((*path, name)), offsets), stored_at(file, start, len(part))))
    described = {
        ".".join((*path, name)): tensor_metadata(shapes[name], [(at, array.shape) for at, array in held])
        for name, held in boxes.items()
    }
    planned = {".".join((*path, name)): (*path, name) for name in boxes}
    write_metadata(folder, described, places, planned)
    for file, content in files.items():
        (folder / file).write_bytes(content)
    return folder


def write_metadata(folder: Path, described: Any, places: Sequence[tuple[Any, Any]], planned: Any = None) -> Path:
    fields = {"state_dict_metadata": described, "planner_data": planned, "storage_data": Pairs(tuple(places))}
    (folder / ".metadata").write_bytes(pickled(Call(Glob(METADATA, "Metadata"), (), fields)))
    return folder


def write_distributed(folder: Path, arrays: Arrays) -> Path:
    """A checkpoint of two ranks, every tensor cut by rows."""
    boxes = {name: halves(array) for name, array in arrays.items()}
    return write_boxes(folder, boxes, {name: array.shape for name, array in arrays.items()}, ("model",))


def dtensor(
    storages: Storages,
    local: np.ndarray,
    shape: Sequence[int],
    placements: Sequence[int | str | None],
    coordinates: Sequence[int],
    mesh: Sequence[int],
    *,
    layout: bool = False,
) -> Call:
    """A rank's part: `placements` are the axis that each axis of the mesh cuts, None for copies.

    The mesh is a tensor, or with `layout` the strides that torch 2.13 writes.
    """
    kinds: list[Call] = []
    for placement in placements:
        module = "torch.distributed.tensor.placement_types"
        name = placement if isinstance(placement, str) else "Replicate" if placement is None else "Shard"
        kinds.append(Call(Glob(module, name), (), {"dim": placement} if name == "Shard" else {}))
    flat = [
        Call(Glob("torch.distributed._mesh_layout", "_FlatLayout"), (), {"shape": (n,), "stride": (1,)}) for n in mesh
    ]
    ranks = np.arange(np.prod(mesh), dtype=np.int32).reshape(mesh)
    described: dict[str, Any] = {"_coordinate_on_dim": tuple(coordinates)}
    if layout:
        described["_layout"] = Call(Glob("torch.distributed._mesh_layout", "_MeshLayout"), (), {"axes": tuple(flat)})
    else:
        described["mesh"] = storages.tensor(ranks)
    spec = {
        "mesh": Call(Glob("torch.distributed.device_mesh", "DeviceMesh"), (), described),
        "placements": tuple(kinds),
    }
    made = Call(Glob("torch.distributed.tensor._dtensor_spec", "DTensorSpec"), (), spec)
    kind = Glob("torch.distributed.tensor", "DTensor")
    strided = (kind, Glob("torch", local.dtype.name), tuple(shape), row_major(tuple(shape)), 0)
    state = {"_local_tensor": storages.tensor(local), "_spec": made}
    function = Glob("torch._utils", "_rebuild_wrapper_subclass")
    return Call(Glob("torch._tensor", "_rebuild_from_type_v2"), (function, kind, strided, state))


def write_rank(path: Path, parts: Mapping[str, Any], storages: Storages) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_zip(path, ordered_dict(dict(parts)), storages)


def write_zero(
    folder: Path,
    arrays: Mapping[str, np.ndarray],
    ranks: int = 2,
    *,
    frozen: Mapping[str, np.ndarray] = {},
    buffers: Mapping[str, np.ndarray] = {},
    changes: Mapping[str, Any] = {},
    first: str = "bf16_zero",
) -> Path:
    """A run of ZeRO stage 3, as DeepSpeed keeps it: two groups of values a rank, padded at the end of each tensor."""
    folder.mkdir(parents=True, exist_ok=True)

    def parts(array: np.ndarray) -> list[np.ndarray]:
        each = -(-array.size // ranks)
        return np.split(np.pad(array.reshape(-1), (0, each * ranks - array.size)), ranks)

    names = list(arrays)
    halves = [names[: len(names) // 2], names[len(names) // 2 :]]
    for rank in range(ranks):
        storages = Storages()
        empty = {name: storages.tensor(np.empty(0, np.float32)) for name in arrays}
        model = {
            "module": ordered_dict(empty | {name: storages.tensor(array) for name, array in buffers.items()}),
            "param_shapes": [
                ordered_dict({name: Call(Glob("torch", "Size"), (arrays[name].shape,)) for name in half})
                for half in halves
            ],
            "frozen_param_shapes": {name: array.shape for name, array in frozen.items()},
            "frozen_param_fragments": {name: storages.tensor(parts(array)[rank]) for name, array in frozen.items()},
            "ds_config": {"zero_optimization": {"stage": 3}},
            "mp_world_size": 1,
        }
        write_zip(folder / f"zero_pp_rank_{rank}_mp_rank_00_model_states.pt", model | changes, storages)
        storages = Storages()
        groups = [
            storages.tensor(np.concatenate([parts(arrays[name])[rank] for name in half] or [np.empty(0, "f4")]))
            for half in halves
        ]
        state = {"zero_stage": 3, "partition_count": ranks, "fp32_flat_groups": groups}
        name = f"{first}_pp_rank_{rank}_mp_rank_00_optim_states.pt"
        write_zip(folder / name, {"optimizer_state_dict": state | changes}, storages)
    return folder
