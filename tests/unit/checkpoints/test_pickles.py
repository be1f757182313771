"""Arrays in pickles: orders, byte orders, compressions, lists as Keras gives them."""

from __future__ import annotations

import bz2
import gzip
import lzma
import pickle
import sys
import zlib
from pathlib import Path

import lz4.frame
import numpy as np
import pytest

from lineage.checkpoints import open_checkpoint
from lineage.errors import MissingExtra, UnsupportedFormat
from tests.checkpoint_files import same_bits, whole
from tests.pickle_files import joblib_bytes

RNG = np.random.default_rng(1)
MATRIX = RNG.standard_normal((6, 5)).astype(np.float32)
COMPRESSIONS = {
    "zlib": zlib.compress,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda content: lzma.compress(content, lzma.FORMAT_ALONE),
    "lz4": lz4.frame.compress,
}


def saved(folder: Path, content: bytes) -> Path:
    path = folder / "net.pkl"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("array", [MATRIX, MATRIX.T, MATRIX[:, 0], MATRIX.astype(">f8"), MATRIX > 0], ids=range(5))
def test_numpy_arrays_of_any_order_and_protocol(array: np.ndarray, protocol: int, tmp_path: Path) -> None:
    found = whole(open_checkpoint(saved(tmp_path, pickle.dumps({"state_dict": {"w": array}}, protocol))))
    assert same_bits(found["w"], np.ascontiguousarray(array).astype(array.dtype.newbyteorder("=")))


@pytest.mark.parametrize("padded", [False, True])
def test_joblib_in_both_orders(padded: bool, tmp_path: Path) -> None:
    value = {"a": MATRIX, "b": np.asfortranarray(MATRIX), "name": "net", "c": MATRIX.astype(">i4")}
    found = whole(open_checkpoint(saved(tmp_path, joblib_bytes(value, padded=padded))))
    assert np.array_equal(found["a"], MATRIX)
    assert np.array_equal(found["b"], MATRIX)
    assert np.array_equal(found["c"], MATRIX.astype(np.int32))


@pytest.mark.parametrize(
    "compress",
    COMPRESSIONS.values(),
    ids=COMPRESSIONS.keys(),
)
def test_every_compression_of_joblib(compress: object, tmp_path: Path) -> None:
    content = compress(joblib_bytes({"a": MATRIX}))  # type: ignore[operator]
    checkpoint = open_checkpoint(saved(tmp_path, content))
    assert np.array_equal(whole(checkpoint)["a"], MATRIX)
    assert checkpoint.format == "joblib"


def test_a_missing_lz4_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path, lz4.frame.compress(joblib_bytes({"a": MATRIX})))
    monkeypatch.setitem(sys.modules, "lz4.frame", None)
    with pytest.raises(MissingExtra, match=r"pip install 'weight-lineage\[lz4\]'"):
        open_checkpoint(path)


def test_other_compressed_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedFormat, match="no pickle of arrays is inside"):
        open_checkpoint(saved(tmp_path, gzip.compress(b"a text")))


def test_a_pickle_without_arrays_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedFormat, match=r"not one that torch\.save wrote, and without arrays"):
        open_checkpoint(saved(tmp_path, pickle.dumps({"a": [1, 2]}, 4)))


def test_arrays_of_objects_are_left_out(tmp_path: Path) -> None:
    value = {"a": MATRIX, "names": np.array(["x", "y"], object), "words": np.array(["x", "y"])}
    checkpoint = open_checkpoint(saved(tmp_path, pickle.dumps(value, 4)))
    assert [view.name for view in checkpoint.tensors] == ["a"]
    assert [name for name, _ in checkpoint.left_out] == ["names", "words"]


def test_a_list_of_keras_is_brought_to_the_layers_and_axes_of_torch(tmp_path: Path) -> None:
    kernel, pointwise = RNG.standard_normal((3, 3, 4, 8)), RNG.standard_normal((1, 1, 8, 6))
    value = [kernel, kernel[0, 0, 0], kernel[:1, :1, 0], MATRIX, MATRIX[0], pointwise]
    found = whole(open_checkpoint(saved(tmp_path, pickle.dumps(value, 4))))
    assert list(found) == [
        "layers.0.weight", "layers.0.bias", "layers.0.vector2", "layers.1.weight", "layers.1.bias", "layers.2.weight",
    ]  # fmt: skip
    assert np.array_equal(found["layers.0.weight"], kernel.transpose(3, 2, 0, 1))
    assert found["layers.0.vector2"].shape == (8,)
    assert np.array_equal(found["layers.1.weight"], MATRIX)
    assert np.array_equal(found["layers.2.weight"], pointwise.transpose(3, 2, 0, 1))


@pytest.mark.parametrize("shape", [(8, 4, 3, 3), (3, 3, 3, 3), (64, 64, 1, 1), (3, 5, 4, 8)])
def test_four_axes_that_may_be_those_of_torch_stay(shape: tuple[int, ...], tmp_path: Path) -> None:
    [view] = open_checkpoint(saved(tmp_path, pickle.dumps([RNG.standard_normal(shape)], 4))).tensors
    assert view.shape == shape


def test_names_of_a_dictionary_say_what_they_say(tmp_path: Path) -> None:
    kernel = RNG.standard_normal((3, 3, 4, 8))
    [view] = open_checkpoint(saved(tmp_path, pickle.dumps({"conv": kernel}, 4))).tensors
    assert (view.name, view.shape) == ("conv", kernel.shape)
