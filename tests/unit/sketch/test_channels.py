"""Codes of channels: the same in whatever order and scale, from the inputs on."""

from __future__ import annotations

import numpy as np
import pytest
from disguises import permuted, rescaled

from lineage.match import LOG10_ALPHA
from lineage.match.disguise import Disguise, disguises, networks
from lineage.sketch import read_sketch, write_sketch
from lineage.sketch.channel_paths import LEAST_CHANNELS, MOST_CHANNEL_LAYERS, channel_paths
from lineage.types import Axis, Neurons, Part
from tests.convolutions import WIDTHS, convolutional, dense, folded, reordered, residual, scaled
from tests.synthetic import Arrays, sketch

NETWORKS = {"convolutional": convolutional, "residual": residual, "dense": dense}


def described(arrays: Arrays) -> list[Neurons]:
    return [one for one in sketch(arrays).neurons if one.keyed == "input"]


def held(query: Arrays, reference: Arrays) -> Disguise:
    (found,) = disguises(described(query), described(reference))
    return found


def test_some_layers_of_a_network_are_described_but_not_those_that_read_the_inputs():
    found = described(convolutional(1))
    assert [(one.component, one.layer) for one in found] == [("network", layer) for layer in range(1, 5)]
    assert [one.codes.shape for one in found] == [(2, out, 32) for out in (64, 80, 96, 96)]
    assert all((np.diff(one.index) > 0).all() for one in found)


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_another_order_of_channels_leaves_their_codes(network):
    found = held(reordered(network(1), 5), network(1))
    assert found.r > 0.999
    assert found.apart < 1e-5
    assert all(len(layer.pairs) > 0.9 * layer.of for layer in found.layers)


def test_the_map_of_channels_is_the_order_they_were_given():
    hidden = reordered(convolutional(1), 5)
    for layer in held(hidden, convolutional(1)).layers:
        name = f"features.{layer.layers[0]}.bn.weight"
        ours, theirs = layer.pairs.T
        assert (hidden[name][ours] == convolutional(1)[name][theirs]).mean() > 0.99


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_scales_that_are_moved_between_layers_hardly_alter_codes(network):
    assert held(scaled(reordered(network(1), 5), 6), network(1)).r > 0.97


def test_a_norm_that_is_folded_into_its_convolution_hardly_alters_codes():
    assert held(folded(reordered(convolutional(1), 5)), convolutional(1)).r > 0.9


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_networks_trained_apart_have_other_codes(network):
    found = disguises(described(reordered(network(2), 5)), described(network(1)))
    assert all(one.log10_p > LOG10_ALPHA and one.r < 0.5 for one in found)


def test_unrelated_networks_agree_no_more_than_by_chance():
    sketches = [described(convolutional(seed)) for seed in range(12)]
    zs = [
        layer.z
        for i, one in enumerate(sketches)
        for other in sketches[:i]
        for found in disguises(one, other)
        for layer in found.layers
    ]
    # Of each pair of models the best order of layers is held together.
    assert np.std(zs) < 1.2
    assert np.max(zs) < 5.0


def test_networks_are_found_by_what_their_channels_do_together():
    (base,), (hidden,), (other,) = (
        networks(sketch(arrays)) for arrays in (convolutional(1), reordered(convolutional(1), 5), convolutional(2))
    )
    assert base @ hidden > 0.99
    assert base @ other < 0.4


def test_the_sketch_file_gives_them_back(tmp_path):
    made = sketch(convolutional(1))
    write_sketch(made, tmp_path / "a.sketch")
    read = read_sketch(tmp_path / "a.sketch")
    assert [one.keyed for one in read.neurons] == ["input"] * MOST_CHANNEL_LAYERS
    for one, other in zip(made.neurons, read.neurons, strict=True):
        np.testing.assert_array_equal(one.codes, other.codes)


def test_a_network_that_was_only_sampled_has_none():
    assert sketch(convolutional(1), "sampled").neurons == ()


def test_a_layer_that_is_left_out_ends_the_way():
    broken = dict(convolutional(1))
    broken["features.2.conv.weight"] = np.full_like(broken["features.2.conv.weight"], np.nan)
    assert [one.layer for one in described(broken)] == [1]


def test_empty_channels_and_layers_give_numbers():
    arrays = {name: array.copy() for name, array in convolutional(1).items()}
    arrays["features.1.conv.weight"][:40] = 0.0
    arrays["features.2.conv.weight"][:, :40] = 0.0
    arrays["features.3.conv.weight"][:] = 0.0
    for one in described(arrays):
        assert one.scale is not None
        assert np.isfinite(one.scale).all()
    found = held(reordered(arrays, 5), arrays)
    assert found.layers[0].r > 0.999


