"""Keras archives that someone made to hurt: code in a configuration is never looked at."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from lineage.checkpoints import open_checkpoint
from lineage.checkpoints.formats.keras import WEIGHTS
from lineage.errors import CheckpointError, Malformed, NoWeights
from tests.checkpoint_files import whole
from tests.hostile_files import refused
from tests.tensorflow_files import hdf5_bytes

WEIGHT = np.ones((4, 3), np.float32)
HELD = {"layers/dense/vars/0": WEIGHT}
CODE = "__import__('os').mkdir('ran')"


def archive(folder: Path, weights: bytes, **others: str) -> Path:
    path = folder / "net.keras"
    with zipfile.ZipFile(path, "w") as members:
        members.writestr(WEIGHTS, weights)
        for name, text in others.items():
            members.writestr(f"{name}.json", text)
    return path


@pytest.mark.parametrize(
    "config",
    [
        json.dumps({"class_name": "Lambda", "config": {"function": ["4wEAAAA=", None, None]}, "module": "os"}),
        json.dumps({"module": "builtins", "class_name": "eval", "config": CODE}),
        CODE,
        "[" * 100_000,
    ],
)
def test_code_in_a_configuration_is_not_looked_at(config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = whole(open_checkpoint(archive(tmp_path, hdf5_bytes(HELD), config=config, metadata=config)))
    assert [array.size for array in found.values()] == [WEIGHT.size]
    assert not (tmp_path / "ran").exists()


def test_weights_in_another_file(tmp_path: Path) -> None:
    (tmp_path / "secret.h5").write_bytes(hdf5_bytes(HELD))
    with h5py.File(tmp_path / "linking.h5", "w") as file:
        file["w"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "layers/dense/vars/0")
    refused(archive(tmp_path, (tmp_path / "linking.h5").read_bytes()), CheckpointError, "another file|no weights")


@pytest.mark.parametrize("weights", [b"", b"\x89HDF\r\n\x1a\n", b"x" * 100, hdf5_bytes(HELD)[:-100]])
def test_weights_that_are_no_hdf5(weights: bytes, tmp_path: Path) -> None:
    refused(archive(tmp_path, weights), CheckpointError, "HDF5|ends|damaged|empty")


def test_weights_that_are_a_bomb(tmp_path: Path) -> None:
    path = tmp_path / "net.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as members:
        members.writestr(WEIGHTS, bytes(1 << 28))
    refused(path, Malformed, "a zip bomb")


def test_no_weights(tmp_path: Path) -> None:
    refused(archive(tmp_path, hdf5_bytes({})), NoWeights, "holds no weights")
