"""Which arcs of a tree are directed, whatever root the tree was drawn from."""

from __future__ import annotations

from collections.abc import Mapping

import ml_dtypes
import numpy as np
import pytest
from operators import int8_rows, layers_dropped, magnitude_pruned, matrices, noise, pruned_2_4

from lineage.ancestry.geometry import cohorts
from lineage.ancestry.merge.mixture import Mixture
from lineage.ancestry.trees import edges
from lineage.ancestry.trees.arcs import Arc
from lineage.ancestry.trees.common_parts import held_in_common
from lineage.ancestry.trees.edges import measured_edges
from lineage.ancestry.trees.pruned_apart import pruned_apart
from lineage.ancestry.trees.search import Search
from lineage.ancestry.trees.unobserved import Unobserved
from tests.synthetic import HIDDEN, Arrays, encoder, sketch

BASE = encoder(1)


def trained(arrays: Arrays, seed: int, strength: float = 0.03) -> Arrays:
    return matrices(noise(strength, seed=seed))(arrays)


def said(family: Mapping[str, Arrays]) -> dict[frozenset[str], str | None]:
    """For every edge its ends with the child, None where the direction is open."""
    found = measured_edges(Search([sketch(arrays, name=name) for name, arrays in family.items()]))
    ids = {sketch(arrays, name=name).id: name for name, arrays in family.items()}
    return {frozenset((ids[e.parent], ids[e.child])): ids[e.child] if e.directed else None for e in found}


@pytest.mark.parametrize("seed", range(3))
def test_a_star_without_its_beginning_is_open_while_it_is_small(seed):
    family = {"base": BASE} | {f"child {i}": trained(BASE, 10 + i) for i in range(4)}
    names = list(family)
    np.random.default_rng(seed).shuffle(names)
    found = said({name: family[name] for name in names})
    assert found == {frozenset(("base", f"child {i}")): None for i in range(4)}


def test_a_model_with_many_neighbours_is_the_parent_of_all_but_one_of_them_at_least():
    family = {f"child {i}": trained(BASE, 10 + i) for i in range(10)} | {"base": BASE}
    assert said(family) == {frozenset(("base", f"child {i}")): f"child {i}" for i in range(10)}


def test_the_nearest_of_many_siblings_is_not_taken_for_their_parent():
    family = {f"child {i}": trained(BASE, 10 + i) for i in range(12)} | {"light child": trained(BASE, 30, 0.02)}
    found = said(family)
    assert len([ends for ends in found if "light child" in ends]) >= 10
    assert set(found.values()) == {None}


def test_what_hangs_on_a_computed_copy_is_younger():
    pruned = matrices(magnitude_pruned)(BASE)
    quantised = matrices(int8_rows)(BASE)
    family = {"base": BASE, "pruned": pruned, "healed": trained(pruned, 20), "int8": quantised}
    family |= {"tuned int8": trained(quantised, 21, 0.05)}
    assert said(family) == {
        frozenset(("base", "pruned")): "pruned",
        frozenset(("pruned", "healed")): "healed",
        frozenset(("base", "int8")): "int8",
        frozenset(("int8", "tuned int8")): "tuned int8",
    }


def test_an_adapter_merged_into_a_model_and_into_its_rounded_copy_makes_no_merge():
    """One is the sum of the other, the model and the copy, exactly so; it holds the copy's error, which tells it."""
    quantised = matrices(int8_rows)(BASE)
    delta = {name: array - BASE[name] for name, array in trained(BASE, 22, 0.05).items()}
    family = {"base": BASE, "int8": quantised}
    family |= {"on base": {n: a + delta[n] for n, a in BASE.items()}}
    family |= {"on int8": {n: a + delta[n] for n, a in quantised.items()}}
    found = said(family)
    assert found[frozenset(("int8", "on int8"))] == "on int8"
    assert found.keys() == {frozenset(p) for p in (("base", "int8"), ("base", "on base"), ("int8", "on int8"))}


