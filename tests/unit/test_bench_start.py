"""The bars of a command's start can be missed, its models have nothing in common, and the unrelated one has neurons."""

from __future__ import annotations

import pytest
from bench_start import MOST_MODULES, PLAIN, STRANGER, WAIT_S, Timed, missed, report, write_language_model, write_models
from safetensors.numpy import load_file

from lineage import api


@pytest.mark.parametrize("what", [PLAIN, STRANGER])
@pytest.mark.parametrize(
    ("wall_s", "modules", "count"), [(WAIT_S / 2, 50, 0), (WAIT_S, 50, 1), (WAIT_S, MOST_MODULES, 2)]
)
def test_a_bar_that_is_missed_is_said(what: str, wall_s: float, modules: int, count: int) -> None:
    times = [Timed("`lineage --help`", 9.0, 9.0, 999), Timed(what, wall_s, 0.1, modules)]
    assert len(missed(times)) == count
    assert report(times, 5).count("MISSED") == count


def test_the_models_are_all_different(tmp_path) -> None:
    held = [load_file(path) for path in write_models(tmp_path, 3)]
    assert len({one["layers.0.q.weight"].tobytes() for one in held}) == 3


def test_disguises_are_looked_for_in_the_stranger(tmp_path) -> None:
    assert api.sketch(write_language_model(tmp_path / "stranger.safetensors")).neurons
