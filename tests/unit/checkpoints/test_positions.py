"""Positioned reads hold with the system's own call and, as on Windows, without it."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from lineage.checkpoints.io.bytes import PositionedFile, read
from lineage.errors import CheckpointError, Truncated
from lineage.types import Meter
from tests.checkpoint_files import sketched, write_safetensors


@pytest.fixture(params=["preadv", "seek"])
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With `preadv`, where there is one, and without."""
    if request.param == "seek":
        monkeypatch.delattr(os, "preadv", raising=False)
    elif not hasattr(os, "preadv"):
        pytest.skip("os.preadv is not on this system")
    return request.param


@pytest.fixture
def file(system: str, tmp_path: Path) -> PositionedFile:
    """The numbers 0 to 9999 of two bytes each; a line end of Windows among them is not translated."""
    (tmp_path / "numbers").write_bytes(np.arange(10_000, dtype="<u2").tobytes())
    return PositionedFile(tmp_path / "numbers", Meter())


def test_any_position_in_any_order(file):
    for start in (9_000, 0, 3_338, 9_999):
        count = min(7, 10_000 - start)
        assert np.frombuffer(read(file, 2 * start, 2 * count), "<u2").tolist() == list(range(start, start + count))
    assert file.meter.bytes_read == 2 * (7 + 7 + 7 + 1)


def test_threads_do_not_take_each_others_place(file):
    def run(start: int) -> bool:
        return np.array_equal(np.frombuffer(read(file, 2 * start, 200), "<u2"), np.arange(start, start + 100))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(run, [*range(0, 9_900, 11)] * 4))


def test_a_file_cut_after_it_was_opened(file):
    os.truncate(file.path, 100)
    assert len(read(file, 0, 100)) == 100
    with pytest.raises(Truncated, match="bytes up to 102"):
        read(file, 0, 102)


def test_a_disk_that_fails_is_named(file, monkeypatch):
    def broken(*_: object) -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(file, "_read_at", broken)
    with pytest.raises(CheckpointError, match=r"numbers: cannot be read at byte 4: Input/output error"):
        read(file, 4, 2)


def test_a_model_has_one_sketch_whichever_way_it_is_read(tmp_path, monkeypatch):
    weights = {"a": np.random.default_rng(3).standard_normal((300, 64), np.float32)}
    before = sketched(write_safetensors(tmp_path, weights))
    monkeypatch.delattr(os, "preadv", raising=False)
    after = sketched(write_safetensors(tmp_path, weights))
    assert after.id == before.id
