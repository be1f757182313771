"""Copies of few bits whose later columns compensate the errors of earlier ones come from what they were made of."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray
from operators import matrices, noise

from lineage.ancestry import compare
from lineage.ancestry.geometry import cohorts
from lineage.ancestry.trees.roundings import roundings
from tests.synthetic import Arrays, encoder, sketch

Values = NDArray[np.float64]
GROUP = 32
BASE = encoder(1, layers=8)


def stored(arrays: Arrays, dtype: type) -> Arrays:
    return {name: array.astype(dtype).astype(np.float32) for name, array in arrays.items()}


def factor(columns: int) -> Values:
    """Upper Cholesky factor of the inverse of a Hessian of correlated inputs."""
    generator = np.random.default_rng(columns)
    inputs = generator.standard_normal((4 * columns, columns)) @ (
        np.eye(columns) + 0.2 * generator.random((columns,) * 2)
    )
    hessian = inputs.T @ inputs
    hessian += 0.01 * np.trace(hessian) / columns * np.eye(columns)
    return np.linalg.cholesky(np.linalg.inv(hessian)).T


def compensated(array: NDArray[np.float32], order: NDArray[np.int64] | None = None) -> NDArray[np.float32]:
    """Four bits with one scale for 32 columns, each column's error spread over the later ones."""
    order = np.arange(array.shape[1]) if order is None else order
    left, above = array[:, order].astype(np.float64), factor(array.shape[1])
    found = np.zeros_like(left)
    for k in range(left.shape[1]):
        if k % GROUP == 0:
            scale = np.abs(left[:, k : k + GROUP]).max(axis=1) / 7
        found[:, k] = np.clip(np.rint(left[:, k] / scale), -8, 7) * scale
        left[:, k + 1 :] -= np.outer((left[:, k] - found[:, k]) / above[k, k], above[k, k + 1 :])
    back = np.empty_like(found)
    back[:, order] = found
    return back.astype(np.float32)


COPY = matrices(compensated)(BASE)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16], ids=str)
def test_its_source_is_its_parent(dtype):
    copy, source = sketch(stored(COPY, dtype)), sketch(stored(BASE, dtype))
    assert (compare(copy, source).direction, compare(source, copy).direction) == ("child", "parent")


@pytest.mark.parametrize("moved", [0.003, 0.01, 0.05])
def test_a_relative_of_its_source_is_not(moved):
    near = sketch(matrices(noise(moved, seed=4))(BASE))
    assert compare(sketch(COPY), near).direction == "undirected"
    assert compare(sketch(COPY), near).relation == "quantized"


@pytest.mark.parametrize("moved", [0.01, 0.1])
def test_nor_is_what_was_trained_from_it(moved):
    trained = sketch(matrices(noise(moved, seed=5))(COPY))
    assert compare(trained, sketch(COPY)).direction != "parent"


def test_columns_in_another_order_leave_it_open():
    orders = {n: np.random.default_rng(n).permutation(n) for n in (64, 128)}
    copy = sketch(matrices(lambda a: compensated(a, orders[a.shape[1]]))(BASE))
    assert compare(copy, sketch(BASE)).direction == "undirected"


def test_a_graph_knows_which_of_several_it_was_rounded_from():
    family = {"base": BASE, "copy": COPY, "near": matrices(noise(0.01, seed=4))(BASE)}
    sketches = [sketch(arrays, name=name) for name, arrays in family.items()]
    (cohort,) = cohorts(sketches)
    names = list(family)
    assert {names[i]: names[j] for i, j in roundings(cohort, sketches).items()} == {"copy": "base"}
