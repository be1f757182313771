"""The SHA-256 of a model's files is only told where these files are the model."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from safetensors.numpy import save_file

from lineage.checkpoints import open_checkpoint
from lineage.sketch import sketch_checkpoint, write_sketch
from lineage.sketch.file_digests import file_digests, taken_beside
from tests.onnx_files import write_onnx_external
from tests.small_models import saved, trained


def identity(source: Path) -> str:
    return sketch_checkpoint(open_checkpoint(source)).id


def digest(file: Path) -> str:
    return sha256(file.read_bytes()).hexdigest()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model in two shards with an index, a card and a config."""
    home, weights = tmp_path / "model", trained(1)
    home.mkdir()
    names = sorted(weights)
    shards = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for shard, held in shards.items():
        save_file({name: weights[name] for name in held}, home / shard)
    weight_map = {name: shard for shard, held in shards.items() for name in held}
    (home / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    (home / "README.md").write_text("---\nlicense: mit\n---\n")
    return home


@pytest.mark.parametrize("depth", ["full", "sampled"])
def test_of_one_file(tmp_path, depth):
    file = saved(trained(1), tmp_path / "m.safetensors")
    model = sketch_checkpoint(open_checkpoint(file), depth).id
    assert file_digests(str(file), model, depth) == (("m.safetensors", digest(file)),)


def test_of_each_shard_and_of_nothing_else(folder):
    shards = sorted(folder.glob("*.safetensors"))
    assert file_digests(str(folder), identity(folder), "full") == tuple((one.name, digest(one)) for one in shards)


def test_none_where_the_weights_have_changed(tmp_path):
    file = saved(trained(1), tmp_path / "m.safetensors")
    model = identity(file)
    saved(trained(2), file)
    assert file_digests(str(file), model, "full") == ()


@pytest.mark.parametrize(
    "ruin", [Path.unlink, lambda file: file.write_bytes(b"{}"), lambda file: file.write_bytes(b"")]
)
def test_none_where_a_file_has_gone_or_is_damaged(folder, ruin):
    model = identity(folder)
    ruin(folder / "model-00002-of-00002.safetensors")
    assert file_digests(str(folder), model, "full") == ()


def test_none_for_a_sketch_an_address_or_a_path_that_is_no_more(tmp_path):
    made = sketch_checkpoint(open_checkpoint(saved(trained(1), tmp_path / "m.safetensors")))
    write_sketch(made, tmp_path / "m.sketch")
    for source in (str(tmp_path / "m.sketch"), "hf:org/name@main", "https://host/m.bin", str(tmp_path / "none"), ""):
        assert file_digests(source, made.id, "full") == ()


def test_none_where_weights_lie_in_files_that_the_file_names(tmp_path):
    draw = np.random.default_rng(0)
    place = write_onnx_external(tmp_path, {"w": draw.standard_normal((64, 64), dtype=np.float32)})
    assert file_digests(str(place), identity(place), "full") == ()


def test_none_for_what_is_changed_while_it_is_sketched(tmp_path):
    file = saved(trained(1), tmp_path / "m.safetensors")
    with taken_beside(str(file)) as taken:
        told = taken()
        saved(trained(2), file)
        assert (told, taken()) == ((("m.safetensors", told[0][1]),), ())
    assert told[0][1] != digest(file)


def test_a_caller_that_fails_does_not_wait_for_the_digests(tmp_path, monkeypatch):
    file = saved(trained(1), tmp_path / "m.safetensors")
    stops: list[Event] = []
    monkeypatch.setattr("lineage.sketch.file_digests._sha256", lambda _, stop: (stops.append(stop), stop.wait(60)))
    with pytest.raises(KeyError), taken_beside(str(file)):
        raise KeyError
    assert all(stop.is_set() for stop in stops)
