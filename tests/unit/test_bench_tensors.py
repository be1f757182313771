"""The files of the benchmark of many tensors are what they are called, and its page tells each of them."""

from __future__ import annotations

import pytest
from bench_ingest import Run
from bench_tensors import irregular, layers, mixture, of_models, report, write_file

from lineage.checkpoints import open_checkpoint


@pytest.mark.parametrize("make", [mixture, irregular])
def test_a_file_has_as_many_tensors_as_it_should(make, tmp_path) -> None:
    named = make(1000)
    write_file(tmp_path / "model.safetensors", named)
    opened = open_checkpoint(tmp_path / "model.safetensors")
    assert {view.name: view.shape for view in opened.tensors} == named
    assert len(named) == 1000


def test_models_are_added_to_one_index(tmp_path) -> None:
    assert len(layers(0)) == 272
    assert len(of_models(tmp_path, 2)) == 2
    assert [file.name for file in tmp_path.iterdir()] == ["models"]


def test_what_each_further_tensor_costs_is_told_beside_the_smallest_file() -> None:
    runs = [("irregular", 1000, Run(1.0, 10**8, "", 1.0), 1), ("irregular", 11_000, Run(4.0, 10**8, "", 3.0), 1)]
    assert "| 11,000 | irregular | 4.0 s | 3.0 s | 0.20 ms | 100 MB | 0 MB |" in report(runs, [0.5, 0.3])
