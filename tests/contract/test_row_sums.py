"""The rows of a tensor in one pass, by NumPy and by the compiled part: the same but for the last bits of sums."""

from __future__ import annotations

import sys
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from lineage.sketch import compiled_rows
from lineage.sketch.compiled_rows import CHUNK, CompiledRows
from lineage.sketch.family import CODE_BITS, CODE_FAMILIES, SEED_CODES
from lineage.sketch.minhash import minhash, row_codes
from lineage.sketch.signs import prefix_signs
from lineage.sketch.tensor_pass import WHOLE, DamagedTensor
from tests.compiled_part import compiled_part
from tests.synthetic import tensor

SIGNS = CODE_BITS * CODE_FAMILIES
DTYPES = [np.float32, ml_dtypes.bfloat16, np.float16]
SHAPES = [(1040, 256), (2051, 192), (5000, 64), (33, 8192), (40, 16448)]  # with rests of rows and of runs of chunks
SCALE = 1e-6  # of sums, by which a reader must let them differ


@pytest.fixture(params=["numpy", "compiled"])
def twin(request, monkeypatch) -> str:
    add = None if request.param == "numpy" else compiled_part().add
    monkeypatch.setattr(compiled_rows, "_add_of_extra", lambda: add)
    return request.param


def normal(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    return (0.02 * np.random.default_rng(shape[0]).standard_normal(shape)).astype(dtype)


def exact(values: np.ndarray, power: int) -> tuple[float, float]:
    """The sum of a power, and its scale."""
    powers = values.astype(np.float64) ** power
    return float(powers.sum()), float(np.abs(powers).sum())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
class TestEveryTwin:
    def test_power_sums_are_those_of_exact_arithmetic(self, twin, shape, dtype):
        values = normal(shape, dtype)
        moments = tensor(values).moments
        for power, found in enumerate(moments, 1):
            right, scale = exact(values, power)
            assert abs(found - right) <= SCALE * scale

    def test_row_codes_are_those_of_exact_arithmetic_but_next_to_zero(self, twin, shape, dtype):
        values = normal(shape, dtype)
        projected = values.astype(np.float64) @ prefix_signs(shape[1], SEED_CODES, SIGNS).astype(np.float64)
        right = minhash(row_codes(projected.astype(np.float32)))
        assert (tensor(values).minhash == right).mean() > 0.97

    def test_what_is_no_sum_is_the_same_to_the_bit(self, twin, shape, dtype, monkeypatch):
        values = normal(shape, dtype)
        found = tensor(values)
        monkeypatch.setattr(compiled_rows, "_add_of_extra", lambda: None)
        right = tensor(values)
        for name in ("digest", "band_digest", "stats", "part"):
            assert getattr(found, name) == getattr(right, name)
        assert np.array_equal(found.values, right.values)
        for ours, theirs in zip(found.units, right.units, strict=True):
            assert np.array_equal(ours.codes, theirs.codes)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1 << 12, 256), (2051, 320), (16000, 64), (100, 11008)], ids=str)
def test_even_power_sums_of_both_are_those_of_equal_values(shape, dtype, monkeypatch):
    """Nearer than `_SUMMED` of `ancestry.pair.changes`: what values of few bits lose in sums is lost alike."""
    values = normal(shape, dtype)
    monkeypatch.setattr(compiled_rows, "_add_of_extra", lambda: None)
    numpys = tensor(values).moments[1::2]
    add = compiled_part().add
    monkeypatch.setattr(compiled_rows, "_add_of_extra", lambda: add)
    assert np.abs(tensor(values).moments[1::2] / numpys - 1).max() < 1e-7


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_damage_is_found_by_every_twin(twin, bad):
    values = normal((1040, 256), np.float32)
    values[1039, 255] = bad
    with pytest.raises(DamagedTensor, match="holds 1 NaN or infinite"):
        tensor(values)


def test_powers_that_leave_float32_are_added_in_float64(twin):
    values = normal((1040, 256), np.float32) * np.float32(1e12)
    right, scale = exact(values, 4)
    assert abs(tensor(values).moments[3] - right) <= SCALE * scale
    assert np.isfinite(tensor(values).moments).all()


