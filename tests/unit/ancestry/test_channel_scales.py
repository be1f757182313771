"""A folded batch norm is distinguished from training, however light."""

from __future__ import annotations

import numpy as np
import pytest

from lineage.ancestry.pair.channel_scales import scaled_by_unit

RNG = np.random.default_rng(4)
WEIGHTS = RNG.standard_normal((16, 40)).astype(np.float32)
GAINS = np.exp(RNG.standard_normal(16)).astype(np.float32)


@pytest.mark.parametrize(
    "folded",
    [
        WEIGHTS * GAINS[:, None],
        (WEIGHTS * GAINS[:, None]).astype(np.float16).astype(np.float32),
        WEIGHTS * np.exp(RNG.standard_normal(40)).astype(np.float32),
        WEIGHTS * np.float32(1 + 2.0**-22),
    ],
    ids=["outputs", "outputs, then half precision", "inputs", "computed in another order"],
)
def test_scales_of_units_are_a_change_of_form(folded: np.ndarray) -> None:
    assert scaled_by_unit(folded, WEIGHTS)


@pytest.mark.parametrize("step", [1e-5, 1e-4, 1e-3, 1e-2, 1.0])
def test_training_is_not(step: float) -> None:
    trained = WEIGHTS + step * RNG.standard_normal(WEIGHTS.shape).astype(np.float32)
    assert not scaled_by_unit(trained, WEIGHTS)
    assert not scaled_by_unit(trained * GAINS[:, None], WEIGHTS) or step < 1e-3


def test_other_weights_signs_and_single_values_are_not() -> None:
    assert not scaled_by_unit(RNG.standard_normal((16, 40)).astype(np.float32), WEIGHTS)
    assert not scaled_by_unit(-WEIGHTS, WEIGHTS)
    assert not scaled_by_unit(WEIGHTS[:3, :2], WEIGHTS[3:6, :2])
    assert not scaled_by_unit(WEIGHTS, np.zeros_like(WEIGHTS))
