"""What is prepared of a model goes when it is released, if the cache holds few such models, and can be made again."""

from __future__ import annotations

import numpy as np
import pytest

from lineage.ancestry import whois
from lineage.match import match, units
from lineage.match.units import prepare, release
from lineage.store import MemoryIndex
from lineage.types import CheckpointSketch
from tests.small_models import trained
from tests.synthetic import sketch

MANY = units._SMALL + 1


def model(seed: int, matrices: int = MANY) -> CheckpointSketch:
    random = np.random.default_rng(seed)
    return sketch({f"layers.{i}.up.weight": random.standard_normal((40, 36), np.float32) for i in range(matrices)})


def held(of: CheckpointSketch) -> int:
    """How many facts of a model's axes the caches hold."""
    mine = {*of.tensors}
    return sum(tensor in mine for cache in (units._ready, units._centred) for tensor, _ in cache)


@pytest.mark.parametrize(("matrices", "left"), [(MANY, False), (MANY - 1, True)])
def test_a_large_model_is_released_and_a_small_one_stays(matrices, left):
    ours, theirs = model(1, matrices), model(2, matrices)
    prepare(ours, theirs)
    assert held(theirs) >= matrices
    release(theirs)
    assert bool(held(theirs)) == left
    assert held(ours) >= matrices


def test_a_model_that_was_released_is_matched_as_before():
    ours, theirs = model(1), model(2)
    before = match(ours, theirs)
    release(theirs)
    release(theirs)
    after = match(ours, theirs)
    assert (after.tensors, after.components) == (before.tensors, before.components)


def test_a_question_leaves_nothing_of_strangers_and_keeps_relatives(monkeypatch):

    base = trained(1)
    noise = np.random.default_rng(3)
    child = {
        name: w + np.float32(0.02 * w.std()) * noise.standard_normal(w.shape, np.float32) for name, w in base.items()
    }
    relative, stranger, query = (
        sketch(arrays, name=name) for name, arrays in (("r", base), ("s", trained(2)), ("q", child))
    )
    monkeypatch.setattr(units, "_SMALL", 0)
    whois(query, [MemoryIndex([relative, stranger])])
    assert held(stranger) == 0
    assert held(relative) > 0
