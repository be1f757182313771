"""Eight-bit levels that a 16-bit type blurred are found again, with the one model that was rounded to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray
from operators import int4_groups, int8_rows, matrices, nf4_groups, noise

from lineage.ancestry import compare
from lineage.ancestry.geometry import cohorts
from lineage.ancestry.pair.blurred import blurred, is_blurred_rounding
from lineage.ancestry.trees.roundings import roundings
from lineage.report.components import scheme_words
from lineage.types import Float32Array
from tests.synthetic import Arrays, encoder, sketch, tensor

NARROW = (ml_dtypes.bfloat16, np.float16)


def stored(a: NDArray[Any], dtype: Any) -> Float32Array:
    return a.astype(dtype).astype(np.float32)


def with_zero_point(a: Float32Array) -> Float32Array:
    """256 levels a row from its smallest to its largest value, zero among them."""
    low, high = np.minimum(a.min(axis=1, keepdims=True), 0), np.maximum(a.max(axis=1, keepdims=True), 0)
    step = (high - low) / 255
    zero = np.rint(-low / step)
    return ((np.clip(np.rint(a / step) + zero, 0, 255) - zero) * step).astype(np.float32)


def with_half_scales(a: Float32Array) -> Float32Array:
    step = stored(np.abs(a).max(axis=1, keepdims=True) / 127, np.float16)
    return (np.rint(a / step) * step).astype(np.float32)


def scaled_fp8(a: Float32Array) -> Float32Array:
    scale = np.abs(a).max(axis=1, keepdims=True) / 448
    return stored(a / scale, ml_dtypes.float8_e4m3fn) * scale


def of_one(change: Callable[[Float32Array], Float32Array]) -> Callable[[Float32Array], Float32Array]:
    return lambda a: change(a.reshape(1, -1)).reshape(a.shape)


SCHEMES: dict[str, tuple[Callable[[Float32Array], Float32Array], str]] = {
    "rows": (int8_rows, "int8, one scale a row"),
    "rows, scales of float16": (with_half_scales, "int8, one scale a row"),
    "tensor": (of_one(int8_rows), "int8, one scale for all"),
    "rows with zero points": (with_zero_point, "int8, one scale a row"),
    "columns": (lambda a: np.ascontiguousarray(int8_rows(a.T).T), "int8, one scale a column"),
    "groups": (lambda a: int8_rows(a.reshape(-1, 32)).reshape(a.shape), "int8, one scale for a part of a row"),
    "fp8 tensor": (of_one(scaled_fp8), "float8_e4m3fn, one scale for all"),
    "fp8 rows": (scaled_fp8, "float8_e4m3fn, one scale a row"),
}


def weights(kind: str, seed: int, shape: tuple[int, int] = (256, 256)) -> Float32Array:
    random = np.random.default_rng(seed)
    made = random.standard_t(5, shape) if kind == "heavy tails" else random.standard_normal(shape)
    if kind == "outlier columns":
        made[:, random.integers(0, shape[1], 3)] *= 8
    return (0.03 * made).astype(np.float32)


@pytest.mark.parametrize("kind", ["normal", "heavy tails", "outlier columns"])
@pytest.mark.parametrize("dtype", NARROW)
@pytest.mark.parametrize("name", SCHEMES)
def test_a_scheme_is_named_and_its_source_is_known(name, dtype, kind):
    operator, said = SCHEMES[name]
    for seed in range(3):
        plain = stored(weights(kind, seed), dtype)
        coarse, fine = tensor(stored(operator(plain), dtype)), tensor(plain)
        found = blurred(coarse)
        assert found is not None
        assert scheme_words([found.scheme]) == f"{said} (stored as {np.dtype(dtype).name})"
        assert is_blurred_rounding(found, coarse.values, fine.values)
        tuned = tensor(stored(noise(0.1, seed)(plain), dtype))
        assert not is_blurred_rounding(found, coarse.values, tuned.values)
        assert blurred(fine) is None


@pytest.mark.parametrize("kind", ["normal", "heavy tails", "outlier columns"])
@pytest.mark.parametrize("dtype", NARROW)
def test_plain_weights_have_no_levels(dtype, kind):
    """Those with zeros are looked at longest: pruned, or the rows of tokens that never occur."""
    for seed in range(20):
        plain = weights(kind, seed, (128, 192))
        holed = np.where(np.random.default_rng(seed).random(plain.shape) < 0.02, np.float32(0), plain)
        for one in (plain, holed, noise(0.001, seed)(holed), noise(0.1, seed)(plain)):
            assert blurred(tensor(stored(one, dtype))) is None


def changed(arrays: Arrays, dtype: Any, operator: Callable[[Float32Array], Float32Array] = lambda a: a) -> Arrays:
    made = matrices(operator)(arrays)
    return {name: a.astype(dtype) if a.ndim > 1 else a for name, a in made.items()}


@pytest.mark.parametrize("dtype", NARROW)
@pytest.mark.parametrize("operator", [int8_rows, with_zero_point, of_one(int8_rows), int4_groups, nf4_groups])
def test_the_quantised_copy_is_the_child(operator, dtype):
    base = changed(encoder(3), dtype)
    wide = {name: a.astype(np.float32) for name, a in base.items()}
    copy, source = sketch(changed(wide, dtype, operator), name="copy"), sketch(base, name="base")
    found, turned = compare(copy, source), compare(source, copy)
    assert (found.relation, found.direction) == ("quantized", "child")
    assert (turned.relation, turned.direction) == ("quantized", "parent")


@pytest.mark.parametrize("dtype", NARROW)
@pytest.mark.parametrize("share", [0.001, 0.01, 0.1])
def test_noise_and_tuning_are_not_quantising(share, dtype):
    base = encoder(4)
    plain, tuned = sketch(changed(base, dtype)), sketch(changed(base, dtype, noise(share)))
    assert compare(tuned, plain).relation == "fine-tuned"
    assert compare(plain, tuned).relation == "fine-tuned"


def test_a_copy_hangs_on_the_one_it_was_rounded_from():
    base = encoder(5)
    tuned = matrices(noise(0.05))(base)
    models = [
        sketch(changed(base, np.float16), name="base"),
        sketch(changed(tuned, np.float16), name="tuned"),
        sketch(changed(matrices(lambda a: int8_rows(stored(a, np.float16)))(tuned), np.float16), name="copy"),
        sketch(changed(changed(base, np.float32, int8_rows), np.float16, noise(0.05, 9)), name="tuned copy"),
    ]
    (cohort,) = cohorts(models)
    assert roundings(cohort, models) == {2: 1}
    assert compare(models[2], models[0]).direction != "child"
