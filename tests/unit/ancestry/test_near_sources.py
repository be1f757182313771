"""What has most of a source's weights to the bit, or lies on a line with it, is not taken for the source."""

from __future__ import annotations

from collections.abc import Mapping

import ml_dtypes
import numpy as np
import pytest
from operators import int8_rows, layers_dropped, magnitude_pruned, matrices, noise

from lineage.ancestry import compare
from lineage.ancestry.geometry import cohorts
from lineage.ancestry.merge.by_vectors import has_its_tables, has_its_vectors, is_narrowed, told_by_vectors
from lineage.ancestry.merge.mixture import Mixture
from lineage.ancestry.merge.mixtures import find_mixtures
from lineage.ancestry.trees import edges
from lineage.ancestry.trees.arcs import Arc
from lineage.ancestry.trees.component_sources import other_sources
from lineage.ancestry.trees.family import Family
from lineage.ancestry.trees.roundings import roundings
from lineage.ancestry.trees.search import Search
from lineage.types import Direction
from tests.synthetic import HIDDEN, Arrays, encoder, sketch

BASE = encoder(1)
HEAD = "classifier.weight"
TABLE = "bert.embeddings.position_embeddings.weight"


def trained(arrays: Arrays, seed: int, strength: float = 0.05) -> Arrays:
    return matrices(noise(strength, seed=seed))(arrays)


def with_head(arrays: Arrays, seed: int) -> Arrays:
    head = 0.05 * np.random.default_rng(seed).standard_normal((160, HIDDEN))
    return arrays | {HEAD: head.astype(np.float32)}


def vectors_trained(arrays: Arrays, seed: int, by: float) -> Arrays:
    """Norms and biases alone, as in training of few parameters: each value by about so much of the largest."""
    random = np.random.default_rng(seed)
    moved = {n: a + by * np.abs(a).max() * random.standard_normal(a.shape) for n, a in arrays.items() if a.ndim == 1}
    return arrays | {n: a.astype(np.float32) for n, a in moved.items()}


def narrow(arrays: Arrays, dtype: type[np.generic]) -> Arrays:
    return {n: a.astype(dtype).astype(np.float32) for n, a in arrays.items()}


def searched(family: Mapping[str, Arrays]) -> Search:
    return Search([sketch(arrays, name=name) for name, arrays in family.items()])


SIBLINGS = {
    "norms alone": vectors_trained(BASE, 2, 0.02),
    "positions alone": BASE | {TABLE: trained(BASE, 3, 0.1)[TABLE]},
}


@pytest.mark.parametrize("sibling", SIBLINGS)
@pytest.mark.parametrize("made", [int8_rows, magnitude_pruned])
def test_a_copy_is_computed_from_its_source_and_not_from_one_of_which_little_was_tuned(sibling, made):
    kept = {TABLE: BASE[TABLE]} if sibling.startswith("positions") else {}
    copy = sketch(matrices(made)(BASE) | kept)
    assert compare(copy, sketch(BASE)).direction == Direction.CHILD
    assert compare(copy, sketch(SIBLINGS[sibling])).direction == Direction.UNDIRECTED


@pytest.mark.parametrize("sibling", SIBLINGS)
def test_nor_does_a_graph_call_it_the_rounding_of_one_of_which_little_was_tuned(sibling):
    kept = {TABLE: BASE[TABLE]} if sibling.startswith("positions") else {}
    copy = sketch(matrices(int8_rows)(BASE) | kept, name="copy")
    for source, expected in ((BASE, {0: 1}), (SIBLINGS[sibling], {})):
        models = [copy, sketch(source, name="source")]
        (cohort,) = cohorts(models)
        assert roundings(cohort, models) == expected


def test_a_copy_whose_vectors_were_rounded_too_is_computed_from_its_source():
    """To eight bits with one scale each: no value is moved by more than half a step."""
    steps = {n: np.abs(a).max() / 127 for n, a in BASE.items() if a.ndim == 1}
    rounded = {n: (np.round(BASE[n] / step) * step).astype(np.float32) for n, step in steps.items()}
    assert compare(sketch(matrices(int8_rows)(BASE) | rounded), sketch(BASE)).direction == Direction.CHILD


def test_a_smaller_model_with_another_head_may_be_a_sibling():
    own, other = with_head(BASE, 10), with_head(BASE, 11)
    shallow = sketch(layers_dropped(own, {3}, r"layer\.(\d+)\."))
    assert compare(shallow, sketch(own)).direction == Direction.CHILD
    assert compare(shallow, sketch(other)).direction == Direction.UNDIRECTED


def test_a_model_was_not_put_together_of_one_with_another_head_and_of_whoever_has_its_own():
    """The one whose head nobody has was given it: it need not be the parent of the other."""
    own = with_head(BASE, 10)
    family = {"own": own, "exchanged": with_head(BASE, 11), "kin": encoder(4) | {HEAD: own[HEAD]}}
    assert other_sources(searched(family), {0: Arc(1, 0, 0.1)}) == {}


def two_towers(first: int, second: int) -> Arrays:
    """A model of two encoders."""
    towers = {"text_model": encoder(first), "vision_model": encoder(second)}
    return {f"{tower}.{n.removeprefix('bert.')}": a for tower, own in towers.items() for n, a in own.items()}


