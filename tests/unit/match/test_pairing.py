"""Networks whose files name and order their kernels in other ways: each kernel is held against its own counterpart."""

from __future__ import annotations

import numpy as np
import pytest

from lineage.ancestry import compare
from lineage.match.pairing import pair_tensors
from lineage.types import CheckpointSketch
from tests.synthetic import Arrays, sketch

BLOCKS = 4


def mobile(seed: int) -> Arrays:
    """Blocks of a depthwise and a pointwise kernel, two of them of one shape each, and a head like another block."""
    rng = np.random.default_rng(seed)
    arrays = {"stem.weight": rng.standard_normal((48, 3, 3, 3))}
    for block in range(BLOCKS):
        gain = rng.gamma(4, 0.25, (48, 1, 1, 1))
        arrays[f"blocks.{block}.depthwise.weight"] = rng.standard_normal((48, 1, 3, 3)) * gain
        arrays[f"blocks.{block}.pointwise.weight"] = rng.standard_normal((48, 48, 1, 1)) * gain
    arrays["head.depthwise.weight"] = rng.standard_normal((48, 1, 3, 3))
    return {name: array.astype(np.float32) for name, array in arrays.items()}


NET = mobile(1)


def folded(arrays: Arrays, order: list[str], kept: tuple[str, ...] = ()) -> Arrays:
    """As an export has it: kernels numbered in whatever order, with a batch norm folded into all but those `kept`."""
    rng = np.random.default_rng(2)
    gains = {name: np.exp(rng.standard_normal((48, 1, 1, 1))).astype(np.float32) for name in arrays}
    return {
        f"{240 + 3 * number}.weight": arrays[name] * (1 if name in kept else gains[name])
        for number, name in enumerate(order)
    }


def partners(a: CheckpointSketch, b: CheckpointSketch) -> list[str]:
    return [b.tensors[pair.b].name for pair in pair_tensors(a, b, models=1)]


@pytest.mark.parametrize("kept", [(), ("head.depthwise.weight",), ("blocks.3.depthwise.weight", "stem.weight")])
@pytest.mark.parametrize("seed", range(3))
def test_each_kernel_of_an_export_in_another_order_faces_its_own(kept: tuple[str, ...], seed: int) -> None:
    order = [str(name) for name in np.random.default_rng(seed).permutation(list(NET))]
    a, b = sketch(folded(NET, order, kept)), sketch(NET)
    assert partners(a, b) == order
    if kept:  # which axes are hidden units, nothing tells here; equal values do not need it
        assert compare(a, b).relation == compare(b, a).relation == "re-encoded"


def test_a_copy_that_lies_elsewhere_in_the_order_takes_the_place_of_no_other() -> None:
    order = ["head.depthwise.weight", *(name for name in NET if name != "head.depthwise.weight")]
    a, b = sketch(folded(NET, order, ("head.depthwise.weight",))), sketch(NET)
    assert len(set(partners(a, b))) == len(NET)


def test_other_kernels_find_no_partner() -> None:
    """The best of many is none: what order has paired stays, and says nothing."""
    found = compare(sketch(folded(mobile(9), list(NET))), sketch(NET))
    assert found.relation == "inconclusive"
    assert found.evidence.log10_p > -3
