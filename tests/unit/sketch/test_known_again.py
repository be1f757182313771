"""A sketch takes over the tensors of a known one that holds the same to the bit, and of no other."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from lineage import api, report
from lineage.sketch import read_sketch, write_sketch
from lineage.sketch.known_again import known_again
from lineage.types import Neurons, TensorSketch, Timings
from tests.small_models import saved, sketched, trained, tuned

SKETCH = sketched(trained(1), "known")
PLACE = next(i for i, tensor in enumerate(SKETCH.tensors) if len(tensor.shape) > 1 and tensor.minhash is not None)


def other(value):
    """The same but for one bit, number or letter."""
    if isinstance(value, np.ndarray):
        changed = value.copy()
        changed.reshape(-1).view(np.uint8)[0] ^= 1
        return changed
    if isinstance(value, str):
        return value + "!"
    if isinstance(value, float):
        return float(np.nextafter(value, np.inf))
    if isinstance(value, int):
        return value + 1
    if isinstance(value, tuple):
        return (other(value[0]), *value[1:])
    first = fields(value)[0].name
    return replace(value, **{first: other(getattr(value, first))})


@pytest.fixture
def again(tmp_path):
    write_sketch(replace(SKETCH, name="again"), tmp_path / "one.sketch")
    return read_sketch(tmp_path / "one.sketch")


def test_what_is_the_same_is_held_once(again):
    found = known_again(again, [sketched(trained(2), "stranger"), SKETCH])
    assert all(one is two for one, two in zip(found.tensors, SKETCH.tensors, strict=True))
    assert all(one is two for one, two in zip(found.neurons, SKETCH.neurons, strict=True))
    assert found.neurons
    assert (found.name, found.weights_seen) == ("again", again.weights_seen)


@pytest.mark.parametrize("field", [field.name for field in fields(TensorSketch)])
def test_a_tensor_with_anything_else_in_it_is_another(again, field):
    tensors = list(SKETCH.tensors)
    tensors[PLACE] = replace(tensors[PLACE], **{field: other(getattr(tensors[PLACE], field))})
    assert known_again(again, [replace(SKETCH, tensors=tuple(tensors))]) is again


@pytest.mark.parametrize("field", [field.name for field in fields(Neurons)])
def test_neurons_with_anything_else_in_them_are_others(again, field):
    first, *rest = SKETCH.neurons
    changed = replace(first, **{field: other(getattr(first, field))})
    found = known_again(again, [replace(SKETCH, neurons=(changed, *rest))])
    assert found.neurons is again.neurons
    assert found.tensors is SKETCH.tensors


def test_the_order_of_tensors_and_their_number_count(again):
    for tensors in (SKETCH.tensors[::-1], SKETCH.tensors[1:]):
        assert known_again(again, [replace(SKETCH, tensors=tensors)]) is again


def test_answers_about_a_copy_are_those_about_it(monkeypatch, tmp_path):
    base = trained(1)
    files = [saved(weights, tmp_path / f"{n}.safetensors") for n, weights in enumerate((base, tuned(base, 2, 0.05)))]
    assert [done.error for done in api.ingest(files, tmp_path / "index")] == [None, None]
    query = api.sketch(files[1])

    def said():
        answer = api.whois(replace(query), tmp_path / "index", reference=False)
        return report.json.whois(replace(answer, timings=Timings(0.0, 0.0, 0.0, 0.0)))

    shared = said()
    monkeypatch.setattr("lineage.sketch.known_again.known_again", lambda sketch, _: sketch)
    assert said() == shared
