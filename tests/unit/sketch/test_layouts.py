"""Identity of content and of layout apart."""

from __future__ import annotations

import numpy as np
import pytest

from lineage.sketch.layouts import (
    content_key,
    correspondence,
    layout_id,
    names_of,
    same_weights,
    translated,
    translation,
)
from tests.relaid import LAYOUTS, converted, renamed, turned
from tests.synthetic import Arrays, encoder, sketch

BASE = encoder(1, 2)
CHILD = {name: array + np.float32(0.01) * np.float32(array.std()) for name, array in BASE.items()}
WIDE: Arrays = {"a.weight": np.random.default_rng(3).standard_normal((700, 900)).astype(np.float32)}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("depth", ["full", "sampled"])
def test_every_layout_of_one_model_has_its_content(layout, depth):
    one, other = sketch(BASE, depth), sketch(LAYOUTS[layout](BASE), depth)
    assert layout_id(one) != layout_id(other)
    assert content_key(one) == content_key(other)
    assert same_weights(one, other)
    assert same_weights(other, one)
    assert not same_weights(sketch(CHILD, depth), other)


def test_names_alone_leave_the_id_as_it_is_and_turning_does_not():
    assert sketch(BASE).id == sketch(renamed(BASE)).id
    assert sketch(BASE).id != sketch(turned(BASE)).id


def test_a_wider_type_of_the_same_values_is_another_layout_of_the_same_content():
    narrow = {name: array.astype(np.float16) for name, array in BASE.items()}
    one, other = sketch(narrow), sketch({name: array.astype(np.float32) for name, array in narrow.items()})
    assert one.id == other.id
    assert layout_id(one) != layout_id(other)
    assert same_weights(one, other)


def test_the_order_of_tensors_is_no_layout():
    assert layout_id(sketch(BASE)) == layout_id(sketch(dict(reversed(BASE.items()))))


def test_contents_that_change_places_are_another_layout():
    names = [f"bert.encoder.layer.{layer}.output.dense.weight" for layer in (0, 1)]
    swapped = BASE | {names[0]: BASE[names[1]], names[1]: BASE[names[0]]}
    assert sketch(BASE).id == sketch(swapped).id
    assert layout_id(sketch(BASE)) != layout_id(sketch(swapped))


def test_one_row_outside_the_sample_makes_another_model():
    other = {"a.weight": WIDE["a.weight"].copy()}
    kept = set(sketch(WIDE).tensors[0].units[0].index.tolist())
    other["a.weight"][next(row for row in range(700) if row not in kept)] *= np.float32(1.1)
    assert content_key(sketch(WIDE)) == content_key(sketch(other))  # which tells where to look
    assert not same_weights(sketch(WIDE), sketch(other))
    assert not same_weights(sketch(WIDE), sketch({"a.weight": np.ascontiguousarray(other["a.weight"].T)}))
    assert same_weights(sketch(WIDE), sketch({"b.weight": np.ascontiguousarray(WIDE["a.weight"].T)}))


def test_models_of_tables_that_are_nobodys_are_no_copies():
    constant = sketch({"a.weight": np.zeros((64, 64), np.float32)})
    assert all(tensor.part.excluded is not None for tensor in constant.tensors)
    assert correspondence(constant, constant) is None
    assert content_key(constant) is None


def test_equal_tensors_face_those_of_their_names():
    doubled = BASE | {name.replace("layer.1", "layer.2"): a for name, a in BASE.items() if "layer.1" in name}
    model = sketch(doubled)
    assert {(one.a, one.b) for one in correspondence(model, model)} == {(i, i) for i in range(len(model.tensors))}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_child_of_a_copy_reads_as_if_it_had_been_stored_as_the_original(layout):
    original, copy = sketch(BASE), sketch(LAYOUTS[layout](BASE))
    into = translation(copy, original)
    assert into is not None
    read, plain = translated(sketch(LAYOUTS[layout](CHILD)), into), sketch(CHILD)
    assert names_of(read) == names_of(plain)
    held = {tensor.name: tensor for tensor in read.tensors}
    for tensor in plain.tensors:
        other = held[tensor.name]
        assert other.part == tensor.part
        np.testing.assert_array_equal(other.values, tensor.values)
        for mine, theirs in zip(tensor.units, other.units, strict=True):
            if mine is not None:
                assert np.abs(mine.codes.astype(int) - theirs.codes).max() <= 1


def test_there_is_no_translation_between_two_models():
    assert translation(sketch(converted(CHILD)), sketch(BASE)) is None
