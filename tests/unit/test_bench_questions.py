"""The benchmark of questions asks about every model, twice, and says what each round took."""

from __future__ import annotations

from bench_questions import ROUNDS, asked, report

from lineage import api
from tests.small_models import saved, trained, tuned


def test_each_model_is_asked_about(tmp_path):
    files = [saved(tuned(trained(1), n, 0.05), tmp_path / f"{n}.safetensors") for n in range(2)]
    assert [done.error for done in api.ingest(files, tmp_path / "index")] == [None, None]
    sketches = sorted((tmp_path / "index" / "sketches").rglob("*.sketch"))
    took = [*asked(sketches, tmp_path / "index", "one")]
    assert len(took) == 2
    assert min(took) > 0.0


def test_the_first_question_stands_beside_the_median():
    text = report({ROUNDS[0]: [9.0, 1.0, 2.0], ROUNDS[1]: [0.5, 0.5, 0.25]})
    assert "| asked about for the first time | 3 | 2.00 s | 9.00 s | 12.0 s |" in text
    assert "| again, under another name | 3 | 0.50 s | 0.50 s | 1.2 s |" in text
