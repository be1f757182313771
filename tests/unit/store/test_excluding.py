"""An index with one model left out answers like one that never had it."""

from __future__ import annotations

import numpy as np
import pytest

from lineage.errors import Unknown
from lineage.sketch import write_sketch
from lineage.sketch.vectors import model_vector, query_vectors
from lineage.store import SKETCHES, SketchFolder, Without
from tests.small_models import sketched, trained, tuned

MODELS = [sketched(trained(1), "a"), sketched(tuned(trained(1), 2), "b"), sketched(trained(3), "c")]
OUT, *REST = MODELS


def folder(path, sketches):
    (path / SKETCHES).mkdir(parents=True)
    for sketch in sketches:
        write_sketch(sketch, path / SKETCHES / f"{sketch.id}.sketch")
    return SketchFolder(path)


@pytest.fixture
def both(tmp_path):
    return Without(folder(tmp_path / "all", MODELS), OUT.id), folder(tmp_path / "rest", REST)


def test_it_holds_the_others(both):
    without, rest = both
    assert len(without) == len(rest) == 2
    assert [record.name for record in without.models()] == ["b", "c"]
    assert without.id == rest.id
    assert without.load(REST[0].id).id == REST[0].id
    with pytest.raises(Unknown):
        without.load(OUT.id)


def test_searches_find_what_they_would_find_without_it(both):
    without, rest = both
    digests = [d for sketch in MODELS for t in sketch.tensors for d in (t.digest, t.band_digest) if d]
    assert without.same_digests(digests) == rest.same_digests(digests)
    assert without.nearest_models(model_vector(OUT), 2) == rest.nearest_models(model_vector(OUT), 2)
    ours, theirs = (one.nearest_tensors(query_vectors(OUT), 3) for one in both)
    assert [hits[0].model_id for hits in ours] == [hits[0].model_id for hits in theirs]
    scores = ([[hit.score for hit in hits] for hits in found] for found in (ours, theirs))
    np.testing.assert_allclose(*scores, atol=1e-5)  # of equal scores either may come first


def test_a_model_that_is_not_there_can_be_left_out_too(both):
    _, rest = both
    assert Without(rest, OUT.id).nearest_models(model_vector(OUT), 9) == rest.nearest_models(model_vector(OUT), 9)
    assert Without(rest, OUT.id).id == rest.id
