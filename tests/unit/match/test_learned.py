"""What no initialisation gives: nothing of an initialisation and its neighbours, much of what was learned."""

from __future__ import annotations

import numpy as np
import pytest

from lineage.match.learned import learned

KINDS, COUNT = 3, 256


def drawn(seed: int, *, dimensions: int = 32) -> np.ndarray:
    """Codes of an initialisation (kinds, n, 32), in so many dimensions."""
    random = np.random.default_rng(seed)
    basis = np.linalg.qr(random.standard_normal((32, dimensions)))[0]
    return random.standard_normal((KINDS, COUNT, dimensions)) @ basis.T


def held(a: np.ndarray, b: np.ndarray) -> float:
    unit = [(one / np.linalg.norm(one, axis=2, keepdims=True)).astype(np.float32) for one in (a, b)]
    sizes = [np.log(np.linalg.norm(one[0], axis=1)) for one in (a, b)]
    return learned(unit[0], unit[1], (sizes[0], sizes[1]), 1)


@pytest.mark.parametrize("dimensions", [32, 15])
@pytest.mark.parametrize("apart", [0.0, 0.1, 0.5])
def test_an_initialisation_in_common_is_nothing_learned(dimensions, apart):
    begun = drawn(1, dimensions=dimensions)
    sides = [begun + apart * np.roll(begun, seed, axis=1) for seed in (3, 7)]
    assert abs(held(*sides)) < 0.3


def stretched(codes: np.ndarray) -> np.ndarray:
    """Some directions count more than others."""
    return codes * np.linspace(0.3, 1.7, 32)


def uneven(codes: np.ndarray) -> np.ndarray:
    """Some neurons count more than others."""
    return codes * np.random.default_rng(5).gamma(2.0, 0.5, (COUNT, 1))


def linked(codes: np.ndarray) -> np.ndarray:
    """What a neuron writes follows from what it reads."""
    return np.stack([codes[0], codes[1], codes[2] + 1.5 * codes[0]])


def shifted(codes: np.ndarray) -> np.ndarray:
    """All neurons have something in common."""
    return codes + np.random.default_rng(6).standard_normal(32)


@pytest.mark.parametrize("training", [stretched, uneven, linked, shifted])
def test_what_both_learned_alike_is_seen_whatever_it_is(training):
    begun = drawn(1)
    assert held(training(begun), training(begun)) > 2.0 * max(0.1, abs(held(begun, begun)))
    assert held(training(begun), begun) < 0.5 * held(training(begun), training(begun))


def test_it_does_not_matter_which_of_two_is_asked_about_nor_in_which_basis():
    a, b = uneven(drawn(1)), stretched(uneven(drawn(1)))
    turn = np.linalg.qr(np.random.default_rng(2).standard_normal((32, 32)))[0]
    assert held(a, b) == pytest.approx(held(b, a), rel=0.01)
    assert held(a @ turn, b @ turn) == pytest.approx(held(a, b), rel=0.01)
