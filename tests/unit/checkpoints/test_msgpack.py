"""Flax and thinc: axes, chunks, wrappers, what is not a weight."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lineage.checkpoints import open_checkpoint
from lineage.errors import NoWeights, UnsupportedFormat
from lineage.types.facts.exclusions import NotAWeight, NotRead
from tests.checkpoint_files import whole
from tests.msgpack_files import nested, packed, thinc_array, thinc_model, write_flax

RNG = np.random.default_rng(1)


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def saved(folder: Path, value: Any, name: str = "net.msgpack") -> Path:
    (folder / name).write_bytes(packed(value))
    return folder / name


@pytest.mark.parametrize(
    ("name", "shape", "axes", "told"),
    [
        ("dense.kernel", (3, 4), (1, 0), "dense.weight"),
        ("conv.kernel", (3, 2, 5, 7), (3, 2, 0, 1), "conv.weight"),
        ("Conv_0.kernel", (3, 5, 7), (2, 1, 0), "Conv_0.weight"),
        ("attention.query.kernel", (6, 2, 3), (0, 1, 2), "attention.query.kernel"),
        ("wte.embedding", (9, 4), (0, 1), "wte.weight"),
        ("norm.scale", (4,), (0,), "norm.weight"),
        ("norm.bias", (4,), (0,), "norm.bias"),
    ],
)
def test_names_and_axes_are_those_of_torch(
    name: str, shape: tuple[int, ...], axes: tuple[int, ...], told: str, tmp_path: Path
) -> None:
    array = normal(*shape)
    found = whole(open_checkpoint(write_flax(tmp_path, {name: array})))
    assert list(found) == [told]
    assert np.array_equal(found[told], array.transpose(axes))


def test_a_large_array_is_put_together_from_its_chunks(tmp_path: Path) -> None:
    array = normal(40, 3)
    flat = array.reshape(-1)
    parts = {str(i): flat[i * 10 : i * 10 + 10].copy() for i in range(12)}
    chunked = {"__msgpack_chunked_array__": True, "shape": {"0": 40, "1": 3}, "chunks": parts}
    found = whole(open_checkpoint(saved(tmp_path, {"params": {"w": chunked}})))
    assert np.array_equal(found["w"], array)


def test_optimizer_state_is_left_out(tmp_path: Path) -> None:
    tree = {"step": 3, "params": nested({"w.kernel": normal(4, 3)}), "opt_state": {"0": {"mu": {"w": normal(4, 3)}}}}
    checkpoint = open_checkpoint(saved(tmp_path, tree))
    assert [view.name for view in checkpoint.tensors] == ["params.w.weight"]
    assert checkpoint.left_out == (("opt_state.0.mu.w", NotAWeight("optimizer-state")),)


def test_the_usual_file_of_a_folder(tmp_path: Path) -> None:
    saved(tmp_path, {"params": {"w": normal(4, 3)}}, "flax_model.msgpack")
    saved(tmp_path, {"other": 1}, "state.msgpack")
    assert list(whole(open_checkpoint(tmp_path))) == ["w"]


def test_data_without_arrays_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedFormat, match="without arrays of flax"):
        open_checkpoint(saved(tmp_path, {"meta": {"name": "x" * 99}}))


def test_layers_of_one_name_are_numbered(tmp_path: Path) -> None:
    layers = [("maxout", {"W": thinc_array(normal(4, 2, 3))}), ("relu", {}), ("maxout", {"W": thinc_array(normal(4))})]
    (tmp_path / "ner").mkdir()
    saved(tmp_path / "ner", thinc_model(layers), "model")
    checkpoint = open_checkpoint(tmp_path / "ner")
    assert [(view.name, view.shape) for view in checkpoint.tensors] == [("maxout.W", (4, 2, 3)), ("maxout.2.W", (4,))]
    assert checkpoint.name == "ner"


def test_a_layer_of_another_framework_is_left_out(tmp_path: Path) -> None:
    model = thinc_model([("a", {"W": thinc_array(normal(3, 3))}), ("torch", {})], [[], [b"bytes of torch"]])
    checkpoint = open_checkpoint(saved(tmp_path, model, "model"))
    assert checkpoint.left_out == (("shims.1", NotRead("foreign-layer")),)


def test_a_component_without_parameters_holds_no_weights(tmp_path: Path) -> None:
    with pytest.raises(NoWeights, match="without trained parameters"):
        open_checkpoint(saved(tmp_path, thinc_model([("a", {"W": None})]), "model"))
