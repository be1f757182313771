"""A watched folder: what appears is ingested once it no longer grows, what fails is said once."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from types import SimpleNamespace

from lineage import api
from lineage.api import watching
from tests.cli.conftest import Desk, Run, start
from tests.small_models import published, saved, trained
from tests.systems import needs_signals


def test_what_is_there_is_added_once(run: Run, desk: Desk):
    folder = desk.folder / "zoo"
    folder.mkdir()
    assert run("watch", folder, "--once", "--every", "0.05", "--index", desk.index).out == ""
    published(trained(1), folder / "one")
    saved(trained(2), folder / "two.safetensors")
    words = ("watch", folder, "--once", "--every", "0.05", "--index", desk.index, "--json")
    assert {one["event"] for one in run(*words).lines} == {"ingested"}
    assert [one["event"] for one in run(*words).lines] == ["unchanged", "unchanged"]


def test_a_model_that_grows_waits_and_one_that_changes_is_added_again(tmp_path: Path, monkeypatch):
    folder = tmp_path / "zoo"
    folder.mkdir()
    whole = saved(trained(1), tmp_path / "whole.safetensors").read_bytes()
    place = folder / "model.safetensors"
    place.write_bytes(whole[:100])
    looks = []

    def grow(_: float) -> None:
        looks.append(len(looks))
        if len(looks) < 4:  # it is being copied
            place.write_bytes(whole[: len(whole) * len(looks) // 3])

    monkeypatch.setattr(watching, "time", SimpleNamespace(sleep=grow))
    pace = api.Pace(is_once=True)
    (first,) = api.watch_folder(folder, tmp_path / "index", pace=pace)
    assert (first.event, len(looks)) == ("ingested", 4)


def test_what_cannot_be_read_is_said_once(tmp_path: Path, monkeypatch):
    (tmp_path / "zoo").mkdir()
    (tmp_path / "zoo" / "broken.safetensors").write_bytes(b"junk" * 100)
    saved(trained(1), tmp_path / "zoo" / "sound.safetensors")
    monkeypatch.setattr(watching, "time", SimpleNamespace(sleep=lambda _: None))
    found = list(api.watch_folder(tmp_path / "zoo", tmp_path / "index", pace=api.Pace(is_once=True)))
    assert sorted(one.event for one in found) == ["failed", "ingested"]


@needs_signals
def test_it_goes_on_until_it_is_interrupted(desk: Desk):
    folder = desk.folder / "zoo"
    folder.mkdir()
    running = start("watch", folder, "--every", "0.05", "--index", desk.index)
    try:
        time.sleep(0.5)
        saved(trained(3), folder / "late.safetensors")
        assert running.stdout is not None
        assert "late" in running.stdout.readline()
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=30)
    finally:
        running.kill()
        running.communicate()
    assert running.returncode == 130
    assert said.strip().startswith("lineage: interrupted")
