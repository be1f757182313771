"""Bars are for people who wait: on standard error, on a terminal, after a second."""

from __future__ import annotations

import sys

import pytest

from lineage.cli import progress as bars


def test_no_terminal_no_bars():
    with bars.progress() as watch:
        assert watch is None


@pytest.mark.parametrize(("patience", "is_drawn"), [(0.0, True), (3600.0, False)])
def test_bars_come_after_a_while_and_never_to_standard_output(capsys, monkeypatch, patience, is_drawn):
    monkeypatch.setattr(bars, "_PATIENCE_S", patience)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with bars.progress() as watch:
        watch("/models/big\x1b[2J.safetensors", 5, 10)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert ("big\\x1b[2J.safetensors" in captured.err) == is_drawn