@pytest.mark.parametrize(
    ("method", "task_base", "alternatives", "base"),
    [
        ("TIES", None, (), 2),
        ("DARE", None, ((2, 7),), None),
        ("task arithmetic", 1, (), 1),
        ("task arithmetic", 1, ((1, 7),), None),
        ("task arithmetic", None, (), None),
        ("linear", None, (), None),
    ],
)
def test_a_merge_of_differences_tells_its_base(method, task_base, alternatives, base):
    one = Mixture((0, 1, 2), (0.7, -0.3, 0.6), {}, 0.0, method, alternatives=alternatives, task_base=task_base)
    assert one.base == base


def gone_on(arrays: Arrays, way: Arrays, share: float, seed: int) -> Arrays:
    """More training, partly on a way that another model went."""
    return trained({n: (a + share * way[n]).astype(np.float32) for n, a in arrays.items()}, seed, 0.02)


def test_what_moved_against_one_neighbour_is_not_its_sibling():
    """A gentle child lies nearer to its siblings than the base, being trained on like data; they go on further."""
    gentle = trained(BASE, 40, 0.01)
    way = {n: gentle[n] - a for n, a in BASE.items()}
    others = [gone_on(BASE, way, 2.0, 50 + k) for k in range(4)]
    field = Search([sketch(a, name=f"{i}") for i, a in enumerate([BASE, gentle, *others])]).field
    opposed = field.opposed(1, [0, 2, 3, 4, 5])
    assert opposed[0, 1:].all()
    assert not opposed[1:, 1:].any()
    assert (opposed == opposed.T).all()
    assert not field.opposed(0, [1, 2, 3, 4, 5]).any()


def test_a_heavy_sibling_that_goes_a_little_back_on_a_gentle_ones_way_is_no_opposite():
    """A tenth of a short way is next to nothing of a long one: chance, as curved directions are few."""
    gentle = trained(BASE, 40, 0.01)
    way = {n: gentle[n] - a for n, a in BASE.items()}
    heavy = {n: (a - 0.3 * way[n]).astype(np.float32) for n, a in trained(BASE, 41, 0.05).items()}
    field = Search([sketch(a, name=f"{i}") for i, a in enumerate([BASE, gentle, heavy])]).field
    share, error = field.held_movement(2, 1, 0)
    assert share < -0.1
    assert share < -4.0 * error
    assert not field.opposed(0, [1, 2]).any()


def test_what_went_on_from_the_child_of_a_large_hub_is_younger_in_another_structure_only():
    """In the same, the child may be an average of it and of an unknown model."""
    family = {f"child {i}": trained(BASE, 10 + i) for i in range(30)} | {"base": BASE}
    family |= {"grandchild": trained(family["child 3"], 70)}
    family |= {"cut": layers_dropped(family["child 3"], {3}, r"layer\.(\d+)\.")}
    found = said(family)
    assert found[frozenset(("base", "child 3"))] == "child 3"
    assert found[frozenset(("child 3", "grandchild"))] is None
    assert found[frozenset(("child 3", "cut"))] == "cut"


@pytest.mark.parametrize("seed", range(3))
def test_an_average_on_the_way_of_a_run_is_not_told_to_be_the_parent_of_its_end(seed):
    family = {f"child {i}": trained(BASE, 10 + i) for i in range(10)} | {"base": BASE}
    end = family["child 3"]
    lagging = {n: (a + 0.75 * (end[n] - a)).astype(np.float32) for n, a in BASE.items()}
    family["average"] = matrices(noise(0.01, seed=seed))(lagging)
    found = said(family)
    assert found.get(frozenset(("average", "child 3"))) is None
    assert len([child for child in found.values() if child is not None]) >= 9


def test_a_gentle_child_is_not_called_the_parent_of_its_base():
    gentle = trained(BASE, 40, 0.01)
    way = {n: gentle[n] - a for n, a in BASE.items()}
    family = {"base": BASE, "gentle": gentle} | {f"child {k}": gone_on(BASE, way, 2.0, 50 + k) for k in range(10)}
    found = said(family)
    assert all(child != "base" for child in found.values())
    assert all(child is None or "base" in ends for ends, child in found.items())


