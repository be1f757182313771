"""Raw ANI arrays become an .npz checkpoint in the layout that the torchani package reads."""

from __future__ import annotations

import bz2
from pathlib import Path

import ani
import numpy as np
import pytest

TEXT = """inputsize=3;
atom_net H $
layer [
nodes=2;
activation=9;
blocksize=3;
l2valu=0.000100;
weights=FILE:ANN-H.nnf-l1.wparam[6];
biases=FILE:ANN-H.nnf-l1.bparam[2];
]
layer [
nodes=1;
activation=6;
blocksize=2;
weights=FILE:ANN-H.nnf-l2.wparam[2];
biases=FILE:ANN-H.nnf-l2.bparam[1];
]

 $\0"""


@pytest.fixture
def member(tmp_path: Path) -> Path:
    packed = bz2.compress(TEXT.encode())
    (tmp_path / "ANN-H.nnf").write_bytes(f"{len(packed)}=\n".encode() + packed)
    for name, count in {"l1.wparam": 6, "l1.bparam": 2, "l2.wparam": 2, "l2.bparam": 1}.items():
        np.arange(count, dtype="<f4").tofile(tmp_path / f"ANN-H.nnf-{name}")
    return tmp_path


def test_weights_are_outputs_by_inputs_row_by_row(member):
    arrays = ani.read(member)
    assert list(arrays) == ["H.0.weight", "H.0.bias", "H.1.weight", "H.1.bias"]
    assert arrays["H.0.weight"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert arrays["H.1.weight"].shape == (1, 2)
    assert arrays["H.0.weight"].dtype == np.float32


def test_packing_twice_gives_the_same_bytes_and_no_other_file(member, tmp_path):
    first, second = tmp_path / "out" / "a.npz", tmp_path / "out" / "b.npz"
    ani.pack(member, first)
    ani.pack(member, second)
    assert first.read_bytes() == second.read_bytes()
    assert sorted(path.name for path in first.parent.iterdir()) == ["a.npz", "b.npz"]
    with np.load(first, allow_pickle=False) as stored:
        assert stored["H.0.bias"].tolist() == [0, 1]


def test_a_file_of_another_size_is_refused(member):
    np.zeros(5, dtype="<f4").tofile(member / "ANN-H.nnf-l1.wparam")
    with pytest.raises(ValueError, match="6 float32 expected"):
        ani.read(member)


def test_a_text_whose_counts_contradict_its_sizes_is_refused(member):
    packed = bz2.compress(TEXT.replace("nodes=2;", "nodes=4;").encode())
    (member / "ANN-H.nnf").write_bytes(b"1=\n" + packed)
    with pytest.raises(ValueError, match="does not hold 4 x 3"):
        ani.read(member)


def test_a_folder_without_networks_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no ANN"):
        ani.read(tmp_path)
