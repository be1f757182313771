"""Sketches that lie in a file are those that lie in memory, and what is made of them is the same to the byte."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save

from lineage import store
from lineage.checkpoints import open_checkpoint
from lineage.sketch import read_sketch, sketch_checkpoint, write_sketch
from lineage.sketch.layouts import content_key, layout_id
from lineage.sketch.on_disk import TensorsOnDisk
from lineage.sketch.sealing import seal
from lineage.sketch.search_codes import kept_codes
from lineage.types import CheckpointSketch
from tests.checkpoint_files import safetensors_bytes

SHAPES = [(), (7,), (5, 3), (40, 33), (8, 4, 3), (70, 80), (600, 600)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    rng = np.random.default_rng(5)
    arrays = {
        f"model.layers.{layer}.{i}.weight": rng.standard_normal(shape).astype(np.float16 if layer == 3 else np.float32)
        for layer in range(5)
        for i, shape in enumerate(SHAPES)
    }
    arrays["model.layers.2.mask"] = np.array([0.0, -np.inf], np.float32)
    file = tmp_path / "model.safetensors"
    file.write_bytes(safetensors_bytes(arrays))
    return file


@pytest.fixture(params=["full", "sampled"])
def both(
    path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> tuple[CheckpointSketch, CheckpointSketch]:
    held = sketch_checkpoint(open_checkpoint(path), request.param)
    monkeypatch.setattr("lineage.sketch.checkpoint_pass.MOST_HELD", 4)
    stored = sketch_checkpoint(open_checkpoint(path), request.param, on_disk=True)
    assert isinstance(stored.tensors, TensorsOnDisk)
    return held, stored


def test_the_same_file_is_written(both: tuple[CheckpointSketch, CheckpointSketch], tmp_path: Path) -> None:
    held, stored = both
    digests = [write_sketch(one, tmp_path / f"{i}.sketch") for i, one in enumerate(both)]
    assert digests[0] == digests[1]
    assert (tmp_path / "0.sketch").read_bytes() == (tmp_path / "1.sketch").read_bytes()
    assert seal(held) == seal(stored)
    assert read_sketch(tmp_path / "1.sketch").id == stored.id


def test_the_index_has_the_same_of_it(both: tuple[CheckpointSketch, CheckpointSketch]) -> None:
    held, stored = both
    assert (stored.id, stored.params, stored.left_out) == (held.id, held.params, held.left_out)
    assert content_key(stored) == content_key(held)
    assert layout_id(stored) == layout_id(held)
    codes = [kept_codes(one) for one in both]
    assert all(np.array_equal(codes[0][cue], codes[1][cue]) for cue in codes[0])


def test_any_tensor_is_found_again(both: tuple[CheckpointSketch, CheckpointSketch]) -> None:
    held, stored = both
    assert len(stored.tensors) == len(held.tensors) == 5 * len(SHAPES)
    assert [t.name for t in stored.tensors[3:9]] == [t.name for t in held.tensors[3:9]]
    assert stored.tensors[-1].name == held.tensors[-1].name
    with pytest.raises(IndexError):
        stored.tensors[len(held.tensors)]
    for place in (20, 3, 21, 34):
        ours, theirs = stored.tensors[place], held.tensors[place]
        assert (ours.name, ours.stats, ours.part, ours.digest) == (
            theirs.name,
            theirs.stats,
            theirs.part,
            theirs.digest,
        )
        assert np.array_equal(ours.values, theirs.values)


def test_it_is_added_to_an_index(both: tuple[CheckpointSketch, CheckpointSketch], tmp_path: Path) -> None:
    held, stored = both
    with store.SqliteIndex.create(tmp_path / "index") as index:
        assert index.add(replace(stored, path="a"), "1")
        assert not index.add(replace(held, path="a"), "1")
        assert index.load(held.id).params == held.params
        assert [*index.same_digests([held.tensors[3].band_digest])] == [held.tensors[3].band_digest]


def test_a_sketch_is_the_file_that_the_library_writes(
    both: tuple[CheckpointSketch, CheckpointSketch], tmp_path: Path
) -> None:
    """Header, order and padding are those of safetensors, which is not asked to write so much at once."""
    import json

    write_sketch(both[1], tmp_path / "one.sketch")
    content = (tmp_path / "one.sketch").read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    assert save(load_file(tmp_path / "one.sketch"), metadata=header["__metadata__"]) == content