def test_the_base_of_a_merge_comes_before_what_was_merged_however_many_hang_elsewhere():
    """The parts lie nearer to a gentle child that was trained on like data, and so do children of that."""
    gentle = trained(BASE, 40, 0.02)
    way = {n: gentle[n] - a for n, a in BASE.items()}
    parts = [gone_on(BASE, way, 0.58, 50 + k) for k in range(2)]
    weights = np.array([0.9, 0.8, -0.7])
    merge = {
        n: np.tensordot(weights, [parts[0][n], parts[1][n], a], axes=1).astype(np.float32) for n, a in BASE.items()
    }
    family = {"base": BASE, "gentle": gentle, "part 0": parts[0], "part 1": parts[1], "merge": merge}
    family |= {f"grandchild {k}": trained(gentle, 60 + k, 0.02) for k in range(3)}
    found = said(family)
    assert found[frozenset(("part 0", "merge"))] == "merge"
    assert found[frozenset(("base", "part 0"))] == "part 0"
    assert found[frozenset(("base", "part 1"))] == "part 1"
    assert "base" not in found.values()


def test_of_two_merges_that_lie_nearly_as_near_none_is_told_to_be_the_parent():
    first, second = trained(BASE, 80, 0.1), trained(BASE, 81, 0.12)
    merges = {f"{share}": {n: (share * first[n] + (1 - share) * a).astype(np.float32) for n, a in second.items()}
              for share in (0.5, 0.47)}  # fmt: skip
    family = {"base": BASE, "first": first, "second": second, "one": merges["0.5"]}
    family["tuned"] = trained(merges["0.5"], 82, 0.02)
    assert said(family)[frozenset(("one", "tuned"))] == "tuned"
    assert said(family | {"other": merges["0.47"]}).get(frozenset(("one", "tuned"))) is None


def test_a_copy_with_noise_is_not_told_to_be_the_parent_of_what_came_from_its_unknown_original():
    """Of another copy, with rows of its table cut off, the others hold the whole way."""
    table = "bert.embeddings.word_embeddings.weight"
    family = {f"child {i}": trained(BASE, 10 + i) for i in range(30)} | {"base": BASE}
    original = trained(BASE, 90)
    family["noisy"] = trained(original, 91, 0.002)
    family["cut"] = original | {table: original[table][:-16]}
    family |= {f"tuned {k}": trained(original, 92 + k, 0.01) for k in range(2)}
    found = said(family)
    assert all("noisy" not in ends or child in (None, "noisy") for ends, child in found.items())
    assert found[frozenset(("base", "noisy"))] == "noisy"


def test_a_copy_of_few_bits_is_not_told_to_be_the_parent_of_what_came_from_its_unknown_original():
    family = {f"child {i}": trained(BASE, 10 + i) for i in range(30)} | {"base": BASE}
    original = trained(BASE, 90)
    family["int8"] = matrices(int8_rows)(original)
    family |= {f"tuned {k}": trained(original, 92 + k, 0.05) for k in range(2)}
    found = said(family)
    assert all("int8" not in ends or child in (None, "int8") for ends, child in found.items())
    assert found[frozenset(("base", "int8"))] == "int8"


def test_a_model_of_which_two_have_a_common_way_is_no_hub():
    """They parted later, at a model that may be the older one; chance gives two of many children no common way."""
    children = [trained(BASE, 10 + i) for i in range(11)]
    way = {n: children[0][n] - a for n, a in BASE.items()}
    further = gone_on(BASE, way, 1.0, 70)
    field = Search([sketch(a, name=f"{k}") for k, a in enumerate([BASE, *children, further])]).field
    assert edges._is_hub(0, range(1, 12), field)
    assert not edges._is_hub(0, range(1, 13), field)


def with_head(arrays: Arrays, classes: int, seed: int) -> Arrays:
    head = 0.05 * np.random.default_rng(seed).standard_normal((classes, HIDDEN))
    return arrays | {"classifier.weight": head.astype(np.float32)}


