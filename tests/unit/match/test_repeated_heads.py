"""Key and value heads that a conversion wrote several times are those of the model that has them once."""

from __future__ import annotations

import numpy as np
import pytest

from lineage.ancestry import compare
from lineage.types import Depth
from tests.packed_models import CONFIG, HEADS, SIDE, dense, in_pairs
from tests.small_models import tuned
from tests.synthetic import Arrays, sketch

GROUPS = 2


def repeated(model: Arrays) -> Arrays:
    """Each key and value head once for every query head that shares it."""
    made = dict(model)
    for name, array in model.items():
        if "k_proj" in name or "v_proj" in name:
            heads = np.repeat(array.reshape(GROUPS, SIDE, -1), HEADS // GROUPS, axis=0)
            made[name] = heads.reshape(HEADS * SIDE, -1)
    return made


GROUPED = dense(1, GROUPS)


@pytest.mark.parametrize("depth", ["full", "sampled"])
def test_the_model_is_the_same(depth: Depth) -> None:
    once, often = (sketch(arrays, depth, config=CONFIG) for arrays in (GROUPED, repeated(GROUPED)))
    for found in (compare(once, often), compare(often, once)):
        assert (found.verdict, found.relation, found.direction) == ("identical", "re-encoded", "undirected")


def test_repeated_rotary_rows_in_pairs() -> None:
    found = compare(sketch(repeated(in_pairs(GROUPED)), config={}), sketch(GROUPED, config=CONFIG))
    assert found.relation == "re-encoded"


def test_tuned_before_is_fine_tuned() -> None:
    child = sketch(repeated(tuned(GROUPED, seed=5, by=0.1)), config=CONFIG)
    assert compare(child, sketch(GROUPED, config=CONFIG)).relation == "fine-tuned"


def test_others_stay_independent() -> None:
    found = compare(sketch(repeated(dense(2, GROUPS)), config=CONFIG), sketch(GROUPED, config=CONFIG))
    assert (found.verdict, found.relation) == ("independent", "independent")


def test_more_heads_that_repeat_nothing_are_left_alone() -> None:
    """As many rows as if they repeated, and all of them different."""
    other = GROUPED | {name: array for name, array in dense(1).items() if "k_proj" in name or "v_proj" in name}
    found = compare(sketch(other, config=CONFIG), sketch(GROUPED, config=CONFIG))
    assert found.verdict != "identical"
