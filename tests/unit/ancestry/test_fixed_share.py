"""Fixed tables are nobody's: a model that is mostly one still descends as a whole."""

from __future__ import annotations

import numpy as np

from lineage.ancestry import compare
from lineage.types.facts.schemes import UnitScales
from tests.synthetic import sketch

RNG = np.random.default_rng(8)
TURNS = 2 * np.pi * np.outer(np.arange(65), np.arange(128)) / 128
STFT = (np.hanning(129)[:128] * np.vstack([np.cos(TURNS), np.sin(TURNS)])).astype(np.float32)
NETWORK = {
    "conv1.weight": RNG.standard_normal((32, 3, 3, 3)).astype(np.float32),
    "conv2.weight": RNG.standard_normal((16, 32, 3, 3)).astype(np.float32),
}


def test_a_network_behind_a_large_table_is_re_encoded_and_not_reused() -> None:
    whole = sketch({"basis": STFT, **NETWORK})
    half = sketch({"basis": STFT, **{name: array.astype(np.float16) for name, array in NETWORK.items()}})
    found = compare(half, whole)
    assert found.excluded[0].tensor == "basis"
    assert found.share < 0.5
    assert (found.relation, found.verdict) == ("re-encoded", "derived")


def test_a_folded_norm_is_a_change_of_form() -> None:
    gains = np.exp(RNG.standard_normal((16, 1, 1, 1))).astype(np.float32)
    folded = {**NETWORK, "conv2.weight": NETWORK["conv2.weight"] * gains}
    found = compare(sketch(folded), sketch(NETWORK))
    assert (found.relation, found.components[0].schemes) == ("re-encoded", (UnitScales(),))
