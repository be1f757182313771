"""Models that lie in several files: whatever happens to the bytes of one of them, they open or are refused."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.checkpoint_files import SINGLE_FILE, WRITERS, Write, lacks, opens_or_is_refused

SEVERAL = {name: write for name, write in WRITERS.items() if name not in SINGLE_FILE}
ARRAYS = {
    "a.weight": np.random.default_rng(5).standard_normal((5, 3)).astype(np.float32),
    "conv.weight": np.random.default_rng(6).standard_normal((4, 3, 2)).astype(np.float32),
    "a.bias": np.arange(4),
}


def folder_of(write: Write) -> dict[str, bytes]:
    """The files of one model by their paths."""
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), {k: a for k, a in ARRAYS.items() if not lacks(write, a)})
        files = [path for path in Path(folder).rglob("*") if path.is_file()]
        return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(files)}


CONTENTS = {name: folder_of(write) for name, write in SEVERAL.items()}


@pytest.mark.parametrize("name", SEVERAL)
@given(
    which=st.integers(0, 9),
    damages=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6),
    lost=st.integers(0, 3),
)
@settings(max_examples=60, deadline=None)
def test_one_file_is_damaged(
    name: str, which: int, damages: list[tuple[float, int]], lost: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.getbasetemp() / "folder"
    shutil.rmtree(home, ignore_errors=True)
    files = dict(CONTENTS[name])
    victim = sorted(files)[which % len(files)]
    damaged = bytearray(files[victim])
    for where, value in damages:
        damaged[int(where * len(damaged))] = value
    files[victim] = bytes(damaged[: len(damaged) - lost])
    for path, content in files.items():
        (home / path).parent.mkdir(parents=True, exist_ok=True)
        (home / path).write_bytes(content)
    opens_or_is_refused(home)
