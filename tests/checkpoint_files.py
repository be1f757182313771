"""One way to write a model in each format, for the tests that hold for all of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from safetensors import TensorSpec, serialize

from lineage.checkpoints import open_checkpoint
from lineage.errors import CheckpointError
from lineage.sketch import sketch_checkpoint
from lineage.types import Checkpoint, CheckpointSketch
from tests.archive_files import llamafile_of, tar_of, zip_of
from tests.coreml_files import write_mlmodel, write_mlpackage
from tests.described_files import write_ncnn, write_raw
from tests.distributed_files import write_distributed
from tests.equinox_files import write_equinox, write_equinox_with_settings
from tests.gguf_files import write_gguf, write_gguf_big_endian, write_gguf_split
from tests.graph_files import write_frozen_graph
from tests.msgpack_files import write_flax, write_thinc
from tests.onnx_files import write_onnx, write_onnx_constants, write_onnx_external, write_onnx_typed
from tests.openvino_files import write_openvino
from tests.pickle_files import write_joblib, write_joblib_lz4, write_joblib_zlib, write_pickle
from tests.record_files import write_ctranslate2, write_ggml, write_paddle
from tests.tensorflow_files import (
    write_bundle,
    write_bundle_big_endian,
    write_hdf5,
    write_hdf5_deflated,
    write_keras,
    write_saved_model,
    write_tfjs,
)
from tests.tflite_files import write_tflite
from tests.torch_files import (
    Storages,
    module_of,
    ordered_dict,
    write_exported,
    write_exported_before,
    write_legacy,
    write_program,
    write_zip,
)

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


def write_torchscript(folder: Path, arrays: Arrays) -> Path:
    storages = Storages()
    program = module_of({name: storages.tensor(array) for name, array in arrays.items()})
    return write_program(folder / "net.jit", program, storages)


def write_tar(folder: Path, arrays: Arrays) -> Path:
    (folder / "net.nemo").write_bytes(tar_of({"model.safetensors": safetensors_bytes(arrays)}))
    return folder / "net.nemo"


def write_mar(folder: Path, arrays: Arrays) -> Path:
    files = {"MAR-INF/MANIFEST.json": b"{}", "model.safetensors": safetensors_bytes(arrays)}
    (folder / "net.mar").write_bytes(zip_of(files))
    return folder / "net.mar"


def write_llamafile(folder: Path, arrays: Arrays) -> Path:
    gguf = write_gguf(folder, arrays)
    (folder / "net.llamafile").write_bytes(llamafile_of({"net.gguf": gguf.read_bytes(), ".args": b"-m\nnet.gguf\n"}))
    gguf.unlink()
    return folder / "net.llamafile"


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
    "torchscript": write_torchscript,
    "torch distributed": write_distributed,
    "onnx": write_onnx,
    "onnx typed fields": write_onnx_typed,
    "onnx constants": write_onnx_constants,
    "onnx external": write_onnx_external,
    "tflite": write_tflite,
    "tensorflow checkpoint": write_bundle,
    "tensorflow checkpoint big-endian": write_bundle_big_endian,
    "tensorflow SavedModel": write_saved_model,
    "frozen graph": write_frozen_graph,
    "tfjs": write_tfjs,
    "hdf5": write_hdf5,
    "hdf5 deflated": write_hdf5_deflated,
    "keras": write_keras,
    "gguf": write_gguf,
    "gguf split": write_gguf_split,
    "gguf big-endian": write_gguf_big_endian,
    "core ml program": write_mlpackage,
    "core ml network": write_mlmodel,
    "paddle": write_paddle,
    "flax": write_flax,
    "thinc": write_thinc,
    "equinox": write_equinox,
    "equinox with settings": write_equinox_with_settings,
    "ctranslate2": write_ctranslate2,
    "ggml": write_ggml,
    "ncnn": write_ncnn,
    "raw": write_raw,
    "joblib": write_joblib,
    "joblib deflated by zlib": write_joblib_zlib,
    "joblib deflated by lz4": write_joblib_lz4,
    "pickle": write_pickle,
    "torch.export": write_exported,
    "torch.export before 2.8": write_exported_before,
    "openvino": write_openvino,
    "tar": write_tar,
    "mar": write_mar,
    "llamafile": write_llamafile,
}
IN_MEMORY = {write_joblib_zlib, write_joblib_lz4, write_pickle}  # opening reads the values, too
IN_PLACE = {
    name: write
    for name, write in WRITERS.items()
    if "deflated" not in name and "Fortran" not in name and write not in IN_MEMORY
}
_SEVERAL_FILES = {
    "safetensors shards",
    "torch distributed",
    "gguf split",
    "onnx external",
    "tfjs",
    "core ml program",
    "ncnn",
    "raw",
    "openvino",
}
SINGLE_FILE = {  # a llamafile that is cut is a program like any other
    name: write
    for name, write in WRITERS.items()
    if name not in _SEVERAL_FILES and not name.startswith("tensorflow") and write is not write_llamafile
}
_WIDE = {"float64", "int64", "bool"}
LACKS: dict[Write, set[str]] = {  # types that a format has no name for, and "scalar" where it has none
    write_gguf: {"bool"},
    write_gguf_split: {"bool"},
    write_gguf_big_endian: {"bool"},
    write_frozen_graph: {"int64", "bool"},
    write_equinox: {"int64", "bool", "scalar"},
    write_equinox_with_settings: {"int64", "bool", "scalar"},
    write_tfjs: {"float16", "float64", "int64"},
    write_mlpackage: _WIDE,
    write_mlmodel: {*_WIDE, "scalar"},
    write_ctranslate2: _WIDE,
    write_ggml: {"bool"},
    write_ncnn: {*_WIDE, "scalar"},
    write_openvino: {"int64", "bool", "scalar"},
    write_llamafile: {"bool"},
}


def lacks(write: Write, array: np.ndarray) -> bool:
    """Whether the format has no way to hold an array."""
    missing = LACKS.get(write, set())
    return array.dtype.name in missing or (not array.shape and "scalar" in missing)


def named(write: Write, arrays: Arrays) -> dict[str, np.ndarray]:
    """Arrays under the names that a format gives them which keeps none."""
    if write not in {write_equinox, write_equinox_with_settings}:
        return dict(arrays)
    return {f"leaf.{number}": array for number, array in enumerate(arrays.values())}


def whole(checkpoint: Checkpoint) -> dict[str, np.ndarray]:
    """Every tensor, read in one piece."""
    return {
        view.name: view.rows(0, view.shape[0] if view.shape else 1).reshape(view.shape) for view in checkpoint.tensors
    }


def sketched(path: Path) -> CheckpointSketch:
    """The sketch of a file, all of it read."""
    return sketch_checkpoint(open_checkpoint(path), threads=1)


def opens_or_is_refused(path: Path) -> None:
    """A damaged model reads to its end, or is refused with a CheckpointError of one printable line."""
    try:
        whole(open_checkpoint(path))
    except CheckpointError as error:
        message = str(error)
    else:
        return
    assert message.isprintable()


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    """Equal dtype, shape and bits, NaN included."""
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
