"""Codes of neurons: the same in whatever order and basis, and in the sketch file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from disguises import permuted, rescaled, rotated
from safetensors.numpy import load_file, save_file

from lineage.errors import Malformed
from lineage.match import LOG10_ALPHA
from lineage.match.disguise import disguises
from lineage.sketch import read_sketch, write_sketch
from lineage.sketch.head_sizes import inferred_heads, shared_with
from lineage.sketch.neurons import MOST_LAYERS, MOST_NEURONS
from lineage.sketch.vectors import is_of_head, network_vectors
from lineage.types import CheckpointSketch, Neurons, Vocabulary
from tests.disguised_models import LAYERS, MLP, VOCAB, llama, sketched
from tests.synthetic import encoder, sketch

BASE = llama(1)


def of_layers(held: CheckpointSketch) -> list[Neurons]:
    return [one for one in held.neurons if not is_of_head(one)]


def codes(arrays) -> list[np.ndarray]:
    """The codes of each layer as rows without an order, all kinds of one neuron behind each other."""
    rows = (np.concatenate([*one.codes], axis=1) for one in of_layers(sketched(arrays)))
    return [found[np.lexsort(found.T)].astype(np.int64) for found in rows]


def test_a_tower_is_told_by_its_layers():
    neurons = of_layers(sketched(BASE))
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


@pytest.mark.parametrize("disguise", [permuted, rotated, rescaled], ids=lambda d: d.__name__)
def test_a_head_says_the_same_after_every_anchor_in_whatever_basis(disguise):
    (plain,), (hidden,) = ([n for n in sketched(a).neurons if is_of_head(n)] for a in (BASE, disguise(BASE, 3)))
    assert (plain.component, plain.layer, plain.codes.shape) == ("head", 0, (1, MOST_NEURONS, 32))
    both, mine, theirs = np.intersect1d(plain.index, hidden.index, return_indices=True)
    assert len(both) > 0.95 * MOST_NEURONS
    assert np.mean(np.abs(plain.codes[0, mine].astype(int) - hidden.codes[0, theirs]) <= 1) > 0.99


def test_a_tied_head_is_told_by_its_table():
    tied = {name: array for name, array in BASE.items() if "lm_head" not in name}
    assert not any(is_of_head(one) for one in sketched(tied).neurons)


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
    assert [one.layer for one in of_layers(sketched(broken))] == [0, 2]


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
        np.testing.assert_array_equal(one.scale, other.scale)
        assert one.keyed == other.keyed


def test_a_file_without_them_is_sound(tmp_path):
    write_sketch(replace(sketched(BASE), neurons=()), tmp_path / "a.sketch")
    assert read_sketch(tmp_path / "a.sketch").neurons == ()


def test_a_file_of_before_has_no_scales(tmp_path):
    before = [replace(one, scale=None) for one in sketched(BASE).neurons]
    write_sketch(replace(sketched(BASE), neurons=tuple(before)), tmp_path / "a.sketch")
    read = read_sketch(tmp_path / "a.sketch").neurons
    assert [(one.scale, one.keyed) for one in read] == [(None, "row")] * len(before)


def test_codes_times_scales_are_what_the_weights_do():
    for one, turned in zip(sketched(BASE).neurons, sketched(rotated(BASE, 3)).neurons, strict=True):
        assert one.scale is not None
        sizes = np.linalg.norm(one.codes * one.scale[..., None], axis=-1)
        assert turned.scale is not None
        others = np.linalg.norm(turned.codes * turned.scale[..., None], axis=-1)
        assert np.sort(sizes) == pytest.approx(np.sort(others), rel=0.02)


@pytest.mark.parametrize("name", ["neuron_index", "neuron_codes", "neuron_heads", "neuron_scales"])
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


# -- heads that share keys and values ------------------------------------------------------------


def grouped(seed: int) -> dict[str, np.ndarray]:
    """Three query heads of 32 with one of keys and one of values."""
    return {name: array[:32] if re.search("[kv]_proj", name) else array for name, array in llama(seed).items()}


def heads(arrays, config) -> list[np.ndarray | None]:
    return [one.attention for one in of_layers(sketch(arrays, config=config))]


def test_mixed_values_of_shared_heads_are_unmixed_where_it_is_known_how_many_there_are():
    known = {"model_type": "llama", "num_attention_heads": 3}
    for plain, mixed in zip(heads(grouped(1), known), heads(rescaled(grouped(1), 3), known), strict=True):
        assert plain is not None
        assert mixed == pytest.approx(plain, abs=1e-5)
    assert heads(grouped(1), {"model_type": "llama"}) == [None] * LAYERS


def taught(seed: int) -> dict[str, np.ndarray]:
    """The same with what training leaves: what a head writes is like what it reads, its queries like its keys."""
    made = grouped(seed)
    for name in [name for name in made if re.search("[kv]_proj", name)]:
        other = name.replace("k_proj", "q_proj").replace("v_proj", "o_proj")
        shared = np.concatenate([made[name]] * 3)
        made[other] = (made[other] + 0.5 * (shared if "q_proj" in other else shared.T)).astype(np.float32)
    return made


def test_how_many_heads_share_keys_is_seen_in_trained_weights():
    known = heads(taught(1), {"model_type": "llama", "num_attention_heads": 3})
    for seen, plain, mixed in zip(
        heads(taught(1), {}), known, heads(rescaled(taught(1), 3), {"model_type": "llama"}), strict=True
    ):
        assert seen == pytest.approx(plain)
        assert mixed == pytest.approx(plain, abs=1e-5)


def test_heads_of_unlike_layers_or_of_queries_that_share_nothing_are_not_counted():
    random = np.random.default_rng(1)
    layer = {role: random.standard_normal((64 if role in "kv" else 128, 32)).astype(np.float32) for role in "qkvo"}
    tied = layer | {"q": layer["k"][shared_with(128, 64, 32)], "o": layer["v"][shared_with(128, 64, 32)]}
    assert inferred_heads([tied, tied]) == 4
    assert inferred_heads([layer, layer]) is None
    assert inferred_heads([tied, {role: rows[: len(rows) // 2] for role, rows in tied.items()}]) is None
    assert inferred_heads([{**tied, "k": tied["q"], "v": tied["o"]}]) is None
    assert inferred_heads([{"q": tied["q"]}]) is None
    assert inferred_heads([]) is None


def turned_pairs(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Queries and keys of each rotary pair rotated by one angle, the ones scaled and the others scaled back."""
    random = np.random.default_rng(4)
    made = dict(arrays)
    for name in [name for name in arrays if "k_proj" in name]:
        angles, sizes = random.uniform(0, 2 * np.pi, 16), np.exp(0.4 * random.standard_normal(16))
        cos, sin = np.cos(angles)[:, None], np.sin(angles)[:, None]
        for one, size in ((name, 1 / sizes[:, None]), (name.replace("k_proj", "q_proj"), sizes[:, None])):
            pairs = made[one].reshape(-1, 2, 16, made[one].shape[1])
            first, second = pairs[:, 0], pairs[:, 1]
            turned = np.stack([size * (cos * first - sin * second), size * (sin * first + cos * second)], axis=1)
            made[one] = turned.reshape(made[one].shape).astype(np.float32)
    return made