def test_a_model_whose_head_nobody_kept_is_not_told_to_be_the_parent_of_many():
    """Only its head was trained: it has the layers of the parent of all, which is in no index."""
    siblings = {f"task {k}": with_head(trained(BASE, 10 + k), 2 + k, 50 + k) for k in range(11)}
    probe = with_head(BASE, 40, 90)
    found = said({"probe": probe} | siblings)
    assert len([ends for ends in found if "probe" in ends]) == 11
    assert set(found.values()) == {None}
    # A copy has its head without any training; a model trained further has it because it comes from there.
    copied = said({"probe": probe, "copy": matrices(int8_rows)(probe)} | siblings)
    assert {child for child in copied.values() if child is not None} == {"copy"}
    assert said({"probe": probe, "on": trained(probe, 30)} | siblings)[frozenset(("probe", "task 0"))] == "task 0"


def test_a_merge_of_the_same_models_and_an_unknown_one_was_not_tuned_from_the_merge_of_the_known():
    first, second, unknown = (trained(BASE, 80 + k, 0.1) for k in range(3))

    def mean(models: list[Arrays]) -> Arrays:
        return {n: np.mean([one[n] for one in models], axis=0, dtype=np.float32) for n in BASE}

    family = {"base": BASE, "first": first, "second": second, "two": mean([first, second])}
    family["tuned"] = trained(family["two"], 85, 0.02)
    assert said(family)[frozenset(("two", "tuned"))] == "tuned"
    found = said(family | {"three": mean([first, second, unknown])})
    assert found.get(frozenset(("two", "three"))) is None


def test_a_gentle_child_with_many_neighbours_is_not_told_to_be_the_parent_of_its_parent():
    """Both have children of their own: which of the two is the older does not follow from ten neighbours of one."""
    gentle = trained(BASE, 40, 0.004)
    family = {"base": BASE, "gentle": gentle} | {f"of base {k}": trained(BASE, 50 + k) for k in range(5)}
    family |= {f"of gentle {k}": trained(gentle, 60 + k) for k in range(12)}
    found = said(family)
    assert found[frozenset(("base", "gentle"))] is None
    assert all(child is None for ends, child in found.items() if any(name.startswith("of base") for name in ends))


def test_an_unobserved_parent_may_hang_on_a_hub():
    """With it nothing can be compared."""
    unknown = trained(BASE, 40, 0.1)
    family = [BASE, *(trained(BASE, 50 + k, 0.1) for k in range(12)), *(trained(unknown, 70 + k) for k in range(2))]
    search = Search([sketch(arrays, name=f"{k}") for k, arrays in enumerate(family)])
    missing = search.field.add_missing(Unobserved(0, (13, 14), 0.9))
    tree = {c: Arc(missing if c in (13, 14) else 0, c, 0.0) for c in (*range(1, 15), missing)}
    for child in range(1, 15):
        search.field.pairs.compared(child, 0)
    told = edges.directed(tree, search, {(arc.parent, c): 1.0 for c, arc in tree.items()})
    assert told.keys() == tree.keys()


def test_what_holds_finer_values_is_no_child_of_a_rounded_copy_in_another_structure():
    tuned = trained(BASE, 40, 0.1)
    family = {"base": BASE, "narrow": bfloat16(tuned), "cut": layers_dropped(tuned, {3}, r"layer\.(\d+)\.")}
    found = said(family | {f"of base {k}": trained(BASE, 50 + k) for k in range(12)})
    assert found[frozenset(("base", "narrow"))] == "narrow"
    assert found.get(frozenset(("narrow", "cut"))) is None


def bfloat16(arrays: Arrays) -> Arrays:
    return {name: array.astype(ml_dtypes.bfloat16).astype(np.float32) for name, array in arrays.items()}


def test_what_holds_a_part_only_of_a_younger_models_way_is_not_younger():
    """Such as a merge that was not found: it lies between its parents, and the other of these beyond it."""
    base = bfloat16(BASE)
    first, second, third = (bfloat16(trained(base, 70 + k)) for k in range(3))
    shares = {name: 0.3 + 0.4 * k / len(base) for k, name in enumerate(base)}
    stock = bfloat16({n: (1 - s) * base[n] + s / 2 * (first[n] + second[n]) for n, s in shares.items()})
    between = trained({n: 0.55 * first[n] + 0.45 * third[n] for n in base}, 80, 0.01)
    after, cut = bfloat16(trained(first, 81)), layers_dropped(first, {3}, r"layer\.(\d+)\.")
    family = [base, first, second, third, stock, between, after, cut]
    search = Search([sketch(one, name=f"{k}") for k, one in enumerate(family)])
    tree = {c: Arc(p, c, 0.0) for c, p in ((1, 0), (2, 0), (5, 1), (3, 5), (6, 1), (7, 1))}
    told = edges.directed(tree, search, {(arc.parent, c): 1.0 for c, arc in tree.items()})
    assert told.keys() == {1, 2, 7}


