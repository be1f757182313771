"""The models that the benchmark of comparisons makes: families, whose members are told from unrelated models."""

from __future__ import annotations

import numpy as np
from bench_match import FAMILY, compared, models, report, sketched

from lineage.ancestry import compare
from lineage.sketch import write_sketch


def test_a_family_is_a_root_and_what_was_trained_from_it(tmp_path) -> None:
    made = dict(models(FAMILY + 1))
    assert {*made} == {*(f"m0-{n}" for n in range(FAMILY)), "m1-0"}
    assert {len(arrays) for arrays in made.values()} == {273}
    assert all(np.isfinite(array).all() for array in made["m0-9"].values())
    sketches = {name: sketched(name, made[name]) for name in ("m0-3", "m0-0", "m1-0")}
    assert compare(sketches["m0-3"], sketches["m0-0"]).verdict == "derived"
    assert compare(sketches["m0-3"], sketches["m1-0"]).verdict == "independent"
    for name, one in sketches.items():
        write_sketch(one, tmp_path / f"{name}.sketch")
    took = list(compared(tmp_path, ["m0-3", "m0-0", "m1-0"]))
    assert [what for what, _ in took[::3]] == ["read a sketch"] * 2
    assert {what for what, _ in took} >= {"hold it against a relative", "hold it against a stranger"}


def test_the_page_has_a_line_for_each_thing_that_is_done() -> None:
    text = report({"read a sketch": [3.0, 1.0, 2.0]})
    assert "| read a sketch | 2 ms | 1 ms |" in text
