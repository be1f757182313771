"""NumPy files: what is a weight in them and what is not."""

from __future__ import annotations

import zipfile
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from lineage.checkpoints import open_checkpoint
from lineage.errors import CheckpointError, Malformed, UnsupportedDtype
from lineage.types.facts.exclusions import NotAWeight
from tests.checkpoint_files import same_bits, whole


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).standard_normal(shape).astype(np.float32)


def npy_bytes(header: str, data: bytes = b"", version: int = 1) -> bytes:
    raw = header.encode("latin-1") + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + len(raw).to_bytes(2 if version == 1 else 4, "little") + raw + data


@pytest.mark.parametrize("dtype", ["<f4", ">f4", ">i2", "<f8", "<c8", "|u1", "|b1"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_an_array_file_reads_as_numpy_reads_it(dtype: str, order: str, tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 2, (5, 3, 2)).astype(dtype, order=order)  # type: ignore[call-overload]
    np.save(tmp_path / "kernel.npy", array)
    checkpoint = open_checkpoint(tmp_path / "kernel.npy")
    found = whole(checkpoint)["kernel"]
    assert np.array_equal(found, np.load(tmp_path / "kernel.npy"))
    assert found.dtype.isnative
    assert (checkpoint.name, checkpoint.format) == ("kernel", "npy")


@pytest.mark.parametrize("version", [1, 2, 3])
def test_headers_of_other_writers(version: int, tmp_path: Path) -> None:
    header = """{"shape": (2L, 2,), "fortran_order":False , "descr" : "<f4"}"""
    (tmp_path / "a.npy").write_bytes(npy_bytes(header, np.arange(4, dtype=np.float32).tobytes(), version))
    assert whole(open_checkpoint(tmp_path / "a.npy"))["a"].tolist() == [[0, 1], [2, 3]]


def test_text_beside_weights_is_left_out(tmp_path: Path) -> None:
    np.savez(tmp_path / "net.npz", w=np.ones((2, 2)), names=np.array(["a", "b"]))
    checkpoint = open_checkpoint(tmp_path / "net.npz")
    assert [view.name for view in checkpoint.tensors] == ["w"]
    assert checkpoint.left_out == (("names", NotAWeight("text-or-dates")),)


@pytest.mark.parametrize("array", [np.array([{}], object), np.zeros(2, "V2"), np.zeros(2, "i4,f4"), np.array(["a"])])
def test_what_is_no_number_is_refused(array: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    with pytest.raises(UnsupportedDtype):
        open_checkpoint(tmp_path / "a.npy")


@pytest.mark.skipif(np.dtype(np.longdouble).itemsize == 8, reason="long double is double on this machine")
def test_long_doubles_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros(3, np.longdouble))
    with pytest.raises(UnsupportedDtype, match="long double"):
        open_checkpoint(tmp_path / "a.npy")


def test_bfloat16_that_numpy_wrote_without_its_type_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "net.npz", w=np.ones(3, ml_dtypes.bfloat16))
    with pytest.raises(UnsupportedDtype, match="save it as safetensors"):
        open_checkpoint(tmp_path / "net.npz")


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (__import__('os').getpid(),)}",
        "{'descr': '<f4', 'fortran_order': 0, 'shape': (4,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-4,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (5,)}",
        "{'descr': '<f3', 'fortran_order': False, 'shape': (4,)}",
        "",
    ],
)
def test_broken_headers_are_refused(header: str, tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(npy_bytes(header, bytes(16)))
    with pytest.raises(CheckpointError):
        open_checkpoint(tmp_path / "a.npy")


def test_a_large_fortran_array_is_read_by_columns(tmp_path: Path) -> None:
    array = np.asfortranarray(np.arange(2000 * 700, dtype=np.float64).reshape(2000, 700))
    np.save(tmp_path / "a.npy", array)
    checkpoint = open_checkpoint(tmp_path / "a.npy")
    before = checkpoint.meter.bytes_read
    assert same_bits(checkpoint.tensors[0].rows(50, 60), np.ascontiguousarray(array[50:60]))
    assert checkpoint.meter.bytes_read - before == 10 * 700 * 8


def test_one_row_of_a_wide_gap_is_read_value_by_value(tmp_path: Path) -> None:
    array = np.asfortranarray(np.arange(100_000 * 3, dtype=np.float64).reshape(100_000, 3))
    np.save(tmp_path / "a.npy", array)
    checkpoint = open_checkpoint(tmp_path / "a.npy")
    before = checkpoint.meter.bytes_read
    assert checkpoint.tensors[0].rows(7, 8).tolist() == array[7:8].tolist()
    assert checkpoint.meter.bytes_read - before == 3 * 8


def test_a_damaged_compressed_member_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.npz"
    np.savez_compressed(path, w=np.random.default_rng(0).standard_normal(2000))
    with zipfile.ZipFile(path) as archive:
        info = archive.infolist()[0]
    content = bytearray(path.read_bytes())
    content[info.header_offset + 2000] ^= 1
    path.write_bytes(content)
    view = open_checkpoint(path).tensors[0]
    with pytest.raises(Malformed, match=r"'w\.npy' is damaged"):
        view.rows(0, 2000)


def test_a_dictionary_of_arrays_is_read_without_running_its_pickle(tmp_path: Path) -> None:
    arrays = {"a.weight": normal(4, 3), "a.bias": normal(4)}
    np.save(tmp_path / "net.npy", arrays)  # type: ignore[arg-type]  # as people do
    np.save(tmp_path / "nested.npy", {"layers": {"a": arrays}})  # type: ignore[arg-type]
    np.savez(tmp_path / "net.npz", weights=np.array(arrays, dtype=object), step=np.array(3.0))
    for name, prefix in (("net.npy", ""), ("nested.npy", "layers.a."), ("net.npz", "weights.")):
        found = whole(open_checkpoint(tmp_path / name))
        assert {key: array.tobytes() for key, array in found.items() if key != "step"} == {
            prefix + key: array.tobytes() for key, array in arrays.items()
        }, name


def test_a_list_of_arrays_is_the_layers_of_a_model(tmp_path: Path) -> None:
    arrays = [normal(4, 3), normal(4), normal(2, 4), normal(2)]
    ragged = np.empty(4, object)
    ragged[:] = arrays
    np.save(tmp_path / "net.npy", ragged)
    found = whole(open_checkpoint(tmp_path / "net.npy"))
    assert list(found) == ["layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias"]
    assert all(np.array_equal(a, b) for a, b in zip(found.values(), arrays, strict=True))


def test_objects_that_hold_no_arrays_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "net.npy", np.array(["a", None], dtype=object))
    with pytest.raises(CheckpointError):
        open_checkpoint(tmp_path / "net.npy")
