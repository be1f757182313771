"""Token tables that one file holds once and another once for each place: the same content."""

from __future__ import annotations

import numpy as np
import pytest

from lineage.sketch.layouts import content_key, same_weights, translation
from lineage.sketch.tied import copies, facing
from lineage.types import CheckpointSketch
from tests.synthetic import HIDDEN, VOCAB, Arrays, encoder, sketch

TABLE = "bert.embeddings.word_embeddings.weight"
PLAIN = encoder(1, 2)
COPY = {**PLAIN, "lm_head.weight": PLAIN[TABLE].copy()}
OTHER = np.random.default_rng(3).standard_normal((VOCAB, HIDDEN)).astype(np.float32)


def model(arrays: Arrays) -> CheckpointSketch:
    return sketch(arrays, config={})


def names(tensors: tuple[object, ...]) -> set[str]:
    return {t.name for t in tensors}  # type: ignore[attr-defined]


def test_a_copy_is_the_same_content() -> None:
    one, other = model(PLAIN), model(COPY)
    assert list(copies(other)) == ["lm_head.weight"]
    assert copies(one) == {}
    assert content_key(one) == content_key(other)
    assert same_weights(one, other)
    assert same_weights(other, one)
    assert names(other.tensors) - copies(other).keys() == set(PLAIN)


def test_each_layout_is_translated_into_the_other() -> None:
    for a, b in ((PLAIN, COPY), (COPY, PLAIN)):
        into = translation(model(a), model(b))
        assert into is not None
        assert set(into) == set(PLAIN)


@pytest.mark.parametrize("head", [OTHER, np.vstack([PLAIN[TABLE], OTHER[:8]])], ids=["trained", "longer"])
def test_another_head_is_other_content(head: np.ndarray) -> None:
    one, other = model(PLAIN), model({**PLAIN, "lm_head.weight": head})
    assert copies(other) == {}
    assert not same_weights(one, other)
    assert content_key(one) != content_key(other)


def test_a_copy_that_faces_a_table_stays() -> None:
    """One of the two may have been trained apart."""
    tied, apart = model(COPY), model({**PLAIN, "lm_head.weight": OTHER})
    assert facing(tied, apart) is tied
    assert facing(apart, tied) is apart
    assert names(facing(tied, model(PLAIN)).tensors) == set(PLAIN)


def test_layers_that_were_doubled_are_not_copies_of_tables() -> None:
    doubled = PLAIN | {n.replace("layer.1.", "layer.2."): w.copy() for n, w in PLAIN.items() if "layer.1." in n}
    assert not same_weights(model(PLAIN), model(doubled))
    assert content_key(model(PLAIN)) != content_key(model(doubled))
