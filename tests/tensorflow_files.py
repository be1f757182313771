"""Files of the TensorFlow family written from their definitions: bundles, SavedModels, tfjs, HDF5, .keras."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tests.onnx_files import field, varint

TYPES = {"float32": 1, "float64": 2, "int32": 3, "uint8": 4, "int8": 6, "int64": 9, "bool": 10, "float16": 19}
Arrays = Mapping[str, np.ndarray]


def as_tensorflow(arrays: Arrays) -> dict[str, np.ndarray]:
    """Kernels as TensorFlow keeps them: places first, outputs last."""
    return {
        name: np.ascontiguousarray(array.transpose(*range(2, array.ndim), 1, 0)) if "conv" in name else array
        for name, array in arrays.items()
    }


def block(entries: Mapping[bytes, bytes]) -> bytes:
    """A block of an SSTable, keys shared with the one before as far as they are equal."""
    out, before = b"", b""
    for key, value in sorted(entries.items()):
        shared = next(
            (i for i, (a, b) in enumerate(zip(key, before, strict=False)) if a != b), min(len(key), len(before))
        )
        out += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        before = key
    return out + struct.pack("<II", 0, 1)


def sstable(entries: Mapping[bytes, bytes], *, compression: int = 0) -> bytes:
    """A sorted table of one block, its index and its footer; checksums are left empty."""
    trailer = bytes([compression]) + bytes(4)
    data = block(entries)
    index = block({max(entries): varint(0) + varint(len(data))})
    start = len(data) + 5
    handles = varint(start) + varint(8) + varint(start + 8 + 5) + varint(len(index))
    footer = handles + bytes(40 - len(handles)) + struct.pack("<Q", 0xDB4775248B80FB57)
    return data + trailer + struct.pack("<II", 0, 1) + trailer + index + trailer + footer


def entry(array: np.ndarray, offset: int, *, shard: int = 0) -> bytes:
    """A BundleEntryProto."""
    shape = b"".join(field(2, field(1, side)) for side in array.shape)
    place = (field(3, shard) if shard else b"") + (field(4, offset) if offset else b"")
    return field(1, TYPES[array.dtype.name]) + field(2, shape) + place + field(5, array.nbytes)


def header(shards: int = 1, *, big_endian: bool = False) -> bytes:
    """A BundleHeaderProto."""
    return field(1, shards) + (field(2, 1) if big_endian else b"") + field(3, field(1, 1))


def bundle(
    prefix: Path, arrays: Arrays, *, big_endian: bool = False, extra: Mapping[bytes, bytes] | None = None
) -> Path:
    """An index and one data file of arrays as they are given."""
    entries, data = {b"": header(big_endian=big_endian), **(extra or {})}, b""
    for name, array in sorted(arrays.items()):
        entries[name.encode()] = entry(array, len(data))
        data += array.astype(array.dtype.newbyteorder(">" if big_endian else "<")).tobytes()
    prefix.with_name(f"{prefix.name}.data-00000-of-00001").write_bytes(data)
    index = prefix.with_name(f"{prefix.name}.index")
    index.write_bytes(sstable(entries))
    return index


def write_bundle(folder: Path, arrays: Arrays) -> Path:
    return bundle(folder / "net.ckpt", as_tensorflow(arrays))


def write_bundle_big_endian(folder: Path, arrays: Arrays) -> Path:
    return bundle(folder / "net.ckpt", as_tensorflow(arrays), big_endian=True)


def write_saved_model(folder: Path, arrays: Arrays) -> Path:
    """A SavedModel whose graph is empty: it is not looked at."""
    (folder / "variables").mkdir(exist_ok=True)
    keyed = {f"{name}/.ATTRIBUTES/VARIABLE_VALUE": array for name, array in as_tensorflow(arrays).items()}
    bundle(folder / "variables" / "variables", keyed)
    (folder / "saved_model.pb").write_bytes(field(1, 1) + field(2, field(1, field(4, "serve"))))
    return folder


def tfjs(folder: Path, weights: list[dict[str, Any]], data: bytes, shard: int = 1 << 30) -> Path:
    """A model.json and its shards of at most that many bytes."""
    parts = [data[start : start + shard] for start in range(0, len(data), shard)]
    paths = [f"group1-shard{number + 1}of{len(parts)}.bin" for number in range(len(parts))]
    for path, part in zip(paths, parts, strict=True):
        (folder / path).write_bytes(part)
    manifest = [{"paths": paths, "weights": weights}]
    (folder / "model.json").write_text(json.dumps({"format": "layers-model", "weightsManifest": manifest}))
    return folder / "model.json"


def write_tfjs(folder: Path, arrays: Arrays) -> Path:
    """Shards of 1000 bytes, so that weights lie across their borders."""
    stored = as_tensorflow(arrays)
    weights = [{"name": n, "shape": list(a.shape), "dtype": a.dtype.name} for n, a in stored.items()]
    return tfjs(folder, weights, b"".join(a.tobytes() for a in stored.values()), 1000)


def hdf5_bytes(arrays: Arrays, **options: Any) -> bytes:
    """An HDF5 file by h5py."""
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array, **(options if array.ndim else {}))
    return stream.getvalue()


def write_hdf5(folder: Path, arrays: Arrays) -> Path:
    path = folder / "net.h5"
    path.write_bytes(hdf5_bytes(as_tensorflow(arrays)))
    return path


def write_hdf5_deflated(folder: Path, arrays: Arrays) -> Path:
    path = folder / "net.h5"
    path.write_bytes(hdf5_bytes(as_tensorflow(arrays), compression="gzip", shuffle=True))
    return path


def write_keras(folder: Path, arrays: Arrays) -> Path:
    with zipfile.ZipFile(folder / "net.keras", "w") as archive:
        archive.writestr("metadata.json", "{}")
        archive.writestr("config.json", "{}")
        archive.writestr("model.weights.h5", hdf5_bytes(as_tensorflow(arrays)))
    return folder / "net.keras"
