"""The promises of a pull can be broken, and each that is broken is reported."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from bench_pull import Held, Pull, broken, change, contents, report

KEPT = {
    "first": Pull("the first", 0, 40, 44, 3, 1000, 0.5),
    "again": Pull("again", 0, 0, 1, 0, 10, 0.5),
    "added": Pull("added", 0, 2, 3, 0, 20, 0.5),
    "changed": Pull("changed", 12, 0, 3, 0, 20, 0.5, "a.sketch: refused"),
}
HELD = Held(is_same=True, is_kept=True, is_named=True)


def test_promises_are_kept() -> None:
    assert broken(KEPT, HELD, 40) == []
    assert "BROKEN" not in report(KEPT, HELD, 20, 40, 1000)


@pytest.mark.parametrize(
    ("pulls", "held"),
    [
        ({"first": replace(KEPT["first"], fetched=39)}, HELD),
        ({"again": replace(KEPT["again"], fetched=1)}, HELD),
        ({"added": replace(KEPT["added"], fetched=40)}, HELD),
        ({"changed": replace(KEPT["changed"], code=0)}, HELD),
        ({"changed": replace(KEPT["changed"], code=70)}, HELD),
        ({}, replace(HELD, is_same=False)),
        ({}, replace(HELD, is_kept=False)),
        ({}, replace(HELD, is_named=False)),
    ],
)
def test_a_promise_that_is_broken_is_said(pulls: dict[str, Pull], held: Held) -> None:
    assert len(broken({**KEPT, **pulls}, held, 40)) == 1
    assert report({**KEPT, **pulls}, held, 20, 40, 1000).count("BROKEN") == 1


def test_one_bit_is_changed(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(9))
    change(tmp_path / "a")
    (content,) = contents(tmp_path).values()
    assert sum(byte.bit_count() for byte in content) == 1