def answers(arrays: Arrays, images: np.ndarray) -> np.ndarray:
    """What a network of `convolutional` makes of images, (images, classes)."""
    made = images
    for layer in range(len(WIDTHS)):
        at = f"features.{layer}"
        windows = np.lib.stride_tricks.sliding_window_view(
            np.pad(made, ((0, 0), (0, 0), (1, 1), (1, 1))), (3, 3), (2, 3)
        )
        made = np.einsum("nchwij,ocij->nohw", windows, arrays[f"{at}.conv.weight"], optimize=True)
        mean, variance, gain, bias = (
            arrays[f"{at}.bn.{leaf}"][None, :, None, None] for leaf in ("running_mean", "running_var", "weight", "bias")
        )
        made = np.maximum(0.0, (made - mean) / np.sqrt(variance) * gain + bias)
    return made.mean(axis=(2, 3)) @ arrays["classifier.weight"].T


@pytest.mark.parametrize("disguise", [permuted, rescaled], ids=lambda disguise: disguise.__name__)
def test_the_zoos_disguises_leave_the_function_and_the_codes(disguise):
    images = np.random.default_rng(1).standard_normal((4, 3, 6, 6)).astype(np.float32)
    plain, hidden = convolutional(1), disguise(convolutional(1), 3)
    assert not np.allclose(hidden["features.2.conv.weight"], plain["features.2.conv.weight"])
    assert answers(hidden, images) == pytest.approx(answers(plain, images), rel=1e-3, abs=1e-4)
    assert held(hidden, plain).r > 0.999


# -- which layer reads which -----------------------------------------------------------------------

FREE = Axis("length:64", exchangeable=True)


def path(*layers: tuple[str, tuple[int, ...]]) -> list[tuple[str, int | None, bool]]:
    """Name, number of the source, and whether it is described, of each step of the only network."""
    roles = {2: "linear", 3: "conv", 4: "conv"}
    tensors = [(name, shape, Part("network", roles[len(shape)], None, (FREE, FREE))) for name, shape in layers]
    (steps,) = channel_paths(tensors).values()
    return [(tensors[one.place][0], one.source, one.is_described) for one in steps]


def test_layers_follow_the_order_of_their_numbers():
    assert path(
        ("conv10.weight", (64, 64, 3, 3)), ("conv2.weight", (64, 32, 3, 3)), ("conv1.weight", (32, 3, 3, 3))
    ) == [("conv1.weight", None, False), ("conv2.weight", 0, True), ("conv10.weight", 1, True)]


def test_a_layer_waits_for_the_one_that_it_reads():
    """A stem comes after the blocks by its name."""
    assert path(
        ("blocks.0.weight", (96, 32, 1, 1)), ("blocks.1.weight", (32, 96, 1, 1)), ("stem.weight", (32, 3, 3, 3))
    ) == [
        ("stem.weight", None, False),
        ("blocks.0.weight", 0, True),
        ("blocks.1.weight", 1, True),
    ]


def test_depthwise_layers_are_passed_over():
    steps = path(
        ("0.weight", (32, 3, 3, 3)),
        ("1.weight", (32, 1, 3, 3)),
        ("2.weight", (64, 32, 1, 1)),
        ("3.weight", (64, 1, 3, 3)),
    )
    assert [name for name, _, _ in steps] == ["0.weight", "2.weight"]


def test_grey_images_are_inputs_and_no_depthwise_layer():
    steps = path(("0.weight", (64, 1, 3, 3)), ("1.weight", (96, 64, 3, 3)), ("2.weight", (128, 96, 3, 3)))
    assert [source for _, source, _ in steps] == [None, 0, 1]


def test_narrow_layers_are_on_the_way_and_are_not_described():
    steps = path(
        ("0.weight", (64, 3, 3, 3)),
        ("1.weight", (LEAST_CHANNELS - 1, 64, 1, 1)),
        ("2.weight", (64, LEAST_CHANNELS - 1, 1, 1)),
    )
    assert [is_described for _, _, is_described in steps] == [False, False, True]


@pytest.mark.parametrize(
    "shapes",
    [
        [("a.weight", (64, 3, 3, 3)), ("b.weight", (64, 3, 3, 3))],
        [("a.weight", (64, 3, 3, 3)), ("b.weight", (64, 128, 3, 3)), ("c.weight", (10, 256, 1, 1))],
        [("a.weight", (64, 3, 3, 3)), ("b.weight", (1 << 13, 1 << 13)), ("c.weight", (10, 1 << 13))],
    ],
    ids=["two inputs and no more", "a concatenation", "too large"],
)
def test_networks_without_a_plain_way_have_none(shapes):
    tensors = [
        (name, shape, Part("network", "conv" if len(shape) > 2 else "linear", None, (FREE, FREE)))
        for name, shape in shapes
    ]
    assert channel_paths(tensors) == {}


def test_towers_of_attention_are_described_by_their_neurons_alone():
    stream = Axis("text decoder/residual", exchangeable=True)
    tensors = [
        ("a.weight", (64, 3, 3, 3), Part("text decoder", "conv", None, (stream, FREE))),
        ("b.weight", (64, 64, 3, 3), Part("text decoder", "conv", None, (FREE, FREE))),
        ("c.weight", (64, 64, 3, 3), Part("text decoder", "conv", None, (FREE, FREE))),
    ]
    assert channel_paths(tensors) == {}
