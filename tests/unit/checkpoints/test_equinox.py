"""Equinox: leaves without names, settings before them, and what is not a weight."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from lineage.checkpoints import open_checkpoint
from lineage.errors import Malformed, Truncated, UnsupportedDtype
from lineage.types.facts.exclusions import NotAWeight
from tests.checkpoint_files import same_bits, whole
from tests.equinox_files import SETTINGS, leaves, write_equinox, write_equinox_with_settings

WEIGHT = np.random.default_rng(5).standard_normal((6, 4)).astype(np.float32)
BIAS = WEIGHT[:, 0].copy()


def saved(folder: Path, *arrays: np.ndarray, behind: bytes = b"", before: bytes = b"") -> Path:
    (folder / "net.eqx").write_bytes(before + leaves(arrays) + behind)
    return folder / "net.eqx"


def test_leaves_are_numbered_in_the_order_of_the_file(tmp_path: Path) -> None:
    checkpoint = open_checkpoint(write_equinox(tmp_path, {"w": WEIGHT, "b": BIAS}))
    found = whole(checkpoint)
    assert (checkpoint.format, checkpoint.name, list(found)) == ("equinox", "net", ["leaf.0", "leaf.1"])
    assert same_bits(found["leaf.0"], WEIGHT)
    assert same_bits(found["leaf.1"], BIAS)


def test_settings_become_the_config(tmp_path: Path) -> None:
    checkpoint = open_checkpoint(write_equinox_with_settings(tmp_path, {"w": WEIGHT}))
    assert checkpoint.config == SETTINGS
    assert [view.name for view in checkpoint.tensors] == ["leaf.0"]


def test_settings_that_look_like_the_length_of_a_safetensors_header(tmp_path: Path) -> None:
    path = saved(tmp_path, WEIGHT, before=b'{"mlp": {"depth": 2}}\n')
    assert path.read_bytes()[8:9] == b"{"
    assert open_checkpoint(path).config == {"mlp": {"depth": 2}}


def test_what_is_no_weight_is_left_out_and_keeps_its_number(tmp_path: Path) -> None:
    others = [np.array(0.5, np.float32), np.array(3), np.array(True), np.zeros((4, 4), np.int32), np.zeros(0, np.int64)]
    checkpoint = open_checkpoint(saved(tmp_path, *others, np.array(["relu"]), WEIGHT))
    assert [view.name for view in checkpoint.tensors] == ["leaf.6"]
    assert dict(checkpoint.left_out) == {
        "leaf.0": NotAWeight("single-number"),
        **{f"leaf.{number}": NotAWeight("integers-or-truth-values") for number in range(1, 5)},
        "leaf.5": NotAWeight("text-or-dates"),
    }


def test_bfloat16_is_told_by_its_width(tmp_path: Path) -> None:
    half = WEIGHT.astype(ml_dtypes.bfloat16)
    assert same_bits(whole(open_checkpoint(saved(tmp_path, half, BIAS)))["leaf.0"], half)


def test_a_single_array_is_named_after_its_file(tmp_path: Path) -> None:
    checkpoint = open_checkpoint(saved(tmp_path, WEIGHT))
    assert (checkpoint.format, [view.name for view in checkpoint.tensors]) == ("npy", ["net"])


def test_a_column_major_leaf_reads_by_rows(tmp_path: Path) -> None:
    view = open_checkpoint(saved(tmp_path, BIAS, np.asfortranarray(WEIGHT))).tensors[1]
    assert same_bits(view.rows(2, 5), WEIGHT[2:5])


def test_the_folder_is_opened(tmp_path: Path) -> None:
    write_equinox(tmp_path, {"w": WEIGHT, "b": BIAS})
    assert len(open_checkpoint(tmp_path).tensors) == 2


@pytest.mark.parametrize(
    ("behind", "kind", "said"),
    [
        (b"PK\3\4", Malformed, "4 unexpected bytes after array 'leaf.1'"),
        (b"\x93NUM", Truncated, "array 'leaf.2' ends inside its header"),
        (leaves([WEIGHT])[:-1], Truncated, "array 'leaf.2' needs 96 bytes, has 95"),
        (leaves([np.arange(5)])[:-1], Truncated, "array 'leaf.2' needs 40 bytes, has 39"),
        (leaves([np.ones(3, ml_dtypes.float8_e5m2)]), UnsupportedDtype, "array 'leaf.2' has dtype"),
    ],
)
def test_only_another_array_may_follow(behind: bytes, kind: type[Exception], said: str, tmp_path: Path) -> None:
    with pytest.raises(kind, match=said):
        open_checkpoint(saved(tmp_path, WEIGHT, BIAS, behind=behind))


def test_settings_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(Malformed, match="its line of settings is not valid JSON"):
        open_checkpoint(saved(tmp_path, WEIGHT, before=b'{"width": \n'))
