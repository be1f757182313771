"""The bars of the service can be missed, and each that is missed is reported."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bench_serve import MOST_GROWTH_MB, MOST_P95_S, Killed, Load, many, missed, report

MET = Load("asked", (0.1,) * 99 + (5.0,), 0, 100.0, 100.0 + MOST_GROWTH_MB)
SOUND = Killed(3, 2, 1, 0)


def test_bars_are_met() -> None:
    assert missed([MET], SOUND) == []
    assert "MISSED" not in report([MET], SOUND, 2)


@pytest.mark.parametrize(
    ("load", "killed"),
    [
        (replace(MET, seconds=(0.1,) * 94 + (MOST_P95_S,) * 6), SOUND),
        (replace(MET, lost=1), SOUND),
        (replace(MET, after_mb=MET.after_mb + 1), SOUND),
        (MET, replace(SOUND, done=1)),
        (MET, replace(SOUND, damage=1)),
    ],
)
def test_a_bar_that_is_missed_is_said(load: Load, killed: Killed) -> None:
    assert len(missed([load], killed)) == 1
    assert report([load], killed, 2).count("MISSED") == 1


def test_models_that_the_index_does_not_hold_have_no_bar_of_time() -> None:
    late = replace(MET, seconds=(2 * MOST_P95_S,) * 9, is_known=False)
    assert missed([late, MET], SOUND) == []
    assert missed([replace(late, lost=1), MET], SOUND) != []


def test_bodies_come_round() -> None:
    assert many([b"a", b"b"], 3) == [b"a", b"b", b"a"]
