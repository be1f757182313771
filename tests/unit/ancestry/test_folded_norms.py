"""Norms folded into weights: who holds the norms came first, if nothing else was changed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import DTypeLike

from lineage.ancestry import compare
from lineage.types import Direction, Relation
from lineage.types.facts.cues import Computable
from tests.synthetic import Arrays, sketch

CHANNELS = (3, 32, 64, 64)
WIDTH = 96
READS = {"input_layernorm": ("self_attn.q", "self_attn.k", "self_attn.v"), "post_attention_layernorm": ("mlp.up",)}


def convolutional(*, biased: bool = False, called: tuple[str, ...] = ("weight", "bias", "running_mean", "running_var")):
    """Three convolutions with batch norms, one of whose gains is negative, and a classifier."""
    rng = np.random.default_rng(7)
    gain, offset, mean, variance = called
    net: Arrays = {}
    for i in range(3):
        wide = CHANNELS[i + 1]
        net[f"layer{i}.conv.weight"] = 0.1 * rng.standard_normal((wide, CHANNELS[i], 3, 3))
        if biased:
            net[f"layer{i}.conv.bias"] = 0.1 * rng.standard_normal(wide)
        net[f"layer{i}.bn.{gain}"] = np.r_[-0.5, 1 + 0.3 * rng.standard_normal(wide - 1)]
        net[f"layer{i}.bn.{offset}"] = 0.3 * rng.standard_normal(wide)
        net[f"layer{i}.bn.{mean}"] = 0.3 * rng.standard_normal(wide)
        net[f"layer{i}.bn.{variance}"] = np.exp(0.5 * rng.standard_normal(wide))
    net |= {"fc.weight": rng.standard_normal((10, CHANNELS[-1])), "fc.bias": rng.standard_normal(10)}
    return {name: array.astype(np.float32) for name, array in net.items()}


def without_batch_norms(
    net: Arrays,
    epsilon: float = 1e-5,
    stored: DTypeLike = np.float32,
    called: tuple[str, ...] = ("weight", "bias", "running_mean", "running_var"),
) -> Arrays:
    """The network as an export writes it."""
    folded: Arrays = {name: array for name, array in net.items() if name.startswith("fc.")}
    for i in range(3):
        gain, offset, mean, variance = (net[f"layer{i}.bn.{name}"] for name in called)
        scale = gain / np.sqrt(variance + np.float32(epsilon))
        folded[f"layer{i}.conv.weight"] = net[f"layer{i}.conv.weight"] * scale[:, None, None, None]
        folded[f"layer{i}.conv.bias"] = (net.get(f"layer{i}.conv.bias", 0.0) - mean) * scale + offset
    return {name: array.astype(stored) for name, array in folded.items()}


def decoder() -> Arrays:
    """Three layers with norms by length before what reads the stream."""
    rng = np.random.default_rng(8)
    net: Arrays = {"model.embed_tokens.weight": rng.standard_normal((300, WIDTH))}
    for i in range(3):
        layer = f"model.layers.{i}."
        net |= {f"{layer}{norm}.weight": np.exp(0.3 * rng.standard_normal(WIDTH)) for norm in READS}
        net |= {f"{layer}self_attn.{k}_proj.weight": rng.standard_normal((WIDTH, WIDTH)) for k in "qkvo"}
        net[f"{layer}mlp.up_proj.weight"] = rng.standard_normal((2 * WIDTH, WIDTH))
        net[f"{layer}mlp.down_proj.weight"] = rng.standard_normal((WIDTH, 2 * WIDTH))
    return {name: array.astype(np.float32) for name, array in net.items()}


def without_gains(net: Arrays) -> Arrays:
    """The gains in the matrices that read what they scale."""
    folded = dict(net)
    for i in range(3):
        for norm, matrices in READS.items():
            gain = net[f"model.layers.{i}.{norm}.weight"]
            folded[f"model.layers.{i}.{norm}.weight"] = np.ones_like(gain)
            for matrix in matrices:
                folded[f"model.layers.{i}.{matrix}_proj.weight"] = net[f"model.layers.{i}.{matrix}_proj.weight"] * gain
    return folded


def moved(net: Arrays, name: str, by: float = 0.02) -> Arrays:
    """The network with one tensor trained."""
    noise = np.random.default_rng(9).standard_normal(net[name].shape).astype(np.float32)
    return {**net, name: net[name] * (1 + by * noise)}


KERAS = ("gamma", "beta", "moving_mean", "moving_variance")


@pytest.mark.parametrize(
    ("net", "folded"),
    [
        pytest.param(convolutional(), without_batch_norms, id="batch norms"),
        pytest.param(convolutional(biased=True), without_batch_norms, id="behind biases"),
        pytest.param(convolutional(), lambda net: without_batch_norms(net, 1e-3), id="another epsilon"),
        pytest.param(convolutional(), lambda net: without_batch_norms(net, stored=np.float16), id="in half precision"),
        pytest.param(convolutional(called=KERAS), lambda net: without_batch_norms(net, called=KERAS), id="other names"),
        pytest.param(
            convolutional(),
            lambda net: {
                n: a[None, :, None, None] if n.endswith("bias") else a for n, a in without_batch_norms(net).items()
            },
            id="biases in another shape",
        ),
        pytest.param(decoder(), without_gains, id="norms by length"),
    ],
)
def test_the_model_with_the_norms_came_first(net: Arrays, folded: Callable[[Arrays], Arrays]) -> None:
    whole, export = sketch(net), sketch(folded(net))
    down, up = compare(export, whole), compare(whole, export)
    assert (down.relation, down.direction, up.direction) == (Relation.RE_ENCODED, Direction.CHILD, Direction.PARENT)
    assert Computable("this-model", "folding") in down.basis
    assert Computable("reference", "folding") in up.basis


def test_norms_in_a_shape_of_four_are_read_too() -> None:
    net = convolutional()
    shaped = {n: a[None, :, None, None] if ".bn." in n else a for n, a in net.items()}
    whole, export = sketch(shaped), sketch(without_batch_norms(net))
    assert compare(export, whole).relation == compare(whole, export).relation == Relation.RE_ENCODED


@pytest.mark.parametrize("name", ["layer1.bn.weight", "layer1.bn.running_var", "layer0.conv.weight", "fc.weight"])
def test_a_sibling_of_the_source_is_not_it(name: str) -> None:
    net = convolutional()
    found = compare(sketch(without_batch_norms(net)), sketch(moved(net, name)))
    assert found.relation.is_told_by_two
    assert found.direction == Direction.UNDIRECTED


def test_neither_is_one_whose_gains_are_others() -> None:
    net = decoder()
    found = compare(sketch(without_gains(net)), sketch(moved(net, "model.layers.1.input_layernorm.weight")))
    assert found.direction == Direction.UNDIRECTED


def test_two_folded_copies_have_no_direction() -> None:
    net = convolutional()
    found = compare(sketch(without_batch_norms(net)), sketch(without_batch_norms(net, 1e-3)))
    assert (found.relation, found.direction) == (Relation.RE_ENCODED, Direction.UNDIRECTED)


def test_nor_has_one_that_was_trained_afterwards() -> None:
    net = convolutional()
    tuned = moved(without_batch_norms(net), "layer2.conv.weight", 0.1)
    found = compare(sketch(tuned), sketch(net))
    assert found.direction in (Direction.UNDIRECTED, None)


def test_channels_that_a_norm_switched_off_are_zero_in_the_export_only() -> None:
    net = convolutional()
    net["layer1.bn.weight"][3:6] = 0.0
    whole, export = sketch(net), sketch(without_batch_norms(net))
    down, up = compare(export, whole), compare(whole, export)
    assert (down.direction, up.direction) == (Direction.CHILD, Direction.PARENT)
