"""HDF5 files that someone made to hurt: nothing outside the file is read, nothing is inflated without bound."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from lineage.checkpoints import open_checkpoint
from lineage.checkpoints.formats.keras import hdf5
from lineage.errors import Malformed, Truncated, UnsupportedFormat
from tests.hostile_files import refused_at_opening as refused
from tests.tensorflow_files import hdf5_bytes


def test_values_in_another_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(64))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("w", (4, 4), "f4", external=[(str(secret), 0, 64)])
    refused(tmp_path / "a.h5", Malformed, "'w' keeps its values in other files: refused")


def test_a_dataset_made_of_another_file(tmp_path: Path) -> None:
    (tmp_path / "b.h5").write_bytes(hdf5_bytes({"w": np.ones((4, 4), np.float32)}))
    layout = h5py.VirtualLayout((4, 4), "f4")
    layout[:] = h5py.VirtualSource(str(tmp_path / "b.h5"), "w", (4, 4))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_virtual_dataset("w", layout)
    refused(tmp_path / "a.h5", Malformed, "'w' keeps its values in other files: refused")


def test_a_bomb(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        dataset = file.create_dataset("w", (1 << 20, 1 << 12), "f4", chunks=(256, 1 << 12), compression="gzip")
        dataset[:256] = 0
    refused(tmp_path / "a.h5", Malformed, "'w' inflates from .* bytes to 17,179,869,184: refused")


def test_chunks_that_do_not_fit_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hdf5, "MAX_CHUNK", 1000)
    (tmp_path / "a.h5").write_bytes(hdf5_bytes({"w": np.ones((40, 40), np.float32)}, compression="gzip"))
    refused(tmp_path / "a.h5", Malformed, "has chunks of more than 1,000 bytes: refused")


def test_a_filter_from_a_library_elsewhere(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_chunk((4, 4))
        plan.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, ())
        space = h5py.h5s.create_simple((4, 4))
        made = h5py.h5d.create(file.id, b"w", h5py.h5t.IEEE_F32LE, space, plan)
        made.write(h5py.h5s.ALL, h5py.h5s.ALL, np.ones((4, 4), np.float32))
    refused(tmp_path / "a.h5", UnsupportedFormat, "by a filter other than deflate and LZF")


def test_groups_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hdf5, "MAX_OBJECTS", 20)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for number in range(30):
            file.create_group(f"g{number}")
    refused(tmp_path / "a.h5", Malformed, "holds more than 20 objects")


def test_groups_inside_groups_without_end(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["/".join("g" * 100) + "/w"] = np.ones((2, 2), np.float32)
    refused(tmp_path / "a.h5", Malformed, "nests them without end")


def test_a_chunk_that_is_damaged(tmp_path: Path) -> None:
    content = bytearray(hdf5_bytes({"w": np.random.default_rng(0).standard_normal((64, 64))}, compression="gzip"))
    content[-2000:-1000] = bytes(1000)
    (tmp_path / "a.h5").write_bytes(content)
    with pytest.raises(Malformed, match="'/w' is damaged"):
        open_checkpoint(tmp_path / "a.h5").tensors[0].rows(0, 64)


def test_a_file_that_is_cut(tmp_path: Path) -> None:
    (tmp_path / "a.h5").write_bytes(hdf5_bytes({"w": np.ones((100, 100))})[:50_000])
    refused(tmp_path / "a.h5", Truncated, "ends before its own header says: download it again")
