"""Experts that were made of one MLP: the child of that model, the sibling of its other children."""

from __future__ import annotations

import numpy as np
import pytest
from operators import extended, layers_dropped

from lineage.ancestry import compare
from tests.packed_models import EXPERTS, WIDTH, dense
from tests.synthetic import Arrays, sketch

TOKENS = "model.embed_tokens.weight"
BASE = dense(1)


def upcycled(model: Arrays) -> Arrays:
    """A mixture whose experts are copies of the model's MLP."""
    made: Arrays = {}
    for name, array in model.items():
        layer, is_mlp, part = name.partition(".mlp.")
        copies = [f"{layer}.mlp.experts.{e}.{part}" for e in range(EXPERTS)] if is_mlp else [name]
        made |= dict.fromkeys(copies, array)
    draw = np.random.default_rng(3)
    routers = {f"model.layers.{n}.mlp.gate.weight": draw.standard_normal((EXPERTS, WIDTH)) for n in range(2)}
    return made | {name: router.astype(np.float32) for name, router in routers.items()}


def test_experts_come_from_the_model_whose_mlp_they_are():
    found = compare(sketch(upcycled(BASE)), sketch(BASE))
    assert (found.relation, found.direction) == ("expert-upcycled", "child")


@pytest.mark.parametrize(
    "shaped", [layers_dropped(BASE, {1}, r"layers\.(\d+)\."), extended(BASE, TOKENS)], ids=["shallow", "grown"]
)
def test_no_other_child_of_that_model_is_theirs(shaped):
    ours, theirs = sketch(upcycled(BASE)), sketch(shaped)
    assert [compare(ours, theirs).direction, compare(theirs, ours).direction] == ["undirected"] * 2
