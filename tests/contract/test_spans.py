"""Every view tells where the bytes lie that a band begins with, so that those of a server can be fetched together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lineage.checkpoints import open_checkpoint
from lineage.checkpoints.io.bytes import PositionedFile
from lineage.errors import CheckpointError
from lineage.types import TensorView
from tests.quantized_files import SCHEMES, write

GOLDEN = Path(__file__).parents[1] / "golden"
UNTOLD = {("tiny_torch.pt", "sparse"), ("tiny_torch_legacy.pt", "sparse")}
"""Sparse tensors, whose numbers are found by others of them."""
SPREAD = {"gptq", "awq", "hqq", "quanto", "bitnet"}
"""Packings in which the values of a row lie all over the codes."""

Read = tuple[object, int, int]
BANDS = ["all", "one", "within"]


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[Read]:
    """What has been read: the file, and the first and last byte."""
    log: list[Read] = []
    real = PositionedFile._read

    def read(self: PositionedFile, offset: int, buffer: memoryview) -> int:
        log.extend([(self, offset, min(offset + len(buffer), self.size))] * bool(buffer))
        return real(self, offset, buffer)

    monkeypatch.setattr(PositionedFile, "_read", read)
    return log


def band(view: TensorView, which: str) -> tuple[int, int]:
    length = view.shape[0] if view.shape else 1
    return {"all": (0, length), "one": (0, 1), "within": (length // 2, length)}[which]


def told(view: TensorView, which: str, log: list[Read]) -> list[Read]:
    """What a view tells of a band, without a look at the file; then it is read."""
    log.clear()
    found = [tuple(span) for span in view.spans(*band(view, which))]
    assert log == []
    view.rows(*band(view, which))
    return found


@pytest.mark.parametrize("which", BANDS)
def test_a_band_begins_where_its_view_says(which: str, log: list[Read]) -> None:
    asked, untold, wrong = 0, set(), []
    for place in (place for kind in ("checkpoints", "adapters") for place in sorted((GOLDEN / kind).iterdir())):
        try:
            views = open_checkpoint(place).tensors
        except CheckpointError:
            continue
        for view in views:
            try:
                found = told(view, which, log)
            except CheckpointError:
                continue
            asked += bool(log)
            for file, begin, end in log[:1]:
                if not found:
                    untold.add((place.name, view.name))
                elif not any(one is file and start <= begin and end <= stop for one, start, stop in found):
                    wrong.append((place.name, view.name, (begin, end), found))
    assert asked > 200
    assert wrong == []
    assert untold <= UNTOLD


@pytest.mark.parametrize("which", BANDS)
def test_of_packed_weights_nothing_is_told_that_is_not_read(which: str, log: list[Read], tmp_path: Path) -> None:
    matrix = np.random.default_rng(8).standard_normal((256, 512)).astype(np.float32)
    in_vain, untold = [], set()
    for number, (name, scheme) in enumerate(SCHEMES.items()):
        folder = write(tmp_path / str(number), scheme, {"a": matrix}, {"last.bias": np.ones(5, np.float32)})
        for view in open_checkpoint(folder).tensors:
            found = told(view, which, log)
            read = np.zeros((folder / "model.safetensors").stat().st_size, bool)
            for _, begin, end in log:
                read[begin:end] = True
            if not all(read[start:stop].all() for _, start, stop in found):
                in_vain.append((name, view.name))
            if not found:
                untold.add((view.encoding or view.name).split()[0])
    assert in_vain == []
    assert untold <= SPREAD
