"""The benchmark's own file has the promised size, and its bars can be missed."""

from __future__ import annotations

import json
import math

import bench_ingest
import pytest
from bench_ingest import Run

SECONDS = {"llama": 0.1, "minilm": 0.1, "help": 0.1}


def test_the_shapes_fill_two_gigabytes():
    size = sum(2 * math.prod(shape) for shape in bench_ingest.shapes().values())
    assert 0 <= bench_ingest.FILE_BYTES - size < 2 * bench_ingest.HIDDEN


def test_the_file_is_a_seeded_safetensors_file(monkeypatch, tmp_path):
    import ml_dtypes
    from safetensors import safe_open

    small = {"a.weight": (40, 30), "a_norm.weight": (30,)}
    monkeypatch.setattr(bench_ingest, "shapes", lambda: small)
    monkeypatch.setattr(bench_ingest, "CHUNK", 500)
    first, second = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    bench_ingest.write_checkpoint(first)
    bench_ingest.write_checkpoint(second)
    content = first.read_bytes()
    assert content == second.read_bytes()
    with safe_open(first, "numpy") as model:
        assert {name: tuple(model.get_slice(name).get_shape()) for name in model.keys()} == small  # noqa: SIM118
    import numpy as np

    values = np.frombuffer(content[-2 * 30 :], dtype=ml_dtypes.bfloat16).astype(np.float32)
    assert abs(values.mean() - 1.0) < 0.1


@pytest.mark.parametrize(
    ("change", "missed"),
    [
        ({}, set()),
        ({"full": 2.1}, {"sketch --depth full, against openssl"}),
        ({"sampled": 0.6}, {"sketch --depth sampled, against openssl"}),
    ],
)
def test_a_bar_is_missed_where_its_figure_is_over_the_limit(change, missed):
    read = json.dumps({"checkpoint": {"bytes_read": bench_ingest.FILE_BYTES // 20}})
    seconds = {"openssl": 1.0, "full": 1.0, "sampled": 0.3} | change
    runs = {name: [Run(wall, 10**9, read)] for name, wall in seconds.items()}
    bars = bench_ingest.bars(runs, SECONDS)
    assert {bar.what for bar in bars if not bar.is_kept} == missed
    assert ("MISSED" in bench_ingest.report(runs, bars)) == bool(missed)
