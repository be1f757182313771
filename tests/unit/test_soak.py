"""The soak: what its journals say of an index, and that a short one finds nothing."""

from __future__ import annotations

import json
from pathlib import Path

import soak as script

from lineage import api
from tests.systems import needs_linux

pytestmark = needs_linux


def journal(*lines: tuple[str, str] | tuple[str, str, str]) -> list[str]:
    return [json.dumps({kind: what, "model": 0, **({"told": told[0]} if told else {})}) for kind, what, *told in lines]


def test_what_was_ended_is_and_what_was_cut_off_may_be():
    may, ended, differences = script.states(
        journal(("begun", "sketch"), ("ended", "sketch", "done"), ("begun", "weights"))
    )
    assert (may[0], may[1], differences) == ({"claimed", "seen"}, {"absent"}, [])
    assert ended == {"sketch: done": 1}


def test_what_was_cut_off_and_followed_by_another_ending_is_that():
    lines = journal(("begun", "weights"), ("begun", "remove"), ("ended", "remove", "done"))
    assert script.states(lines)[0][0] == {"absent"}
    lines = journal(("begun", "weights"), ("begun", "sketch"), ("ended", "sketch", "no room"))
    assert script.states(lines)[0][0] == {"absent", "seen"}


def test_a_difference_is_told():
    lines = [*journal(("begun", "list"), ("ended", "list", "difference: x")), "{cut off"]
    assert script.states(lines)[2] == ["difference: x"]


def test_an_index_that_is_not_what_the_journals_say_is_seen(tmp_path: Path):
    models = script.make(tmp_path, 1, 3)
    list(api.ingest([models[0][0].weights, models[0][1].sketch], tmp_path / "index"))
    may = [[{"seen"}, {"claimed"}, {"absent"}, {"absent"}, {"absent"}]]
    assert script.compared(tmp_path / "index", models, may) == []
    may[0][1] = {"seen"}
    assert script.compared(tmp_path / "index", models, may) == ["model 0-1 is claimed, and may be ['seen']"]
    may[0][1], may[0][2] = {"claimed"}, {"seen"}
    assert script.compared(tmp_path / "index", models, may) == ["model 0-2 is absent, and may be ['seen']"]


def test_a_short_one_finds_nothing(tmp_path: Path, capsys):
    assert script.main(["--seconds", "1", "--processes", "2", "--folder", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert "0 differences" in told
    assert list(tmp_path.iterdir()) == []
