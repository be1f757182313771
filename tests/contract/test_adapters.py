"""What the view of a product promises, whatever file its factors lie in: what every reader's views promise."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from lineage.checkpoints import open_checkpoint
from lineage.sketch import sketch_checkpoint
from tests.adapter_files import Factors, drawn, write_adapter, write_adapter_bin

FACTORS = drawn({"h.0.q": (300, 40), "h.0.v": (17, 40), "h.1.q": (300, 40)}, rank=5, seed=2)
Write = Callable[[Path, Factors], Path]
every_file = pytest.mark.parametrize("write", [write_adapter, write_adapter_bin], ids=["safetensors", "bin"])


@every_file
class TestEveryAdapter:
    def test_there_is_a_view_for_every_changed_tensor(self, write: Write, tmp_path: Path) -> None:
        opened = open_checkpoint(write(tmp_path / "lora", FACTORS))
        assert {view.name: view.shape for view in opened.tensors} == {
            f"{module}.weight": (b.shape[0], a.shape[1]) for module, (b, a) in FACTORS.items()
        }
        assert {(view.dtype, view.encoding) for view in opened.tensors} == {(np.dtype(np.float32), "lora-r5")}
        assert len({view.storage for view in opened.tensors}) == len(FACTORS)
        assert (opened.name, opened.format) == ("lora", "peft-lora")
        assert 0 < opened.nbytes < 100_000

    def test_a_row_band_equals_the_same_rows_of_the_whole(self, write: Write, tmp_path: Path) -> None:
        for view in open_checkpoint(write(tmp_path, FACTORS)).tensors:
            n = view.shape[0]
            whole = view.rows(0, n)
            for start, stop in {(0, 1), (n // 3, n // 2), (n - 1, n), (n, n)}:
                np.testing.assert_array_equal(view.rows(start, stop), whole[start:stop])

    def test_rows_outside_the_tensor_are_refused(self, write: Write, tmp_path: Path) -> None:
        view = open_checkpoint(write(tmp_path, FACTORS)).tensors[0]
        for start, stop in ((-1, 1), (0, 301), (3, 2)):
            with pytest.raises(IndexError):
                view.rows(start, stop)

    def test_bands_are_read_from_several_threads(self, write: Write, tmp_path: Path) -> None:
        views = open_checkpoint(write(tmp_path, FACTORS)).tensors
        alone = [view.rows(0, view.shape[0]) for view in views]
        with ThreadPoolExecutor(4) as pool:
            together = list(pool.map(lambda view: view.rows(0, view.shape[0]), [*views] * 5))
        for k, found in enumerate(together):
            np.testing.assert_array_equal(found, alone[k % len(alone)])

    def test_the_file_does_not_show_in_the_sketch(self, write: Write, tmp_path: Path) -> None:
        here = sketch_checkpoint(open_checkpoint(write(tmp_path / "a", FACTORS)))
        assert here.id == sketch_checkpoint(open_checkpoint(write_adapter(tmp_path / "b", FACTORS))).id

    def test_what_is_read_is_counted(self, write: Write, tmp_path: Path) -> None:
        opened = open_checkpoint(write(tmp_path, FACTORS))
        before = opened.meter.bytes_read
        opened.tensors[0].rows(0, 10)
        assert opened.meter.bytes_read > before
