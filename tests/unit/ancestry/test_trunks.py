"""Models of the same layers with heads and tables of their own: one trunk, in which movements and merges are told."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from lineage.ancestry import standing as standing_module
from lineage.ancestry.standing import standing
from lineage.ancestry.trees import search
from lineage.ancestry.trees.edges import measured_edges
from lineage.ancestry.trees.graph_state import Field
from lineage.ancestry.trees.search import Search
from lineage.types import Edge
from tests.synthetic import HIDDEN, Arrays, encoder, sketch

BASE = encoder(8)
WEIGHTS = [0.3, 0.4, 0.3]


def tuned(arrays: Arrays, seed: int, share: float = 0.1) -> Arrays:
    generator = np.random.default_rng(seed)
    return {
        n: (a + share * (a.std() or 0.05) * generator.standard_normal(a.shape)).astype(np.float32)
        for n, a in arrays.items()
    }


def with_head(arrays: Arrays, labels: int, seed: int) -> Arrays:
    head = 0.02 * np.random.default_rng(seed).standard_normal((labels, HIDDEN))
    return arrays | {"classifier.weight": head.astype(np.float32)}


def task(arrays: Arrays, labels: int, seed: int, share: float = 0.1) -> Arrays:
    """Trained with a new head of so many labels."""
    body = {n: a for n, a in arrays.items() if not n.startswith("classifier")}
    return with_head(tuned(body, seed, share), labels, seed + 100)


def edges(family: Mapping[str, Arrays]) -> dict[frozenset[str], Edge]:
    ids = {sketch(arrays, name=name).id: name for name, arrays in family.items()}
    found = measured_edges(Search([sketch(arrays, name=name) for name, arrays in family.items()]))
    return {frozenset((ids[e.parent], ids[e.child])): e for e in found}


TASKS = [task(BASE, 3 + k, 10 + k) for k in range(3)]


@pytest.mark.parametrize("turned", [False, True])
def test_a_task_hangs_on_what_it_was_trained_from_and_not_on_one_with_as_many_labels(turned):
    first, second = task(BASE, 4, 1), task(BASE, 7, 2)
    family = {
        "base": BASE,
        "first": first,
        "second": second,
        "of first": task(first, 7, 3),
        "of second": task(second, 4, 4),
    }
    family = {name: family[name] for name in sorted(family, reverse=turned)}
    assert set(edges(family)) == {
        frozenset(ends)
        for ends in (("base", "first"), ("base", "second"), ("first", "of first"), ("second", "of second"))
    }


def test_movements_are_told_across_heads():
    child = task(TASKS[0], 9, 30, 0.05)
    field = Field([sketch(a, name=f"{k}") for k, a in enumerate([BASE, *TASKS, child])], None)
    share, error = field.held_movement(4, 1, 0)
    assert share == pytest.approx(1.0, abs=0.1)
    assert 0.0 < error < 0.05
    assert field.held_movement(4, 2, 0)[0] == pytest.approx(0.0, abs=0.1)
    assert field.have_one_trunk(0, 4)
    assert not field.have_one_structure(0, 4)
    assert field.correlation(1, 4) > field.correlation(0, 4)


def test_of_models_with_the_same_layers_it_is_the_one_that_brought_no_other_head():
    """Of one only the head was trained: what others learned they have from the base, as its head is not theirs."""
    family = {"base": BASE, "head alone": with_head(BASE, 3, 50)} | {f"task {k}": one for k, one in enumerate(TASKS)}
    found = edges(family)
    assert set(found) == {frozenset(("base", name)) for name in family if name != "base"}


def test_two_heads_for_one_task_do_not_make_a_child_of_a_model_that_has_only_a_head_of_its_own():
    """They grow alike, since the layers beneath them are the same; a head that was trained further grows less apart."""
    head = with_head(BASE, 4, 50)
    own = head["classifier.weight"] + 0.9 * with_head(BASE, 4, 60)["classifier.weight"]
    family = {"base": BASE, "head alone": head, "tuned": tuned(BASE, 11, 0.03) | {"classifier.weight": own}}
    family |= {f"task {k}": one for k, one in enumerate(TASKS)}
    assert set(edges(family)) == {frozenset(("base", name)) for name in family if name != "base"}


def test_a_child_of_a_third_shape_hangs_on_the_model_whose_way_it_holds():
    """A light step leaves all correlations within a thousandth of one another; the way of its parent tells."""
    first = task(BASE, 5, 21, 0.02)
    narrow = {n: a[:-1] if n.endswith("layer.0.intermediate.dense.weight") else a for n, a in first.items()}
    family = {"base": BASE, "first": first, "second": task(BASE, 7, 22, 0.02), "of first": tuned(narrow, 23, 0.02)}
    assert set(edges(family)) == {
        frozenset(ends) for ends in (("base", "first"), ("base", "second"), ("first", "of first"))
    }


def test_layers_that_were_merged_without_heads_are_found():
    merge = {n: np.tensordot(WEIGHTS, [one[n] for one in TASKS], axes=1).astype(np.float32) for n in BASE}
    family = {"base": BASE, "head alone": with_head(BASE, 3, 50), "merge": merge}
    found = edges(family | {f"task {k}": one for k, one in enumerate(TASKS)})
    parents = {name: found[frozenset((name, "merge"))] for name in ("task 0", "task 1", "task 2")}
    assert {name: edge.relation for name, edge in parents.items()} == dict.fromkeys(parents, "merged")
    assert [edge.weight for edge in parents.values()] == pytest.approx(WEIGHTS, abs=0.01)
    assert frozenset(("base", "merge")) not in found


def test_a_model_with_the_layers_of_another_is_no_merge():
    merge = {n: np.tensordot(WEIGHTS, [one[n] for one in TASKS], axes=1).astype(np.float32) for n in BASE}
    family = {"base": BASE, "merge": merge, "with a head": with_head(merge, 5, 60)}
    found = edges(family | {f"task {k}": one for k, one in enumerate(TASKS)})
    assert {ends for ends in found if "with a head" in ends} == {frozenset(("merge", "with a head"))}


def test_the_children_of_a_root_are_younger_though_a_merge_far_from_the_query_is_among_them(monkeypatch):
    """What goes a child's way is looked at again: as a merge it says nothing of where the others come from."""
    tasks = {f"task {k}": task(BASE, 3 + k, 10 + k) for k in range(12)}
    steps = {n: [tasks[f"task {k}"][n] - BASE[n] for k in (0, 1)] for n in BASE}
    kept = {n: [np.where(np.abs(d) >= np.median(np.abs(d)), d, 0) for d in of] for n, of in steps.items()}
    merge = {n: (BASE[n] + 1.5 * kept[n][0] + 0.8 * kept[n][1]).astype(np.float32) for n in BASE}
    family = {"base": BASE, "merge": merge} | tasks
    query, *others = (sketch(family[name], name=name) for name in ("task 7", *(family.keys() - {"task 7"})))
    monkeypatch.setattr(search, "_NEAR", 1)
    found = standing(query, [[other] for other in others], {}).place
    assert [one.model_name for one in found.parents] == ["base"]
    monkeypatch.setattr(standing_module, "going_together", lambda of: set())
    assert not standing(query, [[other] for other in others], {}).place.parents
