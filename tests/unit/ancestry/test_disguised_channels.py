"""Disguised networks of convolutions are said to be what they are; unrelated ones stay independent."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from operators import int8_rows, magnitude_pruned, matrices, noise

from lineage.ancestry import compare
from lineage.ancestry.pair import disguised
from lineage.match.disguise import disguises
from lineage.types.facts.disguises import Beneath, FoldedGains, SameNeurons, UndoneBasis
from tests.convolutions import WIDTHS, convolutional, dense, folded, reordered, residual, scaled
from tests.synthetic import Arrays, sketch

BASE = convolutional(1)
PLAIN = sketch(BASE, name="base")
NETWORKS = {"convolutional": convolutional, "residual": residual, "dense": dense}
WORDS = {"plain": "re-encoded", "int8": "quantized", "noise": "fine-tuned", "half pruned": "pruned"}
CHANGES = {
    "plain": lambda a: a,
    "int8": matrices(int8_rows),
    "noise": matrices(noise(0.03)),
    "half pruned": matrices(magnitude_pruned),
}


def hidden(arrays: Arrays) -> Arrays:
    return scaled(reordered(arrays, 5), 6)


@pytest.mark.parametrize("change", CHANGES)
def test_another_order_of_channels_is_seen_through(change):
    found = compare(sketch(CHANGES[change](reordered(BASE, 5))), PLAIN)
    assert (found.verdict, found.relation, found.direction) == ("derived", "disguised", "undirected")
    assert found.evidence.log10_p < -50
    assert UndoneBasis("channels") in found.basis
    assert Beneath(WORDS[change]) in found.basis
    (seen,) = (fact for fact in found.basis if isinstance(fact, SameNeurons))
    assert (seen.layers, seen.paired > 0.9, seen.moved > 0.9) == (4, True, True)


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_so_are_moved_scales(network):
    found = compare(sketch(hidden(network(1))), sketch(network(1)))
    assert found.relation == "disguised"
    assert Beneath("re-encoded") in found.basis


def test_and_norms_that_are_folded_away_which_is_no_sign_of_a_direction():
    found = compare(sketch(folded(hidden(BASE))), PLAIN)
    assert (found.relation, found.direction) == ("disguised", "undirected")
    assert not any(isinstance(cue.fact, FoldedGains) for cue in found.cues)


def narrowed(arrays: Arrays, share: float) -> Arrays:
    """The channels of each layer that have the largest kernels, as those who slim networks keep them."""
    kept = dict(arrays)
    reads = slice(None)
    for layer in range(len(WIDTHS) - 1):
        kernel = arrays[f"features.{layer}.conv.weight"]
        strength = np.square(kernel).sum(axis=(1, 2, 3))
        keep = np.sort(np.argsort(-strength)[: round(share * len(kernel))])
        mine = {n: a for n, a in arrays.items() if n.startswith(f"features.{layer}.bn.")}
        kept |= {n: a[keep] for n, a in mine.items()} | {f"features.{layer}.conv.weight": kernel[keep][:, reads]}
        reads = keep
    last = f"features.{len(WIDTHS) - 1}.conv.weight"
    return kept | {last: arrays[last][:, reads]}


def even(seed: int) -> Arrays:
    """A network whose channels are all equally strong: whichever are left out, much is missing in what follows."""
    random = np.random.default_rng(seed)
    return {
        n: np.exp(0.3 * random.standard_normal(a.shape)).astype(np.float32)
        if a.ndim == 1
        else random.standard_normal(a.shape).astype(np.float32)
        for n, a in BASE.items()
    }


@pytest.mark.parametrize("share", [0.8, 0.75])
def test_a_slimmed_network_is_found(share: float) -> None:
    found = compare(sketch(narrowed(even(3), share)), sketch(even(3)))
    assert (found.verdict, Beneath("width-pruned") in found.basis) == ("derived", True)


def test_and_never_called_independent() -> None:
    narrow, whole = sketch(narrowed(even(3), 0.7)), sketch(even(3))
    assert "independent" not in (compare(narrow, whole).verdict, compare(whole, narrow).verdict)
    assert compare(sketch(narrowed(even(4), 0.7)), whole).relation.finds_nothing


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_unrelated_networks_stay_independent(network):
    assert compare(sketch(hidden(network(2))), sketch(network(1))).verdict == "independent"


def test_channels_that_keep_no_more_than_an_initialisation_would_are_left_open(monkeypatch):
    query = sketch(matrices(noise(0.1))(reordered(BASE, 5)))
    monkeypatch.setattr(disguised, "CHANNELS_R", disguises(query.neurons, PLAIN.neurons)[0].r + 0.01)
    found = compare(query, PLAIN)
    assert (found.verdict, found.components[0].relation) == ("inconclusive", "inconclusive")


def test_the_share_that_was_tested_is_that_of_the_layers_compared():
    found = compare(sketch(reordered(BASE, 5)), PLAIN)
    compared = sum(BASE[f"features.{layer}.conv.weight"].size for layer in range(1, 5))
    assert found.evidence.coverage == pytest.approx(compared / sum(array.size for array in BASE.values()))


def test_a_network_with_fewer_layers_or_channels_is_told_as_such():
    shorter = {n: a for n, a in BASE.items() if "features.5" not in n and "classifier" not in n}
    assert Beneath("depth-changed") in compare(sketch(reordered(shorter, 5)), PLAIN).basis
    keep = np.sort(np.random.default_rng(1).permutation(WIDTHS[4])[:72])
    narrow = dict(BASE) | {n: a[keep] for n, a in BASE.items() if n.startswith("features.4.")}
    narrow["features.5.conv.weight"] = BASE["features.5.conv.weight"][:, keep]
    assert Beneath("width-pruned") in compare(sketch(reordered(narrow, 5)), PLAIN).basis


def test_a_sketch_without_channels_shows_nothing():
    assert compare(sketch(reordered(BASE, 5)), replace(PLAIN, neurons=())).verdict == "independent"


def with_offsets(arrays: Arrays, seed: int) -> Arrays:
    """The same network with other offsets of its norms, as training from 0 leaves them."""
    random = np.random.default_rng(seed)
    offsets = (n for n in arrays if n.endswith("bn.bias"))
    return arrays | {n: (0.1 * random.standard_normal(arrays[n].shape)).astype(np.float32) for n in offsets}


@pytest.mark.parametrize("seed", [11, 12])
def test_networks_that_were_trained_apart_from_one_initialisation_are_not_called_derived(seed):
    """Their kernels are as near as those of parent and child; what their norms learned is not."""
    query = with_offsets(matrices(noise(0.03, seed=seed))(BASE), seed)
    found = compare(sketch(hidden(query)), PLAIN)
    assert (found.verdict, found.relation, found.direction) == ("related", "inconclusive", None)
    assert found.evidence.r > 0.9
    # Without norms nothing can be told.
    bare = [{n: a for n, a in one.items() if ".bn." not in n} for one in (hidden(query), BASE)]
    assert compare(sketch(bare[0]), sketch(bare[1])).verdict == "related"
