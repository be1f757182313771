"""Numbers of things that no model has: one line, before memory or time is taken for them. SECURITY.md lists them."""

from __future__ import annotations

import json
import re
import struct
import time
from pathlib import Path

import numpy as np
import pytest

from lineage.api import sketch
from lineage.checkpoints import numbers
from lineage.errors import Malformed
from lineage.sketch import read_sketch, sketch_file
from tests.checkpoint_files import safetensors_bytes
from tests.hostile.test_sketch_files import forged, parts, sound
from tests.tflite_files import Table, Tables, dimension, tensor, tflite
from tests.tflite_files import numbers as numbers_of
from tests.torch_files import Storages, ordered_dict, write_zip
from tests.torch_value_files import sparse as torch_sparse

__all__ = ["sound"]
ROOT = Path(__file__).parents[2]


def refused(path: Path, message: str) -> None:
    started = time.perf_counter()
    with pytest.raises(Malformed, match=message) as caught:
        sketch(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600
    assert time.perf_counter() - started < 5


def sparse(path: Path, shape: tuple[int, ...]) -> Path:
    """A file of one tensor whose bytes were never written."""
    size = 2 * int(np.prod(shape, dtype=np.int64))
    head = json.dumps({"w": {"dtype": "F16", "shape": shape, "data_offsets": [0, size]}}).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(head)) + head)
        file.truncate(8 + len(head) + size)
    return path


def test_tensors_by_the_hundred_thousand(tmp_path, monkeypatch):
    monkeypatch.setattr(numbers, "MOST_TENSORS", 20)
    for count in (20, 21):
        path = tmp_path / f"{count}.safetensors"
        path.write_bytes(safetensors_bytes({f"t{i}": np.ones((2, 3), np.float32) * i for i in range(count)}))
    assert len(sketch(tmp_path / "20.safetensors").tensors) == 20
    refused(tmp_path / "21.safetensors", "holds 21 tensors; 20 are the most")
    np.savez(tmp_path / "a.npz", **{f"t{i}": np.ones((2, 3)) for i in range(21)})
    refused(tmp_path / "a.npz", "holds 21 tensors; 20 are the most")


def test_rows_by_the_million(tmp_path):
    refused(sparse(tmp_path / "a.safetensors", (50_000_000, 1000)), "'w' has 50,000,000 rows; 16,777,216 are the most")


@pytest.mark.parametrize("layout", ["coo", "csc", "tflite"])
def test_weights_by_the_million_in_a_small_file(tmp_path, monkeypatch, layout):
    """Zeros that are nowhere: a file of hundreds of bytes would take as long as a model of gigabytes."""
    sides = {512: tmp_path / "few.pt", 1 << 24: tmp_path / "many.pt"}
    for rows, path in sides.items():
        write_one_value(path, layout, (rows, 16))
    assert sketch(sides[512]).params == 512 * 16
    refused(sides[1 << 24], r"claims 268,435,456 weights in [\d,]+ bytes; 256 a byte are the most")
    monkeypatch.setattr(numbers, "FREE_WEIGHTS", 512 * 16 - 1)
    monkeypatch.setattr(numbers, "MOST_A_BYTE", 1)
    refused(sides[512], "claims 8,192 weights")


def write_one_value(path: Path, layout: str, shape: tuple[int, int]) -> None:
    """A file with a sparse matrix of which one value is stored."""
    one = np.ones(1, np.float32)
    if layout == "tflite":
        levels = [dimension(1), dimension(None, [0, 1], [0])]
        held = tensor("w", shape, 0, 1, sparsity=Table({0: numbers_of("i", [0, 1]), 2: Tables(levels)}))
        path.write_bytes(tflite([held], [one.tobytes()]))
        return
    storages, zero = Storages(), np.zeros(1, np.int64)
    if layout == "coo":
        value = torch_sparse(storages, "sparse_coo", [[0], [0]], one, shape=shape, more=(True,))
    else:
        value = torch_sparse(storages, "sparse_csc", np.arange(shape[1] + 1).clip(0, 1), zero, one, shape=shape)
    write_zip(path, ordered_dict({"w": value}), storages)


def test_a_name_of_megabytes(tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(safetensors_bytes({"x" * 10_000_000: np.ones((2, 2), np.float32)}))
    refused(path, "too long")


@pytest.mark.parametrize("field", ["tensors", "left_out", "declared"])
def test_a_sketch_of_too_many(sound, tmp_path, monkeypatch, field):
    monkeypatch.setattr(sketch_file, "MOST_TENSORS", 7)
    monkeypatch.setattr(sketch_file, "MOST_PARENTS", 5)
    header, arrays = parts(sound)
    (tmp_path / "m.sketch").write_bytes(forged(header, arrays))
    assert len(read_sketch(tmp_path / "m.sketch").tensors) == 7
    one = {"tensors": header["tensors"][0], "left_out": ["a", "b"], "declared": ["a", None, "c"]}[field]
    (tmp_path / "m.sketch").write_bytes(forged(header | {field: [one] * 8}, arrays))
    refused(tmp_path / "m.sketch", "over 7 tensors, or over 5 declared parents")


@pytest.mark.parametrize("change", [
    lambda h: h.update(name="n" * 10_000_000), lambda h: h.update(licence="n" * 10_001),
    lambda h: h.update(declared=[["n" * 10_001, None, "card"]]), lambda h: h.update(left_out=[["n" * 10_001, "x"]]),
    lambda h: h["tensors"][0].update(name="n" * 10_001), lambda h: h["tensors"][0].update(dtype="n" * 10_001),
])  # fmt: skip
def test_a_sketch_of_long_texts(sound, tmp_path, change):
    header, arrays = parts(sound)
    change(header)
    (tmp_path / "m.sketch").write_bytes(forged(header, arrays))
    refused(tmp_path / "m.sketch", "over 10,000 characters")


def test_parents_by_the_hundred_thousand(sound, tmp_path):
    header, arrays = parts(sound)
    (tmp_path / "m.sketch").write_bytes(forged(header | {"declared": [["a", None, "c"]] * 300_000}, arrays))
    refused(tmp_path / "m.sketch", "over 1,000 declared parents")


def test_the_page_has_them_all():
    page = (ROOT / "SECURITY.md").read_text()
    for number in (
        numbers.MOST_TENSORS,
        numbers.MOST_ROWS,
        numbers.FREE_WEIGHTS,
        numbers.MOST_A_BYTE,
        sketch_file.MOST_PARENTS,
        sketch_file.LONGEST_TEXT,
        1024,
    ):
        assert re.search(rf"\b{number:,}\b", page), f"{number:,}"
