"""Sums of models with weights of their own for each tensor: spherical with filters, Model Stock."""

from __future__ import annotations

import numpy as np
import pytest

from lineage.ancestry.geometry import cohorts
from lineage.ancestry.merge.mixtures import Mixture, find_mixtures
from lineage.ancestry.trees.edges import measured_edges
from lineage.ancestry.trees.search import Search
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


def slerp(one: Arrays, other: Arrays, shares: dict[str, float]) -> Arrays:
    """Spherical interpolation of each tensor with a share of its own, as merge tools do with filters."""

    def mixed(name: str) -> np.ndarray:
        a, b, share = one[name].astype(np.float64), other[name].astype(np.float64), shares[name]
        angle = np.arccos(np.clip((a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum()), -1.0, 1.0))
        return np.asarray((np.sin((1 - share) * angle) * a + np.sin(share * angle) * b) / np.sin(angle))

    return {name: mixed(name).astype(np.float32) for name in one}


@pytest.mark.parametrize("dtype", NARROW, ids=str)
def test_spherical_shares_hold_for_norms_too_beside_many_relatives_of_one_parent(dtype):
    """Near relatives of a parent take its weight in a sum of all, and norms have other shares than attention has."""
    family = {"base": stored(dtype, encoder(3))} | {f"{k}": tuned(dtype, k, 0.2 / UNIT[dtype]) for k in range(3)}
    for k in range(8):
        near = np.random.default_rng(40 + k)
        family[f"near {k}"] = stored(
            dtype,
            {n: a + 10.0 * UNIT[dtype] * a.std() * near.standard_normal(a.shape) for n, a in family["1"].items()},
        )
    shares = {name: 0.3 if "attention" in name else 0.7 for name in family["1"]}
    family["slerp"] = stored(dtype, slerp(family["1"], family["2"], shares))
    assert found(family)["slerp"][1].keys() == {"1", "2"}
    sketches = [sketch(arrays, name=name) for name, arrays in family.items()]
    names = {one.id: one.name for one in sketches}
    edges = [(names[e.parent], e.relation) for e in measured_edges(Search(sketches)) if names[e.child] == "slerp"]
    assert sorted(edges) == [("1", "merged"), ("2", "merged")]
