"""Experts in another order, the router's rows with them, are the same mixture; the router alone does not follow."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lineage.ancestry import compare, whois
from lineage.match import match
from lineage.match.expert_numbers import in_one_numbering
from lineage.store import SqliteIndex
from lineage.types import CheckpointSketch, Comparison
from tests.packed_models import CONFIG, EXPERT_STACKS, EXPERTS, UNTOLD_EXPERTS, Arrays, in_pairs, mixture
from tests.small_models import tuned
from tests.synthetic import sketch

DEPTHS = ["full", "sampled"]
ROUTER = "model.layers.{}.mlp.gate.weight"
BIAS = "model.layers.{}.mlp.gate.e_score_correction_bias"
Orders = tuple[list[int], list[int]]


def renumbered(model: Arrays, orders: Orders, *, router: bool = True) -> Arrays:
    """Expert e of layer n becomes expert `orders[n][e]`, and what the router has for it follows."""
    made: Arrays = {}
    for name, array in model.items():
        found = re.search(r"layers\.(\d+)\.mlp\.", name)
        if found is None:
            made[name] = array
            continue
        order = orders[int(found[1])]
        if "experts." in name:
            made[re.sub(r"experts\.(\d+)", lambda m, to=order: f"experts.{to[int(m[1])]}", name)] = array
        else:
            made[name] = array[np.argsort(order)] if router else array
    return made


def with_biases(model: Arrays) -> Arrays:
    """DeepSeek's: a number for each expert beside the router's rows."""
    draw = np.random.default_rng(9)
    return model | {BIAS.format(n): draw.standard_normal(EXPERTS).astype(np.float32) for n in range(2)}


def turned_routers(model: Arrays) -> Arrays:
    """As (in, out)."""
    return {name: np.ascontiguousarray(a.T) if name.endswith("mlp.gate.weight") else a for name, a in model.items()}


ORDERS: dict[str, Orders] = {
    "one order": ([2, 3, 1, 0], [2, 3, 1, 0]),
    "each layer its own": ([2, 3, 1, 0], [1, 0, 3, 2]),
    "two experts of one layer": ([1, 0, 2, 3], [0, 1, 2, 3]),
}
WAYS: dict[str, Callable[[Arrays], Arrays]] = {
    "router": lambda m: m,
    "router with biases": with_biases,
    "router as (in, out)": turned_routers,
}


def both_ways(made: CheckpointSketch, other: CheckpointSketch) -> list[Comparison]:
    return [compare(made, other), compare(other, made)]


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("orders", ORDERS)
@pytest.mark.parametrize("way", WAYS)
def test_experts_in_another_order_are_the_same_model(way, orders, depth):
    model = with_biases(mixture(0)) if way == "router with biases" else mixture(0)
    other = renumbered(model, ORDERS[orders])
    other = turned_routers(other) if way == "router as (in, out)" else other
    for found in both_ways(sketch(other, depth, config=CONFIG), sketch(model, depth, config=CONFIG)):
        assert (found.verdict, found.relation, found.direction) == ("identical", "re-encoded", "undirected")


def test_the_expert_map_says_where_they_went():
    other = sketch(renumbered(mixture(0), ORDERS["one order"]), config=CONFIG)
    experts = next(c for c in compare(other, sketch(mixture(0), config=CONFIG)).components if c.name == "experts")
    assert experts.expert_map == ((0, 3), (1, 2), (2, 0), (3, 1))


@pytest.mark.parametrize("name", [*EXPERT_STACKS, *UNTOLD_EXPERTS])
def test_the_order_is_found_in_whatever_packing(name):
    pack, extra = EXPERT_STACKS[name] if name in EXPERT_STACKS else (UNTOLD_EXPERTS[name], {})
    made = sketch(pack(renumbered(mixture(0), ORDERS["each layer its own"])), config=CONFIG | extra)
    for found in both_ways(made, sketch(mixture(0), config=CONFIG)):
        assert (found.verdict, found.relation, found.direction) == ("identical", "re-encoded", "undirected")


@pytest.mark.parametrize("orders", ORDERS)
@pytest.mark.parametrize("by", [0.05, 0.3])
def test_a_tuned_mixture_in_another_order_is_what_the_tuned_one_is(orders, by):
    trained = tuned(mixture(0), seed=5, by=by)
    plain = sketch(mixture(0), config=CONFIG)
    for made, usual in zip(
        both_ways(sketch(renumbered(trained, ORDERS[orders]), config=CONFIG), plain),
        both_ways(sketch(trained, config=CONFIG), plain),
        strict=True,
    ):
        assert (made.verdict, made.relation, made.direction) == (usual.verdict, usual.relation, usual.direction)
        assert {c.name: c.relation for c in made.components} == {c.name: c.relation for c in usual.components}
        assert made.evidence.r == pytest.approx(usual.evidence.r)


def test_a_router_of_another_model_is_not_made_equal():
    """Experts of one mixture under the router of another: not the same model."""
    model, other = renumbered(mixture(0), ORDERS["one order"]), mixture(1)
    model |= {ROUTER.format(n): other[ROUTER.format(n)] for n in range(2)}
    for found in both_ways(sketch(model, config=CONFIG), sketch(mixture(0), config=CONFIG)):
        assert found.verdict != "identical"
        assert found.relation not in ("identical", "re-encoded")


def test_a_vector_that_is_as_long_as_there_are_experts_stays_where_it_is():
    """Gains of heads of as many units as there are experts."""
    gain = {"model.layers.0.self_attn.q_norm.weight": np.arange(1, EXPERTS + 1, dtype=np.float32)}
    model, other = mixture(0) | gain, renumbered(mixture(0), ORDERS["one order"]) | gain
    found = compare(sketch(other, config=CONFIG), sketch(model, config=CONFIG))
    assert (found.verdict, found.relation) == ("identical", "re-encoded")


@pytest.mark.parametrize("seed", range(5))
def test_unrelated_mixtures_keep_their_order(seed):
    one, other = sketch(mixture(10 + seed), config=CONFIG), sketch(mixture(50 + seed), config=CONFIG)
    made, numbers, moved = in_one_numbering(one, other, 1)
    assert (made, dict(numbers), moved) == (one, {}, frozenset())
    assert match(one, other).overall.log10_p > -6


def test_copies_of_one_expert_keep_their_numbers():
    model = {name: mixture(0)[re.sub(r"experts\.\d+", "experts.0", name)] for name in mixture(0)}
    made, numbers, _ = in_one_numbering(sketch(tuned(model, seed=5), config=CONFIG), sketch(model, config=CONFIG), 1)
    assert not numbers
    assert len(made.tensors) == len(model)


def test_experts_in_part_of_another_mixture_have_no_numbers():
    """Two of four experts are another's: nothing says where the others went, so that no router is put in order."""
    other, foreign = renumbered(mixture(0), ORDERS["one order"]), mixture(1)
    other |= {n: foreign[n] for n in other if re.search(r"experts\.[01]\.", n)}
    _, numbers, moved = in_one_numbering(sketch(other, config=CONFIG), sketch(mixture(0), config=CONFIG), 1)
    assert (dict(numbers), moved) == ({}, frozenset())


