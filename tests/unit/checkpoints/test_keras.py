"""HDF5 files and .keras archives: names, what is left out, what is refused."""

from __future__ import annotations

import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from lineage.checkpoints import open_checkpoint
from lineage.checkpoints.formats.keras.names import variable_name
from lineage.errors import MissingExtra
from lineage.types.facts.exclusions import NotAWeight
from tests.checkpoint_files import whole
from tests.tensorflow_files import write_hdf5, write_keras

RNG = np.random.default_rng(14)


@pytest.mark.parametrize(
    ("path", "variables", "name"),
    [
        ("model_weights/conv/conv/kernel:0", 2, "conv/kernel"),
        ("model_weights/block/conv/bias:0", 2, "block/conv/bias"),
        ("layers/conv2d_3/vars/0", 2, "conv2d_3/kernel"),
        ("layers/conv2d_3/vars/1", 2, "conv2d_3/bias"),
        ("layers/functional/layers/dense/vars/0", 1, "functional/dense/kernel"),
        ("layers/batch_normalization/vars/3", 4, "batch_normalization/moving_variance"),
        ("layers/batch_normalization/vars/2", 3, "batch_normalization/2"),
        ("layers/lstm/cell/vars/1", 3, "lstm/recurrent_kernel"),
        ("_layer_checkpoint_dependencies/my_layer/vars/0", 1, "my_layer/0"),
        ("w", 1, "w"),
    ],
)
def test_variables_are_named_as_their_layers_name_them(path: str, variables: int, name: str) -> None:
    assert variable_name(path, variables) == name


def test_optimizer_text_links_and_what_was_never_written_are_left_out(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["model_weights/dense/kernel:0"] = np.ones((3, 2), np.float32)
        file["optimizer_weights/dense/m:0"] = np.ones((3, 2), np.float32)
        file["names"] = np.array([b"dense"])
        file["again"] = h5py.SoftLink("/model_weights/dense/kernel:0")
        file["elsewhere"] = h5py.ExternalLink("other.h5", "/w")
        file.create_dataset("promised", (1000, 1000), "f4")
    checkpoint = open_checkpoint(tmp_path / "a.h5")
    assert [view.name for view in checkpoint.tensors] == ["dense/kernel"]
    assert dict(checkpoint.left_out) == {
        "optimizer_weights/dense/m": NotAWeight("optimizer-state"),
        "names": NotAWeight("text-or-records"),
        "again": NotAWeight("link"),
        "elsewhere": NotAWeight("link"),
        "promised": NotAWeight("never-written"),
    }


def test_a_small_dataset_inside_its_header(tmp_path: Path) -> None:
    values = np.arange(6, dtype=np.float32)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_layout(h5py.h5d.COMPACT)
        space, kind = h5py.h5s.create_simple((6,)), h5py.h5t.IEEE_F32LE
        h5py.h5d.create(file.id, b"w", kind, space, plan).write(h5py.h5s.ALL, h5py.h5s.ALL, values)
    assert np.array_equal(whole(open_checkpoint(tmp_path / "a.h5"))["w"], values)


def test_groups_that_hold_each_other_are_entered_once(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        group = file.create_group("a")
        group["w"] = np.ones((2, 2), np.float32)
        group["back"] = file["/"]
        group["self"] = group
    assert [view.name for view in open_checkpoint(tmp_path / "a.h5").tensors] == ["a/w"]


@pytest.mark.parametrize("write", [write_hdf5, write_keras])
def test_without_h5py_a_line_names_the_extra(write: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, {"w": np.ones((2, 2), np.float32)})  # type: ignore[operator]
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingExtra, match=r"reading HDF5 needs h5py: pip install 'weight-lineage\[h5\]'"):
        open_checkpoint(path)


def test_big_endian_values(tmp_path: Path) -> None:
    values = RNG.standard_normal((4, 3)).astype(">f8")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["w"] = values
    (view,) = open_checkpoint(tmp_path / "a.h5").tensors
    assert view.dtype == np.float64
    assert np.array_equal(view.rows(1, 3), values[1:3])
