"""A sketch that is written and read is the same sketch, and the file is an ordinary safetensors file."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ml_dtypes import bfloat16
from safetensors import safe_open

from lineage.sketch import is_sketch_file, read_sketch, write_sketch
from lineage.types import CheckpointSketch, Declared
from lineage.types.facts.exclusions import NotFinite, Stated, UnreadPacking, UnreadType, UnreadWrapper
from lineage.written_reasons import WRITTEN, read, written
from tests.synthetic import sketch

SHAPES = [(), (7,), (300,), (40, 33), (33, 40), (6, 5, 3, 3), (64, 64, 1, 1), (1, 1), (600, 500)]
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
REASONS = st.one_of(
    st.sampled_from([*WRITTEN]),
    *(st.builds(kind, NAMES) for kind in (Stated, UnreadPacking, UnreadType, UnreadWrapper)),
    st.builds(NotFinite, st.integers(1, 1 << 60), st.booleans()),
)


@given(
    NAMES | st.sampled_from(["\u0663 NaN or infinite values", "1,2 NaN or infinite values", "unread: ", "a counter"])
)
def test_a_reason_that_is_not_known_is_kept_as_it_is_written(text):
    assert written(read(text)) == text


def test_every_reason_has_a_text_of_its_own():
    assert len({*WRITTEN.values()}) == len(WRITTEN)


def assert_equal(ours: Any, theirs: Any, where: str = "") -> None:
    """Every field of two frozen values, arrays to the bit and to the dtype."""
    if dataclasses.is_dataclass(ours):
        assert type(ours) is type(theirs), where
        for field in dataclasses.fields(ours):
            assert_equal(getattr(ours, field.name), getattr(theirs, field.name), f"{where}.{field.name}")
    elif isinstance(ours, np.ndarray):
        assert ours.dtype == theirs.dtype, where
        assert np.array_equal(ours, theirs), where
    elif isinstance(ours, tuple):
        assert len(ours) == len(theirs), where
        for i, pair in enumerate(zip(ours, theirs, strict=True)):
            assert_equal(*pair, f"{where}[{i}]")
    else:
        assert ours == theirs, where
        assert type(ours) is type(theirs), where


def through_a_file(made: CheckpointSketch) -> CheckpointSketch:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.sketch"
        write_sketch(made, path)
        assert is_sketch_file(path)
        assert [p.name for p in Path(folder).iterdir()] == ["model.sketch"]
        return read_sketch(path)


def assert_same_but_for_the_path(made: CheckpointSketch, read: CheckpointSketch) -> None:
    """The path is not handed on, and of what was read from a file nobody saw the weights."""
    assert read.path == ""
    assert_equal(dataclasses.replace(made, path="", weights_seen=False), read)


@settings(max_examples=25)
@given(
    st.dictionaries(NAMES, st.sampled_from(SHAPES), min_size=1, max_size=5),
    st.sampled_from(["full", "sampled"]),
    st.integers(0, 2**32 - 1),
    st.lists(st.tuples(NAMES, st.none() | NAMES, NAMES), max_size=2),
    st.lists(st.tuples(NAMES, REASONS), max_size=2).map(tuple),
    st.lists(st.sampled_from([np.float32, np.float16, bfloat16]), min_size=5, max_size=5),
)
def test_every_field_comes_back(shapes, depth, seed, declared, left_out, types):
    random = np.random.default_rng(seed)
    arrays = {
        n: np.asarray(random.standard_normal(s), dtype) for (n, s), dtype in zip(shapes.items(), types, strict=False)
    }
    made = sketch(arrays, depth, name="näme", declared=tuple(Declared(*d) for d in declared), config={})
    made = dataclasses.replace(made, licence=None if seed % 2 else "mit", left_out=left_out)
    assert_same_but_for_the_path(made, through_a_file(made))


@pytest.mark.parametrize("array", [np.arange(2048).reshape(64, 32), np.zeros((40, 40), np.float16), np.bool_(True)])
def test_what_is_no_evidence_comes_back_too(array):
    made = sketch({"buffer": np.asarray(array), "weight": np.ones((2, 3), np.float32)}, config={})
    read = through_a_file(made)
    assert_same_but_for_the_path(made, read)
    assert read.tensors[0].part.excluded is not None


def test_values_at_the_ends_of_float32_come_back_finite():
    lowest = np.finfo(np.float32).min
    arrays = {"mask": np.triu(np.full((64, 64), lowest)), "fill": np.array(lowest), "w": np.ones((40, 40), np.float32)}
    assert_same_but_for_the_path(made := sketch(arrays, config={}), through_a_file(made))


def test_any_safetensors_reader_opens_it(tmp_path):
    made = sketch({"w": np.eye(40, dtype=np.float32)}, config={})
    write_sketch(made, tmp_path / "m.sketch")
    with safe_open(tmp_path / "m.sketch", framework="np") as file:
        header = json.loads(file.metadata()["lineage"])
        assert header["id"] == made.id
        assert set(file.keys()) == {
            "values",
            "values_bfloat16",
            "values_float16",
            "unit_codes",
            "unit_scale",
            "minhash",
            "moments",
            "checksum",
        }
        assert file.get_tensor("unit_codes").shape == (80, 32)


def test_the_id_follows_the_content_and_the_depth_not_the_names_or_their_order():
    a, b = np.eye(40, dtype=np.float32), np.arange(9, dtype=np.float32)
    ids = [
        sketch(arrays, depth, config={}).id
        for arrays in ({"a": a, "b": b}, {"y": b, "x": a}, {"a": a.astype(np.float16), "b": b})
        for depth in ("full", "sampled")
    ]
    assert ids[0::2] == [ids[0]] * 3
    assert ids[1::2] == [ids[1]] * 3
    assert ids[0] != ids[1]
    assert sketch({"a": a, "b": b + 1}, config={}).id != ids[0]


def test_a_sketch_is_written_to_the_same_bytes_every_time(tmp_path):
    made = sketch({"w": np.eye(40, dtype=np.float32)}, config={})
    for name in ("a.sketch", "b.sketch"):
        write_sketch(made, tmp_path / name)
    assert (tmp_path / "a.sketch").read_bytes() == (tmp_path / "b.sketch").read_bytes()


def test_a_failed_write_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "m.sketch"
    made = sketch({"w": np.eye(40, dtype=np.float32)}, config={})
    write_sketch(made, path)
    before = path.read_bytes()

    def fail(_: int) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="full"):
        write_sketch(dataclasses.replace(made, name="other"), path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["m.sketch"]


def test_a_sketch_has_no_path_of_the_machine_that_made_it(tmp_path):
    made = dataclasses.replace(sketch({"w": np.eye(40, dtype=np.float32)}, config={}), path="/home/someone/w.bin")
    write_sketch(made, tmp_path / "m.sketch")
    assert b"someone" not in (tmp_path / "m.sketch").read_bytes()
