"""What no sketch holds, and what nothing could be tested of, is said to be that: not broken, and not independent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.cli.conftest import Desk, Run

DRAW = np.random.default_rng(21)
WIDE = {f"layers.{i}.mlp.up_proj.weight": DRAW.standard_normal((64, 48)) for i in range(4)}


@pytest.fixture
def ask(run: Run, desk: Desk):
    """Ask about arrays against an index of the first of them."""

    def asked(known: dict[str, np.ndarray], arrays: dict[str, np.ndarray], *words: str):
        for name, held in (("known", known), ("asked", arrays)):
            save_file(held, desk.folder / f"{name}.safetensors")
        done = run("ingest", desk.folder / "known.safetensors", "--index", desk.index)
        assert done.code == 0, done.err
        return run("whois", desk.folder / "asked.safetensors", "--index", desk.index, "--no-reference", *words)

    return asked


FIRST = "layers.0.mlp.up_proj.weight"
LARGE = {**WIDE, FIRST: np.where(np.arange(48) == 5, 1e200, WIDE[FIRST])}


class TestFiniteFloat64:
    """float64 holds numbers that float32, in which everything is compared, does not."""

    def test_some_are_left_out_and_called_finite(self, ask):
        done = ask(WIDE, LARGE)
        assert done.code == 0
        assert " known" in done.out.splitlines()[0]  # what could be read was compared
        assert "75.0%" in done.out
        assert "left out: layers.0.mlp.up_proj.weight (64 finite values beyond float32)" in done.out
        assert "NaN" not in done.out
        assert "infinite" not in done.out
        assert done.err == ""

    def test_one_is_one(self, ask):
        one = WIDE[FIRST].copy()
        one[3, 5] = -1e300
        done = ask(WIDE, {**WIDE, FIRST: one})
        assert "(1 finite value beyond float32)" in done.out

    def test_nothing_else_is_refused_for_what_it_is(self, run: Run, tmp_path: Path):
        save_file({name: array * 1e200 for name, array in WIDE.items()}, tmp_path / "a.safetensors")
        done = run("sketch", tmp_path / "a.safetensors", "-o", tmp_path / "a.sketch")
        assert (done.code, done.out, done.err.count("\n")) == (12, "", 1)
        assert "holds 3,072 finite values beyond float32: no network computes with such weights" in done.err
        assert "damaged" not in done.err

    def test_what_is_not_finite_is_called_that(self, ask):
        one = WIDE[FIRST].copy()
        one[3, 5] = np.inf
        done = ask(WIDE, {**WIDE, FIRST: one})
        assert "(1 NaN or infinite value)" in done.out


def normal(*shape: int) -> np.ndarray:
    return DRAW.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize(
    ("known", "asked"),
    [
        ({"w": normal(64, 48)}, {"w": normal(64, 48)}),
        ({"w": normal(64, 48)}, {"v": normal(100, 32)}),
        ({"w": normal(64, 48)}, {"w": normal(64, 48), "b": normal(48)}),
        ({"w": normal(6, 5)}, {"w": normal(6, 5)}),
        (WIDE, {"w": normal(64, 48)}),
        ({"w": normal(64, 48)}, {"w": normal(1, 2000)}),
        ({"w": normal(64, 48)}, {"w": normal(2000)}),
        ({"w": normal(64, 48)}, {"w": np.ones((64, 48), np.float32)}),
        ({"w": normal(64, 48)}, {"w": np.eye(64, dtype=np.float32)}),
    ],
    ids=["two of a size", "two of two sizes", "one with a bias", "small ones", "one of a network", "a row", "a vector",
         "a constant", "an identity"],
)  # fmt: skip
def test_a_lone_matrix_of_which_nothing_could_be_tested_is_not_called_independent(ask, known, asked):
    answer = ask(known, asked, "--json")
    assert answer.code == 0
    assert answer.json["verdict"] == "inconclusive"
    assert {part["relation"] for part in answer.json["components"]} <= {"inconclusive"}
    first = ask(known, asked).out.splitlines()[0]
    assert "INCONCLUSIVE" in first
    assert "too little could be tested to tell" in first
    assert "INDEPENDENT" not in ask(known, asked).out


def test_a_lone_matrix_that_is_the_same_is_found(ask):
    matrix = normal(64, 48)
    assert ask({"w": matrix}, {"v": matrix}, "--json").json["verdict"] == "identical"
