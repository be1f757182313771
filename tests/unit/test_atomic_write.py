"""A file is there as a whole or not at all, and what stops it is told of that file."""

from __future__ import annotations

import errno
import os

import pytest

from lineage.atomic_write import write_whole


def test_the_old_file_stays_until_the_new_one_is_whole(tmp_path, monkeypatch):
    target = tmp_path / "report.html"
    write_whole(target, b"old")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as told:
        write_whole(target, b"new")
    assert told.value.filename == str(target)
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_that_is_missing_is_told_by_the_name_of_the_file(tmp_path):
    with pytest.raises(FileNotFoundError) as told:
        write_whole(tmp_path / "missing" / "report.html", b"")
    assert told.value.filename == str(tmp_path / "missing" / "report.html")
