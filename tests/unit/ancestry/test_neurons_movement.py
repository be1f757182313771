"""What models in disguise hold of each other's movements: a child all that its parent learned, a sibling its share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from disguises import permuted, rescaled, rotated
from operators import int8_rows, magnitude_pruned, matrices, noise

from lineage.ancestry import compare
from lineage.ancestry.standing import standing
from lineage.ancestry.trees.masked import at_quantile, likeliest
from lineage.ancestry.trees.neurons_movement import Held, held_by_neurons
from tests.disguised_models import llama, sketched

BASE = llama(1)
PLAIN = sketched(BASE, "base")


def hidden(arrays, seed: int = 5):
    return permuted(rotated(rescaled(arrays, seed), seed), seed)


def taught(arrays, own: int, size: float = 0.03):
    """Trained on one kind of data: one movement of few directions that all have in common, and one of its own."""
    common, random = np.random.default_rng(100), np.random.default_rng(own)
    made = {}
    for name, array in sorted(arrays.items()):
        if array.ndim < 2:
            made[name] = array
            continue
        n, m = array.shape
        moved = common.standard_normal((n, 2)) @ common.standard_normal((2, m)) / np.sqrt(2.0)
        moved = 1.5 * moved + random.standard_normal((n, m))
        made[name] = (array + size * array.std() * moved).astype(np.float32)
    return made


SIBLING = taught(BASE, 1)
TUNED = sketched(SIBLING, "tuned")


@pytest.mark.parametrize("disguise", [permuted, rotated, hidden], ids=["permuted", "rotated", "all"])
@pytest.mark.parametrize(
    "change", [lambda a: a, matrices(int8_rows), matrices(magnitude_pruned)], ids=["plain", "int8", "half pruned"]
)
def test_neurons_tell_the_child_of_a_tuned_model_from_a_sibling_of_the_same_data(disguise, change):
    child, sibling = change(disguise(taught(SIBLING, 2), 5)), change(disguise(taught(BASE, 2), 5))
    held, shared = (held_by_neurons(sketched(one), TUNED, PLAIN) for one in (child, sibling))
    assert held is not None
    assert shared is not None
    assert abs(held.share - 1.0) < 0.25
    assert shared.share < 0.5
    assert held.odds > 0.5 > shared.odds


def test_a_copy_holds_all_of_a_movement_that_is_no_longer_than_a_step_of_the_codes():
    tuned = sketched(matrices(noise(0.004, seed=1))(BASE))
    held = held_by_neurons(sketched(rotated(BASE, 5)), PLAIN, tuned)
    assert held is not None
    assert abs(held.share - 1.0) < 0.1
    turned = held_by_neurons(sketched(rotated(BASE, 5)), tuned, PLAIN)
    assert turned is not None
    assert abs(turned.share) < 0.1


def test_the_same_codes_are_no_error():
    held = held_by_neurons(TUNED, TUNED, PLAIN)
    assert held is not None
    assert np.isfinite([held.share, held.error]).all()
    assert held.share == pytest.approx(1.0, abs=1e-3)


def test_without_neurons_in_common_or_a_movement_nothing_is_measured():
    assert held_by_neurons(TUNED, PLAIN, PLAIN) is None
    assert held_by_neurons(replace(TUNED, neurons=()), TUNED, PLAIN) is None
    assert held_by_neurons(sketched(llama(9)), TUNED, PLAIN) is None
    deeper = sketched(llama(1, layers=6))  # its layers 1 and 4 are not kept: no number stands for the same layer
    assert held_by_neurons(deeper, TUNED, PLAIN) is None


def placed(query, *others):
    return standing(query, [[one] for one in others], {one.id: (one, compare(query, one)) for one in others}).place


@pytest.mark.parametrize("change", [lambda a: a, matrices(int8_rows)], ids=["plain", "int8"])
def test_a_sibling_of_the_same_data_is_not_named_first(change):
    """It is nearer than the base, and nobody knows which of the two came first."""
    query = sketched(change(hidden(taught(BASE, 2))), "hidden")
    r = {one.name: compare(query, one).evidence.r or 0.0 for one in (PLAIN, TUNED)}
    assert r["tuned"] > r["base"]
    found = placed(query, PLAIN, TUNED)
    assert found.open[0].model_name == "base"
    assert (found.parents, found.descendants) == ((), ())


def test_the_child_of_a_tuned_model_is_placed_at_that():
    found = placed(sketched(hidden(taught(SIBLING, 2)), "hidden"), PLAIN, TUNED)
    assert found.open[0].model_name == "tuned"


def test_the_order_of_the_others_changes_nothing():
    others = [PLAIN, TUNED, *(sketched(taught(BASE, seed), f"tuned {seed}") for seed in (3, 4, 5))]
    query = sketched(hidden(taught(BASE, 2)), "hidden")
    first = [(one.model_name, one.probability) for one in placed(query, *others).open]
    assert first[0][0] == "base"
    assert [(one.model_name, one.probability) for one in placed(query, *others[::-1]).open] == first


def test_a_share_is_likely_held_within_its_limits_and_less_so_with_errors():
    assert Held(1.0, 0.01, is_whole=False).odds > 0.9
    assert Held(0.6, 0.01, is_whole=False).odds < 0.01
    assert Held(0.6, 0.3, is_whole=False).odds > 0.1
    assert Held(1.4, 0.01, is_whole=False).odds > 0.9 > 0.1 > Held(1.4, 0.01, is_whole=True).odds
    assert Held(-1.0, 0.1, is_whole=False).is_opposed
    assert not Held(-1.0, 0.5, is_whole=False).is_opposed


def test_places_are_weighed_by_parent_and_drawn_by_their_odds():
    found = [(7, 1.0), (3, 1.5), (7, 1.0)]
    assert likeliest(found) == 7
    assert [at_quantile(found, at) for at in (0.1, 0.5, 0.9, 1.0)] == [7, 3, 7, 7]