@pytest.mark.parametrize("depth", DEPTHS)
def test_many_experts(depth):
    """As many as the largest public mixtures have: of their router's rows only some are kept."""
    model = of_many(256)
    order = np.random.default_rng(4).permutation(256)
    other = {n: a for n, a in model.items() if "mlp" not in n}
    for n, a in model.items():
        if "experts." in n:
            other[re.sub(r"experts\.(\d+)", lambda m: f"experts.{order[int(m[1])]}", n)] = a
        elif "mlp.gate" in n:
            other[n] = np.ascontiguousarray(a[np.argsort(order)])
    for found in both_ways(sketch(other, depth, config=CONFIG), sketch(model, depth, config=CONFIG)):
        assert (found.verdict, found.relation) == ("identical", "re-encoded")


def of_many(count: int) -> Arrays:
    draw = np.random.default_rng(8)
    made = {n: a for n, a in mixture(0).items() if "layers.0." in n and ".mlp." not in n}
    made["model.layers.0.mlp.gate.weight"] = draw.standard_normal((count, 64)).astype(np.float32)
    for e in range(count):
        for part, shape in (("gate", (40, 64)), ("up", (40, 64)), ("down", (64, 40))):
            rows = draw.gamma(2, 0.5, (shape[0], 1))
            matrix = (rows * draw.standard_normal(shape)).astype(np.float32)
            made[f"model.layers.0.mlp.experts.{e}.{part}_proj.weight"] = matrix
    return made


@pytest.mark.parametrize(
    "made",
    [renumbered(mixture(0), ORDERS["one order"]), EXPERT_STACKS["llama-4"][0](mixture(0)), in_pairs(mixture(0))],
    ids=["renumbered", "stacked", "rotary"],
)
def test_a_search_finds_the_same_model_as_a_copy_beside_its_children(made, tmp_path):
    """Not as one that "may come from the other": equal weights in another packing are a copy."""
    with SqliteIndex.create(tmp_path) as index:
        for name, model in (("base", mixture(0)), ("other", mixture(1)), ("child", tuned(mixture(0), seed=5, by=0.1))):
            index.add(sketch(model, name=name, config=CONFIG), "0.0.test")
        found = whois(sketch(made, name="asked", config={}), [index])
    assert found.verdict == "identical"
    assert [(one.model_name, one.relation) for one in found.place.copies] == [("base", "re-encoded")]
    kin = (*found.place.open, *found.place.parents, *found.place.siblings, *found.place.descendants)
    assert "base" not in {one.model_name for one in kin}


@pytest.mark.parametrize("name", [*ORDERS, *WAYS])
def test_every_variant_is_in_the_table(name):
    assert f"`{name}`" in (Path(__file__).parents[3] / "docs" / "formats.md").read_text()