def test_rows_of_zeros_have_no_code_in_any_twin(twin):
    values = normal((1040, 256), np.float32)
    padded = np.concatenate([values, np.zeros((500, 256), np.float32)])
    assert np.array_equal(tensor(values).minhash, tensor(padded).minhash)


# -- the compiled part alone -------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 64), (15, 128), (16, 320), (33, 1024)], ids=str)
def test_signed_sums_of_integers_are_exact_and_nothing_else_is_written(shape, dtype):
    values = np.random.default_rng(1).integers(-100, 100, shape)
    projected = np.full((shape[0] + 2, SIGNS), 7.0, np.float32)
    powers = CompiledRows(compiled_part().add, shape[1]).add(values.astype(dtype), projected[1:-1])
    assert np.array_equal(projected[1:-1], values @ prefix_signs(shape[1], SEED_CODES, SIGNS).astype(np.int64))
    assert (projected[[0, -1]] == 7.0).all()
    assert powers[:2].tolist() == [values.sum(), (values**2).sum()]


def test_every_half_is_widened_exactly():
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)].reshape(-1, 64)
    single = np.zeros_like(halves)
    for place in range(64):  # one value a row, so that its signed sum is itself
        single[:], projected = 0, np.empty((len(halves), SIGNS), np.float32)
        single[:, place] = halves[:, place]
        CompiledRows(compiled_part().add, 64).add(single, projected)
        assert np.array_equal(np.abs(projected[:, 0]), np.abs(halves[:, place]).astype(np.float32))


@pytest.mark.parametrize(
    "given",
    [
        {"width": 0}, {"width": -64}, {"width": 100}, {"width": 128}, {"dtype": "float64"}, {"dtype": "bfloat16"},
        {"places": np.zeros(3, np.uint16)}, {"projected": np.zeros((1, SIGNS), np.float32)}, {"powers": np.zeros(3)},
        {"values": np.zeros((16, 63), np.float32)}, {"values": np.zeros(0, np.float32), "width": 1 << 62},
    ],
    ids=str,
)  # fmt: skip
def test_arrays_that_do_not_fit_one_another_are_refused(given):
    right = {
        "values": np.zeros((16, CHUNK), np.float32),
        "dtype": "float32",
        "width": CHUNK,
        "places": np.zeros((1, SIGNS, CHUNK // 4), np.uint16),
        "projected": np.zeros((16, SIGNS), np.float32),
        "powers": np.zeros(4),
    }
    compiled_part().add(*right.values())
    with pytest.raises(ValueError, match=r"do not fit one another|unknown type"):
        compiled_part().add(*(right | given).values())


def test_places_beyond_the_tables_read_nothing_beyond_them():
    places = np.full((1, SIGNS, CHUNK // 4), 0xFFFF, np.uint16)
    values, projected = np.ones((16, CHUNK), np.float32), np.empty((16, SIGNS), np.float32)
    compiled_part().add(values, "float32", CHUNK, places, projected, np.zeros(4))
    assert (np.abs(projected) <= CHUNK).all()


def test_it_is_used_for_what_it_is_made_for(monkeypatch):
    monkeypatch.setattr(compiled_rows, "_add_of_extra", lambda: print)
    made_for = [(16, 256, np.dtype(one)) for one in DTYPES]
    assert all(compiled_rows.compiled_rows(*one) is not None for one in made_for)
    others = [(16, 100, np.dtype(np.float32)), (4, 1 << 16, np.dtype(np.float32)), (16, 256, np.dtype(np.float64))]
    others += [(16, 256, np.dtype(np.float32).newbyteorder())]
    assert [compiled_rows.compiled_rows(*one) for one in others] == [None] * len(others)


@pytest.mark.parametrize("usable", [True, False])
def test_it_is_loaded_where_it_is_installed_and_the_cpu_can_use_it(usable, monkeypatch):
    class Extra:
        add = print

        @staticmethod
        def usable() -> bool:
            return usable

    monkeypatch.setitem(sys.modules, "lineage_fast", Extra)
    assert compiled_rows._add_of_extra.__wrapped__() is (print if usable else None)
    monkeypatch.setitem(sys.modules, "lineage_fast", None)  # an import of it fails
    assert compiled_rows._add_of_extra.__wrapped__() is None


def test_the_tensors_of_this_suite_are_read_in_blocks():
    assert all(rows * width > WHOLE for rows, width in SHAPES)
