"""Random relabellings of a pair follow the null that its test assumes."""

from __future__ import annotations

import numpy as np
import pytest

from lineage.ancestry.chance import relabelled
from lineage.match import match
from lineage.match.groups import Sides
from lineage.types import CheckpointSketch
from tests.small_models import sketched, trained, tuned


def sides(a: CheckpointSketch, b: CheckpointSketch) -> list[Sides]:
    mine, theirs = ({t.name: t for t in one.tensors} for one in (a, b))
    return [(mine[m.a], theirs[m.b], m.transposed) for m in match(a, b).tensors if m.used]


@pytest.mark.parametrize("other", [tuned(trained(1), 2), trained(3)], ids=["child", "stranger"])
def test_draws_have_mean_0_and_deviation_1_whatever_the_models_are(other):
    drawn = relabelled(sides(sketched(other), sketched(trained(1))), 800)
    assert drawn is not None
    assert abs(np.mean(drawn[0])) < 4 / np.sqrt(800)
    assert abs(np.std(drawn[0]) - 1) < 0.15


def test_reach_is_the_z_of_a_copy_and_far_beyond_every_draw():
    base = sketched(trained(1))
    pairs = sides(base, base)
    drawn = relabelled(pairs, 100)
    assert drawn is not None
    z = match(base, base).overall.z
    assert z is not None
    assert max(drawn[0]) < 0.5 * z
    assert drawn[1] == pytest.approx(z, rel=0.05)


def test_draws_are_the_same_every_time_and_none_without_anything_to_test():
    pairs = sides(sketched(trained(1)), sketched(trained(3)))
    assert relabelled(pairs, 20) == relabelled(pairs, 20)
    assert relabelled([], 20) is None