def test_queries_and_keys_that_were_turned_as_rotary_positions_allow_are_turned_back():
    known = {"model_type": "llama", "num_attention_heads": 3}
    for plain, turned in zip(heads(grouped(1), known), heads(turned_pairs(grouped(1)), known), strict=True):
        assert turned == pytest.approx(plain, abs=1e-5)


# -- anchors by tokens -----------------------------------------------------------------------------


def vocabulary(texts: Sequence[str]) -> Vocabulary:
    tokens = tuple(text.encode() for text in texts)
    return Vocabulary("v", "v", "test", None, tokens, np.arange(len(tokens)), np.zeros(len(tokens), np.bool_), None)


TEXTS = [f"{'abcdef'[i % 6]}{i}" for i in range(VOCAB)]


def told(arrays, texts: Sequence[str]) -> tuple[Neurons, ...]:
    return sketch(arrays, config={"model_type": "llama"}, vocabulary=vocabulary(texts)).neurons


def by_key(arrays, texts: Sequence[str]) -> dict[tuple[int, str], np.ndarray]:
    return {(one.layer, one.keyed): one.codes.astype(np.int64) for one in told(arrays, texts) if not is_of_head(one)}


def tokens_at(places: np.ndarray) -> dict[str, np.ndarray]:
    return {name: array[places] if "embed" in name or "head" in name else array for name, array in BASE.items()}


def test_a_vocabulary_in_another_order_leaves_the_codes_by_token():
    order = np.random.default_rng(1).permutation(VOCAB)
    plain, hidden = by_key(BASE, TEXTS), by_key(tokens_at(order), [TEXTS[i] for i in order])
    assert {key for _, key in plain} == {"row", "token"}
    for layer in range(LAYERS):
        assert np.mean(np.abs(plain[layer, "token"] - hidden[layer, "token"]) <= 1) > 0.98
        assert np.mean(np.abs(plain[layer, "row"] - hidden[layer, "row"]) <= 1) < 0.2


def test_a_disguised_model_whose_vocabulary_was_cut_is_found_by_tokens():
    left = np.sort(np.random.default_rng(1).permutation(VOCAB)[: VOCAB * 3 // 4])
    hidden = told(permuted(tokens_at(left), 3), [TEXTS[i] for i in left])
    (found,) = disguises(hidden, told(BASE, TEXTS))
    assert found.log10_p < 10 * LOG10_ALPHA
    assert found.r > 0.6
    (by_rows,) = disguises([one for one in hidden if one.keyed == "row"], told(BASE, TEXTS))
    assert by_rows.log10_p > LOG10_ALPHA


@pytest.mark.parametrize("texts", [TEXTS[:100], [*TEXTS, "more"]], ids=["too few", "more than the table"])
def test_a_vocabulary_that_does_not_fit_the_table_gives_none_by_token(texts):
    assert {key for _, key in by_key(BASE, texts)} == {"row"}
