"""The place of one model: what the tree of its neighbourhood says, each relative in one list only."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from operators import int4_groups, int8_rows, layers_dropped, magnitude_pruned, matrices, noise, transposed

from lineage.ancestry import compare
from lineage.ancestry.standing import standing
from lineage.ancestry.trees.edges import measured_edges
from lineage.ancestry.trees.search import Search
from lineage.types import Place
from lineage.types.facts.descent import CopyOfUnknown
from tests.synthetic import Arrays, encoder, sketch

BASE = encoder(1)
LAYER = r"layer\.(\d+)\."


def trained(arrays: Arrays, seed: int, strength: float = 0.03) -> Arrays:
    return matrices(noise(strength, seed=seed))(arrays)


def place(family: Mapping[str, Arrays], asked: str) -> Place:
    sketches = {name: sketch(arrays, name=name) for name, arrays in family.items()}
    query = sketches.pop(asked)
    made = {other.id: (other, compare(query, other)) for other in sketches.values()}
    return standing(query, [[other] for other in sketches.values()], made).place


def names(found) -> list[str]:
    return [one.model_name for one in found]


LARGE = {"base": BASE} | {f"child {i}": trained(BASE, 10 + i) for i in range(9)}
LARGE |= {"int8": matrices(int8_rows)(BASE)}
LARGE |= {"int8 tuned": trained(LARGE["int8"], 30, 0.05)}
TWO = {name: 0.5 * LARGE["child 0"][name] + 0.5 * LARGE["child 1"][name] for name in BASE}


def test_a_child_has_a_parent_and_siblings():
    found = place(LARGE, "child 3")
    assert names(found.parents) == ["base"]
    assert {"child 0", "child 6", "int8"} <= {*names(found.siblings)}
    assert not found.open


def test_a_base_with_its_children_has_descendants_and_no_ancestor():
    found = place(LARGE, "base")
    assert (found.parents, found.ancestors, found.open) == ((), (), ())
    assert {*names(found.descendants)} == LARGE.keys() - {"base"}
    (tuned,) = (one for one in found.descendants if one.model_name == "int8 tuned")
    assert tuned.through == sketch(LARGE["int8"], name="int8").id


def test_ancestors_lead_up_to_the_root():
    found = place(LARGE, "int8 tuned")
    assert (names(found.parents), names(found.ancestors)) == (["int8"], ["base"])
    assert found.parents[0].relation == "fine-tuned"


def test_a_merge_has_its_parents_with_their_weights():
    found = place({**LARGE, "merge": TWO}, "merge")
    assert {one.model_name: round(one.weight or 0, 2) for one in found.parents} == {"child 0": 0.5, "child 1": 0.5}
    assert "base" in names(found.ancestors)


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_the_others_says_nothing(seed):
    order = list(LARGE)
    np.random.default_rng(seed).shuffle(order)
    assert place({name: LARGE[name] for name in order}, "child 3") == place(LARGE, "child 3")


def test_two_children_of_a_parent_that_is_not_there_are_open():
    found = place({"one": trained(BASE, 41), "other": trained(BASE, 42)}, "one")
    assert names(found.open) == ["other"]
    assert (found.parents, found.descendants) == ((), ())


@pytest.mark.parametrize("asked", ["child 1", "int8"])
def test_the_source_of_a_rounded_copy_stands_between_it_and_its_neighbours_if_it_is_not_there(asked):
    family = {name: LARGE[name] for name in ("child 0", "child 1", "child 2", "int8")}
    copy = sketch(LARGE["int8"], name="int8").id
    for found in place(family, asked).unobserved:
        assert copy in found.between
        assert found.basis == (CopyOfUnknown("int8"),)
    assert place(family, asked).unobserved
    assert not place({**family, "base": BASE}, asked).unobserved


@pytest.mark.parametrize(
    "changed",
    [matrices(magnitude_pruned), matrices(int4_groups), lambda a: layers_dropped(a, {1}, LAYER)],
    ids=["pruned", "int4", "dropped"],
)
def test_an_original_is_never_the_child_of_what_was_computed_from_it(changed):
    family = {"base": BASE, "made": changed(BASE)}
    assert names(place(family, "base").descendants) == ["made"]
    assert names(place(family, "made").parents) == ["base"]


def test_the_same_model_in_another_layout_is_a_copy():
    family = {"query": transposed(BASE), **{name: LARGE[name] for name in ("base", "child 0", "child 1")}}
    found = place(family, "query")
    assert [(one.model_name, one.relation) for one in found.copies] == [("base", "re-encoded")]
    assert {"child 0", "child 1"} == {*names(found.open)}


def test_a_part_reused_in_a_model_of_the_same_shapes_comes_from_the_one_that_holds_it_exactly():
    """The int8 copy has a table less, so that it is of another structure: no nearer kin for that."""
    mixed = encoder(7) | {name: array for name, array in BASE.items() if "embed" in name}
    copy = matrices(int8_rows)(BASE)
    copy.pop(next(name for name in copy if "layer.0" in name and copy[name].ndim == 2))
    family = {"base": BASE, "tuned": trained(BASE, 3), "int8": copy, "other": encoder(8), "mixed": mixed}
    found = place(family, "mixed")
    assert (names(found.open), names(found.parents)) == (["base"], [])
    assert found.open[0].relation == "component-reused"


STRANGERS = {"stranger": encoder(2), "stranger child": trained(encoder(2), 50)}
TRANSPLANTED = {
    **trained(encoder(2), 51),
    **{name: array for name, array in BASE.items() if "embeddings" in name},
}
FAMILIES = {**{name: LARGE[name] for name in ("base", "child 0", "child 1", "int8")}, **STRANGERS}


@pytest.mark.parametrize("asked", ["base", "stranger child", "transplanted"])
def test_the_trees_that_are_left_out_tell_nothing_of_the_model(asked, monkeypatch):
    family = {**FAMILIES, "transplanted": TRANSPLANTED}
    near = place(family, asked)
    monkeypatch.setattr(Search, "_asked_about", lambda _, families: families)
    assert place(family, asked) == near


def test_a_family_that_is_like_nothing_of_the_model_is_left_out():
    sketches = [sketch(arrays, name=name) for name, arrays in FAMILIES.items()]
    search = Search(sketches, about=0)
    every = search._split()
    assert [len(models) for models, _ in every] == [4, 2]
    assert [models for models, _ in search._asked_about(every)] == [[0, 1, 2, 3]]


@pytest.mark.parametrize("asked", ["base", "child 0"])
def test_of_two_models_alone_nothing_tells_which_is_the_parent(asked):
    (other,) = place({name: LARGE[name] for name in ("base", "child 0")}, asked).open
    assert other.probability == 0.5


def test_the_likeliest_parent_among_open_neighbours_comes_first():
    family = {name: LARGE[name] for name in ("base", "child 0", "child 1", "child 2")}
    found = place(family, "child 1").open
    assert found[0].model_name == "base"
    assert [one.probability for one in found] == sorted((one.probability for one in found), reverse=True)
    assert all(0.25 <= one.probability <= 0.75 for one in found)  # each of four may be the first


def test_of_a_part_of_a_family_nothing_follows_from_many_neighbours():
    """The nearest relatives of a model are the nearest of any of them: which one is the parent is in the others."""
    star = {"base": BASE} | {f"child {i}": trained(BASE, 10 + i) for i in range(11)}
    sketches = {name: sketch(arrays, name=name) for name, arrays in star.items()}
    query = sketches.pop("child 3")
    others = [[other] for other in sketches.values()]
    assert names(standing(query, others, {}).place.parents) == ["base"]
    part = standing(query, others, {}, is_whole=False).place
    assert (names(part.parents), names(part.open)[:1]) == ([], ["base"])


def test_a_model_alone_is_placed_as_the_graph_of_all_places_it():
    sketches = {name: sketch(arrays, name=name) for name, arrays in LARGE.items()}
    name_of = {one.id: name for name, one in sketches.items()}
    edges = [edge for edge in measured_edges(Search([*sketches.values()])) if edge.directed]
    above = {name: {name_of[edge.parent] for edge in edges if name_of[edge.child] == name} for name in LARGE}
    assert sum(map(len, above.values())) >= 10
    assert {name: {*names(place(LARGE, name).parents)} for name in LARGE} == above


def test_how_sure_a_tree_is_does_not_hang_on_the_order_of_its_models():
    """A model between two may come from either: the tensors that are drawn again decide, which must be the same."""
    family = {"one": trained(BASE, 51), "other": trained(BASE, 52)}
    family |= {
        f"between {k}": trained({n: (a + family["other"][n]) / 2 for n, a in family["one"].items()}, 60 + k)
        for k in range(3)
    }
    shorter = layers_dropped(BASE, {1}, LAYER)
    family |= {"shorter": shorter, "shorter, trained": trained(shorter, 70)}
    found = []
    for order in (1, -1):
        search = Search([sketch(family[name], name=name) for name in sorted(family)[::order]])
        held = [one.name for one in search.field.sketches]
        found.append({(held[parent], held[child]): share for (parent, child), share in search.forest[1].items()})
    assert found[0] == found[1]
    assert any(0.0 < share < 1.0 for share in found[0].values())
