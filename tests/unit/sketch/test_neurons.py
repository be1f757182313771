"""Codes of neurons: the same in whatever order and basis, and in the sketch file."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from disguises import permuted, rescaled, rotated
from safetensors.numpy import load_file, save_file

from lineage.errors import Malformed
from lineage.sketch import read_sketch, write_sketch
from lineage.sketch.neurons import MOST_LAYERS, MOST_NEURONS
from lineage.sketch.vectors import network_vectors
from tests.disguised_models import LAYERS, MLP, llama, sketched
from tests.synthetic import encoder, sketch

BASE = llama(1)


def codes(arrays) -> list[np.ndarray]:
    """The codes of each layer as rows without an order, all kinds of one neuron behind each other."""
    rows = (np.concatenate([*one.codes], axis=1) for one in sketched(arrays).neurons)
    return [found[np.lexsort(found.T)].astype(np.int64) for found in rows]


def test_a_tower_is_told_by_its_layers():
    neurons = sketched(BASE).neurons
    assert [(one.component, one.layer) for one in neurons] == [("text decoder", layer) for layer in range(LAYERS)]
    for one in neurons:
        assert one.codes.shape == (3, min(MLP, MOST_NEURONS), 32)
        assert (np.diff(one.index) > 0).all()
        assert one.attention is not None
        assert np.linalg.norm(one.attention, axis=(1, 2)) == pytest.approx(1.0, rel=1e-5)


@pytest.mark.parametrize("disguise", [permuted, rotated, rescaled], ids=lambda d: d.__name__)
def test_a_disguise_leaves_the_codes(disguise):
    for plain, hidden in zip(codes(BASE), codes(disguise(BASE, 3)), strict=True):
        off = np.abs(plain - hidden)
        assert np.mean(off <= 1) > 0.99  # what rounding turns may stand in another row
    assert network_vectors(sketched(BASE)) @ network_vectors(sketched(disguise(BASE, 3))).T > 0.999


def test_a_deep_tower_keeps_some_layers_the_ends_among_them():
    arrays = encoder(1, layers=9)
    layers = [one.layer for one in sketch(arrays).neurons]
    assert (len(layers), layers[0], layers[-1]) == (MOST_LAYERS, 0, 8)


def test_there_are_none_of_a_sampled_reading_nor_without_a_table():
    assert sketch(encoder(1), "sampled").neurons == ()
    assert sketch({name: array for name, array in encoder(1).items() if "embeddings" not in name}).neurons == ()


def test_what_is_no_number_gives_no_codes_of_its_layer():
    broken = {name: array.copy() for name, array in BASE.items()}
    broken["model.layers.1.mlp.up_proj.weight"][3, 4] = np.nan
    assert [one.layer for one in sketched(broken).neurons] == [0, 2]


def test_the_sketch_file_gives_them_back(tmp_path):
    made = sketched(BASE)
    write_sketch(made, tmp_path / "a.sketch")
    read = read_sketch(tmp_path / "a.sketch")
    assert len(read.neurons) == len(made.neurons)
    for one, other in zip(made.neurons, read.neurons, strict=True):
        assert (one.component, one.layer) == (other.component, other.layer)
        np.testing.assert_array_equal(one.index, other.index)
        np.testing.assert_array_equal(one.codes, other.codes)
        np.testing.assert_array_equal(one.attention, other.attention)


def test_a_file_without_them_is_sound(tmp_path):
    write_sketch(replace(sketched(BASE), neurons=()), tmp_path / "a.sketch")
    assert read_sketch(tmp_path / "a.sketch").neurons == ()


@pytest.mark.parametrize("name", ["neuron_index", "neuron_codes", "neuron_heads"])
@pytest.mark.parametrize("how", ["changed", "cut", "longer", "another type", "gone"])
def test_damaged_ones_are_one_clear_line(tmp_path, name, how):
    path = tmp_path / "a.sketch"
    write_sketch(sketched(BASE), path)
    arrays = load_file(path)
    from safetensors import safe_open

    with safe_open(path, "np") as file:
        metadata = file.metadata()
    changed = arrays[name].copy()
    changed.reshape(-1)[0] += 1
    made = {
        "changed": changed,
        "cut": arrays[name][:-1],
        "longer": np.concatenate([arrays[name], arrays[name][:1]]),
        "another type": arrays[name].astype(np.float64),
    }
    left = {key: array for key, array in arrays.items() if key != name}
    save_file(left | ({name: made[how]} if how in made else {}), path, metadata=metadata)
    with pytest.raises(Malformed) as error:
        read_sketch(path)
    assert "\n" not in str(error.value)