def test_what_shares_a_tower_with_a_model_put_together_is_not_moved_to_that_ones_parent():
    """A model of one tower of each of two: what has the other tower is no sibling of the first one's children."""
    base, stranger = two_towers(1, 2), two_towers(3, 4)
    of_both = {n: base[n] if n.startswith("vision") else a for n, a in stranger.items()}
    family = {"base": base, "child": trained(base, 20, 0.1), "of both": of_both, "stranger": stranger}
    search = searched(family)
    (models, foreign), *_ = [group for group in search._split() if {0, 2, 3} <= {*group[0]}]
    made = Family(search.field, models, {}, foreign, ())
    assert not made._are_siblings(3, 0, 1)
    assert all(edge.relation.inherits for edge in edges.measured_edges(search))


def test_towers_of_its_own_are_no_common_way_from_a_hub():
    base = two_towers(1, 2)
    fresh = [{n: a if n.startswith("vision") else two_towers(k, 2)[n] for n, a in base.items()} for k in (30, 31)]
    family = {"base": base} | {
        f"{k}": one for k, one in enumerate([*(trained(base, 40 + k) for k in range(10)), *fresh])
    }
    assert edges._is_hub(0, range(1, 13), searched(family).field)


def test_in_single_precision_a_base_is_no_merge_of_its_child_and_of_what_was_extrapolated_beyond_it():
    """Negated task vectors, and ExPO: each product is rounded, which hides which of the three was rounded last."""
    child = narrow(trained(BASE, 50, 0.2), ml_dtypes.bfloat16)
    beyond = {n: np.float32(1.4) * a + np.float32(-0.4) * child[n] for n, a in BASE.items()}
    (cohort,) = cohorts([sketch(one, name=f"{k}") for k, one in enumerate([BASE, child, beyond])])
    ((model, made),) = find_mixtures(cohort).items()
    assert (model, {*made.parents}, made.method) == (2, {0, 1}, "task arithmetic")


def test_a_narrow_copy_of_an_unknown_model_is_no_merge_of_what_was_computed_from_that():
    child = narrow(trained(BASE, 50, 0.2), ml_dtypes.bfloat16)
    beyond = {n: np.float32(1.4) * a + np.float32(-0.4) * child[n] for n, a in BASE.items()}
    family = [narrow(BASE, np.float16), child, beyond]
    (cohort,) = cohorts([sketch(one, name=f"{k}") for k, one in enumerate(family)])
    assert 0 not in find_mixtures(cohort)


def test_a_head_between_those_of_other_models_is_of_an_unknown_parent():
    first, second = with_head(trained(BASE, 60), 70), with_head(trained(BASE, 61), 70)
    second[HEAD] = trained(second, 62)[HEAD]
    other = first | {HEAD: trained(first, 63, 0.2)[HEAD]}
    mean = {n: 0.5 * a + 0.5 * second[n] for n, a in first.items()}
    mixture = Mixture((1, 2), (0.5, 0.5), {}, 0.0, "linear")
    for parent, may_be in ((first, True), (other, False)):
        assert has_its_tables(0, mixture, [sketch(one) for one in (mean, parent, second)]) is may_be


def test_trimmed_differences_are_those_of_the_parent_whose_biases_they_hold():
    """A model of which only biases were trained has the same matrices as its base."""
    first, second = (vectors_trained(trained(BASE, 80 + k), 84 + k, 0.05) for k in range(2))
    merge = {n: np.where(np.arange(a.size).reshape(a.shape) % 2, a, second[n]) for n, a in first.items()}
    biases = vectors_trained(first, 90, 0.3)
    held = [sketch(one) for one in (merge, biases, second, BASE, first)]
    mixture = Mixture((1, 2, 3), (0.5, 0.5, 0.0), {}, 0.0, "TIES", density=0.5)
    assert not has_its_vectors(0, mixture, held)
    told = told_by_vectors(0, mixture, [(1, 4)], held)
    assert told.parents == (4, 2, 3)
    assert has_its_vectors(0, told, held)


def test_a_child_without_the_matrices_in_which_another_moved_is_not_below_that():
    """An adapter of attention, and a child whose heads were removed."""
    adapted = BASE | {n: a for n, a in trained(BASE, 95).items() if ".query." in n or ".value." in n}
    heads = trained(BASE, 96, 0.01)
    for name, array in heads.items():
        if ".attention.self." in name:
            heads[name] = array[: HIDDEN // 2]
        elif ".attention.output.dense.weight" in name:
            heads[name] = array[:, : HIDDEN // 2]
    field = searched({"base": BASE, "adapted": adapted, "heads": heads}).field
    assert not edges._goes_on(2, 1, 0, field)


def test_a_model_under_other_names_is_trained_beside_an_average_of_it_too():
    tuned = trained(BASE, 97, 0.1)
    strange = {f"t{k}": a for k, a in enumerate(tuned.values())}
    average = {n: 0.5 * a + 0.5 * trained(BASE, 98, 0.1)[n] for n, a in tuned.items()}
    field = searched({"base": BASE, "average": average, "strange": strange}).field
    assert not field.have_one_trunk(2, 1)
    assert edges._is_trained_beside(2, 1, field)


def test_a_narrow_copy_of_a_base_is_not_what_the_merged_models_were_trained_from():
    """What trimming left of the base is in single precision, and the copy's only after rounding."""
    first, second = (trained(BASE, 100 + k) for k in range(2))
    places = {n: np.arange(a.size).reshape(a.shape) % 4 for n, a in BASE.items()}
    merge = {n: np.where(places[n] == 0, first[n], np.where(places[n] == 1, second[n], a)) for n, a in BASE.items()}
    assert not is_narrowed(sketch(merge), sketch(BASE))
    for dtype in (np.float16, ml_dtypes.bfloat16):
        copy = narrow(BASE, dtype)
        assert is_narrowed(sketch(merge), sketch(copy))
        assert not is_narrowed(sketch(narrow(merge, dtype)), sketch(copy))
