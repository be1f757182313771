"""Layers dropped, doubled and shuffled are found again, all their tensors with them; unrelated ones are not."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from lineage.match import match
from lineage.match.block_similarity import Cells
from lineage.match.layers import best_path, carried, facing_layers
from lineage.types import CheckpointSketch
from tests.small_models import tuned
from tests.synthetic import Arrays, encoder, sketch

LAYER = re.compile(r"layer\.(\d+)\.")
BASE = encoder(seed=1, layers=6)
NEVER = 1e9  # a threshold that only equal content passes

ORDERS = {
    "dropped": [0, 1, 4, 5],
    "the first dropped": [1, 2, 3, 4, 5],
    "upscaled": [0, 1, 2, 3, 2, 3, 4, 5],
    "doubled": [0, 0, 1, 1, 2, 3, 4, 5],
    "all doubled": [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5],
    "swapped": [0, 3, 2, 1, 4, 5],
    "the last one thrice": [0, 1, 2, 3, 4, 5, 5, 5],
}


def restacked(arrays: Arrays, order: list[int], start: int = 0) -> Arrays:
    """The layers of a model in another order; `start` is the number of the first layer in the names."""
    made = {n: a for n, a in arrays.items() if not LAYER.search(n)}
    for new, old in enumerate(order):
        made |= {
            LAYER.sub(f"layer.{start + new}.", n): a
            for n, a in arrays.items()
            if (found := LAYER.search(n)) and int(found[1]) == old
        }
    return made


def layer_pairs(a: CheckpointSketch, b: CheckpointSketch) -> set[tuple[int | None, int | None]]:
    """Layers of the two sides of every pair of tensors."""
    return {t.layers for t in match(a, b).tensors}


@pytest.mark.parametrize("by", [0.0, 0.05, 1.0])
@pytest.mark.parametrize("name", ORDERS)
def test_every_tensor_of_a_moved_layer_is_paired_with_its_own(name, by):
    order = ORDERS[name]
    child = sketch(tuned(restacked(BASE, order), seed=7, by=by))
    found = match(child, sketch(BASE))
    assert {t.layers for t in found.tensors} == {(None, None), *enumerate(order)}
    assert len(found.tensors) == len(child.tensors)
    assert found.overall.r == pytest.approx(1 / np.sqrt(1 + by * by), abs=0.02)
    assert all(t.a.rsplit(".", 3)[1:] == t.b.rsplit(".", 3)[1:] for t in found.tensors)


@pytest.mark.parametrize("name", ORDERS)
def test_the_map_reads_the_other_way_too(name):
    order = ORDERS[name]
    found = layer_pairs(sketch(BASE), sketch(tuned(restacked(BASE, order), seed=7, by=0.05)))
    held = {a: b for a, b in found if a is not None and b is not None}
    assert set(held) == set(order)
    assert all(order[b] == a for a, b in held.items())


def test_copies_that_were_trained_apart_are_told_apart_by_r():
    parent = tuned(restacked(BASE, ORDERS["upscaled"]), seed=3, by=0.1)
    child = tuned(restacked(parent, [0, 1, 4, 5, 6, 7]), seed=4, by=0.02)
    assert layer_pairs(sketch(child), sketch(parent)) == {(None, None), (0, 0), (1, 1), (2, 4), (3, 5), (4, 6), (5, 7)}


def test_an_equal_layer_goes_before_one_that_was_trained_a_little():
    copied = restacked(BASE, [0, 1, 2, 3, 4, 5, 2])
    touched = tuned(copied, seed=5, by=0.01)
    parent = {n: (touched if ".layer.2." in n else copied)[n] for n in copied}
    assert (2, 6) in layer_pairs(sketch(BASE), sketch(parent))


def test_copies_that_nothing_tells_apart_are_taken_in_order():
    parent = sketch(restacked(BASE, ORDERS["upscaled"]))
    assert layer_pairs(sketch(BASE), parent) == {(None, None), *((i, i) for i in range(4)), (4, 6), (5, 7)}
    assert layer_pairs(parent, parent) == {(None, None), *((i, i) for i in range(8))}


def test_new_layers_are_left_alone_or_keep_a_free_number():
    fresh = encoder(seed=99, layers=8)
    added = {n: a for n, a in fresh.items() if re.search(r"layer\.[23]\.", n)}
    inserted = restacked(BASE, [0, 1, 0, 0, 2, 3, 4, 5]) | added
    found = match(sketch(inserted), sketch(BASE))
    assert {t.layers for t in found.tensors} == {(None, None), (0, 0), (1, 1), (4, 2), (5, 3), (6, 4), (7, 5)}
    assert found.overall.r == pytest.approx(1.0)
    replaced = BASE | added
    found = match(sketch(replaced), sketch(BASE))
    assert {t.layers for t in found.tensors} == {(None, None), *((i, i) for i in range(6))}
    assert {t.layers for t in found.tensors if t.used and abs(t.r) < 0.5} == {(2, 2), (3, 3)}


def test_a_layer_whose_number_another_has_taken_is_left_alone():
    found = match(sketch(BASE), sketch(tuned(restacked(BASE, [0, 2, 3, 4, 5]), seed=6, by=0.05)))
    assert {t.layers for t in found.tensors} == {(None, None), (0, 0), (2, 1), (3, 2), (4, 3), (5, 4)}
    assert found.overall.r > 0.99
    assert found.overall.coverage < 0.9


def test_names_and_numbers_of_the_layers_do_not_matter():
    kept = restacked(BASE, [0, 1, 4, 5])
    renamed = {n.replace("bert.encoder.layer.", "model.encoder.layers."): a for n, a in kept.items()}
    found = match(sketch(renamed), sketch(BASE))
    assert {t.layers for t in found.tensors} == {(None, None), (0, 0), (1, 1), (2, 4), (3, 5)}
    assert found.overall.r == pytest.approx(1.0)


def test_matrices_stored_the_other_way_round_move_with_their_layer():
    turned = {n: a.T.copy() if a.ndim == 2 and ".layer." in n else a for n, a in restacked(BASE, [0, 1, 4, 5]).items()}
    found = match(sketch(turned), sketch(BASE))
    matrices = [t for t in found.tensors if t.used and t.layers[0] is not None]
    assert {t.layers for t in matrices} == {(0, 0), (1, 1), (2, 4), (3, 5)}
    assert all(t.transposed for t in matrices)
    assert all(t.r == pytest.approx(1.0) for t in matrices)


@pytest.mark.parametrize("seed", range(4))
def test_unrelated_models_keep_the_map_by_number(seed):
    other = restacked(encoder(seed=50 + seed, layers=6), ORDERS["upscaled"])
    found = match(sketch(other), sketch(BASE))
    assert {t.how for t in found.tensors} == {"structure"}
    assert {(i, i) for i in range(6)} <= {t.layers for t in found.tensors}


@pytest.mark.parametrize("seed", range(4))
def test_a_permuted_copy_keeps_the_map_by_number(seed):
    """A network whose hidden units were relabelled is, to an aligned comparison, an unrelated one."""
    random = np.random.default_rng(seed)
    order, turned = random.permutation(64), {}
    for name, array in restacked(BASE, ORDERS["upscaled"]).items():
        rows = array[random.permutation(len(array))] if ".layer." in name else array
        turned[name] = rows[:, order] if rows.ndim == 2 and rows.shape[1] == 64 else rows
    a, b = sketch(turned, "sampled"), sketch(BASE, "sampled")
    kept = [replace(t, moments=None, minhash=None) for t in a.tensors]  # row codes would give the copy away
    assert {t.how for t in match(replace(a, tensors=tuple(kept)), b).tensors} == {"structure"}


def test_only_related_layers_move():
    parent, child = sketch(BASE), sketch(tuned(restacked(BASE, [1, 0, 2, 3, 4, 5]), seed=2))
    assert sum(f.moved for f in facing_layers(child, parent, 7.0)) == 2
    assert not any(f.moved for f in facing_layers(child, parent, NEVER))


# -- the path ----------------------------------------------------------------------------------


def path(score: list[list[float]]) -> dict[int, int]:
    """The best path where every score above 0 is of a related pair."""
    table = np.array(score)
    return best_path(Cells(table, table > 0))


def test_the_path_takes_the_most_alike_and_in_a_tie_the_next():
    assert path([[1, 0, 0], [0, 1, 1], [0, 1, 1]]) == {0: 0, 1: 1, 2: 2}
    assert path([[1, 1, 0], [0, 0.9, 0.95]]) == {0: 0, 1: 2}
    assert path([[0, 0, 1], [1, 0, 0]]) == {0: 2, 1: 0}
    assert path([[0, 0], [0, 1]]) == {1: 1}
    assert path([[0, 0], [0, 0]]) == {}
    assert path([[1, 1, 1]] * 3) == {0: 0, 1: 1, 2: 2}


def test_places_between_known_ones_are_carried_along():
    assert carried({0: 0, 3: 5, 5: 7}, 6, 8) == {0: 0, 3: 5, 4: 6, 5: 7}
    assert carried({2: 2}, 4, 4) == {0: 0, 1: 1, 2: 2, 3: 3}
    assert carried({2: 4}, 4, 6) == {2: 4, 3: 5}
    assert carried({}, 4, 4) == {}
