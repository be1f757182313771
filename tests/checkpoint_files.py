"""One way to write a model in each format, for the tests that hold for all of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from safetensors import TensorSpec, serialize

from lineage.types import Checkpoint
from tests.torch_files import Storages, ordered_dict, write_legacy, write_zip

Arrays = Mapping[str, np.ndarray]
Write = Callable[[Path, Arrays], Path]


def safetensors_bytes(arrays: Arrays) -> bytes:
    """A file written by the library, of any dtype that it writes."""
    specs = {
        name: TensorSpec(dtype=array.dtype.name, shape=array.shape, data_ptr=array.ctypes.data, data_len=array.nbytes)
        for name, array in arrays.items()
    }
    return bytes(serialize(specs))


def header_file(path: Path, header: object, data: bytes = b"", *, length: int | None = None) -> Path:
    """A safetensors file with whatever header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes((len(text) if length is None else length).to_bytes(8, "little") + text + data)
    return path


def write_safetensors(folder: Path, arrays: Arrays) -> Path:
    path = folder / "net.safetensors"
    path.write_bytes(safetensors_bytes(arrays))
    return path


def write_shards(folder: Path, arrays: Arrays) -> Path:
    """Two safetensors shards with an index."""
    names = list(arrays)
    weight_map: dict[str, str] = {}
    for number in (1, 2):
        shard = f"model-{number:05d}-of-00002.safetensors"
        part = {name: arrays[name] for name in names[number - 1 :: 2]}
        (folder / shard).write_bytes(safetensors_bytes(part))
        weight_map |= dict.fromkeys(part, shard)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return folder


def write_npz(folder: Path, arrays: Arrays) -> Path:
    np.savez(folder / "net.npz", **arrays)
    return folder / "net.npz"


def write_npz_fortran(folder: Path, arrays: Arrays) -> Path:
    np.savez(folder / "net.npz", **{name: np.array(array, order="F") for name, array in arrays.items()})
    return folder / "net.npz"


def write_npz_deflated(folder: Path, arrays: Arrays) -> Path:
    np.savez_compressed(folder / "net.npz", **arrays)
    return folder / "net.npz"


def write_torch(folder: Path, arrays: Arrays) -> Path:
    storages = Storages()
    value = ordered_dict({name: storages.tensor(array) for name, array in arrays.items()})
    return write_zip(folder / "net.pt", value, storages)


def write_torch_deflated(folder: Path, arrays: Arrays) -> Path:
    storages = Storages()
    value = {"state_dict": {name: storages.tensor(array) for name, array in arrays.items()}, "epoch": 3}
    return write_zip(folder / "net.pt", value, storages, deflate=True)


def write_torch_big_endian(folder: Path, arrays: Arrays) -> Path:
    storages = Storages()
    value = ordered_dict({name: storages.tensor(array) for name, array in arrays.items()})
    return write_zip(folder / "net.pt", value, storages, big_endian=True)


def write_torch_legacy(folder: Path, arrays: Arrays) -> Path:
    storages = Storages(legacy=True)
    value = ordered_dict({name: storages.tensor(array) for name, array in arrays.items()})
    return write_legacy(folder / "net.pth", value, storages)


WRITERS: dict[str, Write] = {
    "safetensors": write_safetensors,
    "safetensors shards": write_shards,
    "npz": write_npz,
    "npz in Fortran order": write_npz_fortran,
    "npz deflated": write_npz_deflated,
    "torch": write_torch,
    "torch deflated": write_torch_deflated,
    "torch big-endian": write_torch_big_endian,
    "torch legacy": write_torch_legacy,
}
IN_PLACE = {name: write for name, write in WRITERS.items() if "deflated" not in name and "Fortran" not in name}
SINGLE_FILE = {name: write for name, write in WRITERS.items() if name != "safetensors shards"}


def whole(checkpoint: Checkpoint) -> dict[str, np.ndarray]:
    """Every tensor, read in one piece."""
    return {
        view.name: view.rows(0, view.shape[0] if view.shape else 1).reshape(view.shape) for view in checkpoint.tensors
    }


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    """Equal dtype, shape and bits, NaN included."""
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
