"""Sums of models with weights of their own for each tensor: spherical with filters, Model Stock."""

from __future__ import annotations

import numpy as np
import pytest

from lineage.ancestry.geometry import cohorts
from lineage.ancestry.merge.mixtures import Mixture, find_mixtures
from tests.synthetic import Arrays, encoder, sketch
from tests.unit.ancestry.test_blends import NARROW, UNIT, stored, tuned


def found(models: dict[str, Arrays]) -> dict[str, tuple[str, dict[str, float]]]:
    (cohort,) = cohorts([sketch(arrays, name=name) for name, arrays in models.items()])
    names = [list(models)[member] for member in cohort.members]
    mixtures: dict[int, Mixture] = find_mixtures(cohort)
    return {
        names[k]: (m.method, {names[p]: w for p, w in zip(m.parents, m.weights, strict=True)})
        for k, m in mixtures.items()
    }


def filtered(one: Arrays, other: Arrays) -> Arrays:
    """Shares that fall from layer to layer in attention and rise in all else, as in templates of merge tools."""
    shares = {name: 0.2 + 0.6 * (k / len(one)) for k, name in enumerate(one)}
    shares |= {name: 1.0 - share for name, share in shares.items() if "attention" in name}
    return {name: (1.0 - shares[name]) * one[name] + shares[name] * other[name] for name in one}


def stock(base: Arrays, one: Arrays, other: Arrays) -> Arrays:
    shares = {name: 0.2 + 0.5 * (k / len(base)) for k, name in enumerate(base)}
    return {n: shares[n] * (one[n] + other[n]) / 2.0 + (1.0 - shares[n]) * base[n] for n in base}


@pytest.mark.parametrize("dtype", NARROW, ids=str)
@pytest.mark.parametrize("units", [5.0, 50.0])
def test_shares_that_differ_between_attention_and_mlps_are_found(dtype, units):
    family = {"base": stored(dtype, encoder(3))} | {f"{k}": tuned(dtype, k, units) for k in range(4)}
    family["sum"] = stored(dtype, filtered(family["1"], family["2"]))
    ((name, (_, parts)),) = found(family).items()
    assert name == "sum"
    assert parts.keys() == {"1", "2"}


@pytest.mark.parametrize("dtype", NARROW, ids=str)
@pytest.mark.parametrize("units", [5.0, 50.0])
def test_a_mean_that_is_mixed_with_its_base_is_found_with_the_base_told(dtype, units):
    family = {"base": stored(dtype, encoder(3))} | {f"{k}": tuned(dtype, k, units) for k in range(4)}
    family["stock"] = stored(dtype, stock(family["base"], family["1"], family["2"]))
    ((name, (method, parts)),) = found(family).items()
    assert (name, method) == ("stock", "model stock")
    assert [*parts] == ["1", "2", "base"]


@pytest.mark.parametrize("dtype", NARROW, ids=str)
@pytest.mark.parametrize("units", [2.0, 5.0, 50.0])
@pytest.mark.parametrize("hidden", ["base", "1"])
def test_without_one_of_its_terms_it_is_none(dtype, units, hidden):
    family = {"base": stored(dtype, encoder(3))} | {f"{k}": tuned(dtype, k, units) for k in range(4)}
    family["stock"] = stored(dtype, stock(family["base"], family["1"], family["2"]))
    family["other"] = stored(dtype, stock(family["base"], family["1"], family["3"]))
    family["again"] = stored(dtype, {n: 0.5 * a + 0.5 * family["2"][n] for n, a in family["stock"].items()})
    del family[hidden]
    assert found(family).keys() <= {"again"}


@pytest.mark.parametrize("dtype", NARROW, ids=str)
def test_what_was_trained_on_from_it_is_none(dtype):
    family = {f"{k}": tuned(dtype, k, 20.0) for k in range(3)}
    merge = stored(dtype, filtered(family["1"], family["2"]))
    generator = np.random.default_rng(5)
    moved = {n: a + 2.0 * UNIT[dtype] * a.std() * generator.standard_normal(a.shape) for n, a in merge.items()}
    assert found(family | {"trained": stored(dtype, moved)}) == {}
