"""An index as the version before wrote it: a model from weights and one handed over, which its rows do not tell.

`index-3` has the tables of migration m003; beside them lie the weights of both models.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lineage import api
from lineage.store import SqliteIndex, examine, rebuild

FOLDER = Path(__file__).parent / "index-3"
IDS = {"seen": "6beb297e81f515753d362088e7356bb2", "handed": "29e13ed77dcf9f7f7a46e8c26c04592c"}


@pytest.fixture
def older(tmp_path: Path) -> Path:
    folder = tmp_path / "index"
    folder.mkdir()
    shutil.copy(FOLDER / "lineage.sqlite", folder)
    shutil.copytree(FOLDER / "sketches", folder / "sketches")
    return folder


def told(folder: Path) -> dict[str, tuple[str, str, bool | None]]:
    with SqliteIndex.open(folder) as index:
        assert [finding for finding in examine(index) if finding.is_damage] == []
        return {r.name: (r.id, r.source, r.weights_seen) for r in index.models()}


KEPT = {
    "seen": (IDS["seen"], "/models/seen.safetensors", None),
    "handed": (IDS["handed"], "/models/handed.sketch", None),
}


def test_its_models_stay_and_nobody_says_that_their_weights_were_seen(older):
    assert told(older) == KEPT


def test_a_rebuild_keeps_them_so(older):
    assert rebuild(older, "0.0.test").models == 2
    assert told(older) == KEPT


def test_the_weights_settle_it_and_a_sketch_does_not(older):
    done = list(api.ingest([FOLDER / "seen.safetensors"], older))
    assert [one.event for one in done] == ["unchanged"]
    done = list(api.ingest([FOLDER / "sketches" / f"{IDS['handed']}.sketch"], older))
    assert [(one.event, one.weights_seen) for one in done] == [("unchanged", False)]
    assert {name: seen for name, (_, _, seen) in told(older).items()} == {"seen": True, "handed": None}
    list(api.ingest([FOLDER / "handed.safetensors"], older))
    assert {name: seen for name, (_, _, seen) in told(older).items()} == {"seen": True, "handed": True}
