"""Neurons of two models paired and tested: disguised ones are proved, unrelated ones are not."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from disguises import permuted, rescaled, rotated
from operators import int4_groups, matrices, noise

from lineage.match import LOG10_ALPHA
from lineage.match.disguise import disguises
from tests.disguised_models import LAYERS, llama, sketched

BASE = llama(1)
PLAIN = sketched(BASE)
DISGUISES = {
    "permuted": permuted(BASE, 3),
    "rotated": rotated(BASE, 3),
    "rescaled": rescaled(BASE, 3),
    "all": permuted(rotated(rescaled(BASE, 3), 3), 3),
}


@pytest.mark.parametrize("name", DISGUISES)
def test_a_disguise_is_proved_and_its_neurons_are_found_again(name):
    (found,) = disguises(sketched(DISGUISES[name]).neurons, PLAIN.neurons)
    assert found.log10_p < 100 * LOG10_ALPHA
    assert (found.r, found.likeness) == (pytest.approx(1.0, abs=1e-3), pytest.approx(1.0, abs=1e-3))
    assert [one.layers for one in found.layers] == [(layer, layer) for layer in range(LAYERS)]


def test_the_map_of_neurons_is_the_permutation():
    (found,) = disguises(sketched(permuted(BASE, 3)).neurons, PLAIN.neurons)
    for one in found.layers:
        name = f"model.layers.{one.layers[0]}.mlp.gate_proj.weight"
        hidden, plain = (np.sort(np.abs(a[name]), axis=1) for a in (permuted(BASE, 3), BASE))
        same = [np.array_equal(hidden[i], plain[j]) for i, j in one.pairs]
        assert np.mean(same) >= 0.99
        assert len(one.pairs) >= 0.99 * one.of


@pytest.mark.parametrize("change", [noise(0.3), int4_groups], ids=["noise of 30%", "int4"])
def test_what_is_done_on_top_does_not_hide_it(change):
    (found,) = disguises(sketched(matrices(change)(DISGUISES["all"])).neurons, PLAIN.neurons)
    assert found.log10_p < 10 * LOG10_ALPHA
    assert found.r > 0.7


def test_layers_that_were_dropped_leave_the_others_in_order():
    kept = {
        name.replace("layers.2.", "layers.1."): array
        for name, array in permuted(BASE, 3).items()
        if "rs.1." not in name
    }
    (found,) = disguises(sketched(kept).neurons, PLAIN.neurons)
    assert [one.layers for one in found.layers] == [(0, 0), (1, 2)]


def test_unrelated_models_agree_by_chance():
    models = [sketched(llama(seed)).neurons for seed in range(2, 10)]
    pairs = [one for a, b in combinations(models, 2) for one in disguises(a, b)]
    zs = np.array([layer.z for found in pairs for layer in found.layers])
    assert len(pairs) == 28
    assert zs.std() < 1.2
    assert min(found.log10_p for found in pairs) > LOG10_ALPHA
    assert max(found.r for found in pairs) < 0.2
