"""Pairs of equal shape, chosen without a look at values."""

from __future__ import annotations

import numpy as np

from lineage.match.structure import by_shape
from tests.synthetic import sketch

RNG = np.random.default_rng(1)


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def test_sides_of_one_do_not_keep_two_tensors_apart() -> None:
    a = sketch({"a": normal(36, 1, 64), "b": normal(20, 8), "c": normal(9)})
    b = sketch({"x": normal(20, 8, 1, 1), "y": normal(36, 1, 1, 64), "z": normal(11), "w": normal(36, 64)})
    names = {(a.tensors[i].name, b.tensors[j].name, turned) for i, j, turned in by_shape(a, b, (), ())}
    assert names == {("a", "y", False), ("b", "x", False)}


def test_an_equal_shape_comes_before_one_with_other_sides_of_one() -> None:
    a = sketch({"a": normal(20, 8), "b": normal(20, 8, 1)})
    b = sketch({"x": normal(20, 8, 1), "y": normal(20, 8)})
    names = {(a.tensors[i].name, b.tensors[j].name) for i, j, _ in by_shape(a, b, (), ())}
    assert names == {("a", "y"), ("b", "x")}