def test_what_lies_beyond_an_average_of_it_and_of_an_unknown_model_is_not_told_to_come_from_that():
    """It holds all of the average's way from the base, and parts from it at a right angle, as a child does."""
    tuned = trained(BASE, 90, 0.1)
    average = {n: 0.5 * a + 0.5 * trained(BASE, 91, 0.1)[n] for n, a in tuned.items()}
    family = {"base": BASE, "average": average, "tuned": tuned}
    found = said(family | {f"of base {k}": trained(BASE, 50 + k) for k in range(12)})
    assert found[frozenset(("base", "average"))] == "average"
    assert found.get(frozenset(("average", "tuned"))) is None


def test_a_pruned_relative_is_not_told_to_come_from_a_model_that_was_pruned_less():
    """The smallest weights of both are the same, so that it holds all of what pruning did."""
    pruned = matrices(magnitude_pruned)(BASE)
    sibling = {n: np.where(np.abs(a) < 0.8 * a.std(), 0, a) if a.ndim > 1 else a for n, a in trained(BASE, 82).items()}
    healed = {n: np.where(pruned[n] == 0, 0, a) for n, a in trained(pruned, 83).items()}
    search = Search([sketch(one, name=f"{k}") for k, one in enumerate([BASE, pruned, sibling, healed])])
    tree = {c: Arc(p, c, 0.0) for c, p in ((1, 0), (2, 1), (3, 1))}
    search.field.pairs.compared(1, 0)
    assert edges.directed(tree, search, {(arc.parent, c): 1.0 for c, arc in tree.items()}).keys() == {1, 3}


def test_two_that_were_pruned_in_other_places_are_no_parents_of_each_other():
    first, second = matrices(magnitude_pruned)(BASE), matrices(pruned_2_4)(BASE)
    healed = {n: np.where(second[n] == 0, 0, a) for n, a in trained(second, 84).items()}
    again = {n: np.where(first[n] == 0, 0, a) for n, a in trained(first, 85).items()}
    (cohort,) = cohorts([sketch(one) for one in (BASE, first, healed, again)])
    apart = set(pruned_apart(cohort))
    assert {(1, 2), (2, 1)} <= apart
    assert not {(1, 3), (3, 1)} & apart
    assert not any(0 in ends for ends in apart)


@pytest.mark.parametrize("of_gentle", [False, True])
def test_a_child_of_another_structure_hangs_on_a_hub_if_it_holds_no_other_childs_way(of_gentle):
    gentle = trained(BASE, 40, 0.01)
    dropped = layers_dropped(trained(gentle if of_gentle else BASE, 41), {3}, r"layer\.(\d+)\.")
    family = [BASE, gentle, *(trained(BASE, 50 + k) for k in range(3)), dropped]
    field = Search([sketch(one, name=f"{k}") for k, one in enumerate(family)]).field
    assert edges._hangs_on_hub(5, 0, [1, 2, 3, 4, 5], field) is not of_gentle
    # From the gentle child, the base lies on the other side.
    assert not edges._hangs_on_hub(5, 1, [0, 2, 3, 4, 5], field) or of_gentle


def test_movements_are_measured_in_what_corresponds_only():
    moved = trained(BASE, 42)
    half = {n: a + 0.5 * (moved[n] - a) for n, a in BASE.items()}
    cut = layers_dropped(half, {0}, r"layer\.(\d+)\.")  # all that is left has another number
    one, other, origin = sketch(half), sketch(moved), sketch(BASE)
    assert held_in_common(one, other, origin)[0] == pytest.approx(0.5, abs=0.01)
    held = held_in_common(sketch(cut), other, origin)
    assert held is None or held[0] == pytest.approx(0.5, abs=0.05)
