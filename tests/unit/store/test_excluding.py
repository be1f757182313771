"""An index with one model left out answers like one that never had it."""

from __future__ import annotations

import pytest

from lineage.errors import Unknown
from lineage.sketch import asked_codes, write_sketch
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
    assert len(without) == without.count("model") == len(rest) == 2
    assert [record.id for record in without.records([model.id for model in MODELS])] == [model.id for model in REST]
    assert without.called(OUT.name) == []
    assert [record.name for record in without.models()] == ["b", "c"]
    assert without.id == rest.id
    assert without.load(REST[0].id).id == REST[0].id
    with pytest.raises(Unknown):
        without.load(OUT.id)


def test_searches_find_what_they_would_find_without_it(both):
    without, rest = both
    digests = [d for sketch in MODELS for t in sketch.tensors for d in (t.digest, t.band_digest) if d]
    assert without.same_digests(digests) == rest.same_digests(digests)
    assert without.nearest(asked_codes(OUT), "model", 2) == rest.nearest(asked_codes(OUT), "model", 2)


def test_a_model_that_is_not_there_can_be_left_out_too(both):
    _, rest = both
    assert Without(rest, OUT.id).nearest(asked_codes(OUT), "model", 9) == rest.nearest(asked_codes(OUT), "model", 9)
    assert len(Without(rest, OUT.id)) == Without(rest, OUT.id).count("model") == len(rest)
    assert Without(rest, OUT.id).id == rest.id
