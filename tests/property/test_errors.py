"""What strangers write into files, names and schemas never moves a cursor or a line through an error."""

from __future__ import annotations

import json
import sqlite3

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lineage import errors
from lineage.checkpoints import open_checkpoint
from lineage.errors import CheckpointError, Contradicted, LineageError, Malformed, SeveralModels
from lineage.printable import printable
from lineage.store import SqliteIndex

KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, LineageError) and kind not in (Contradicted, SeveralModels)
]
ODD = "I\x7f4\u202e\ud800\n"


@given(st.text(st.characters(exclude_categories=())))
@example(ODD)
def test_printable_text_is_printable_one_to_one_and_stays(text):
    shown = printable(text)
    assert shown.isprintable()
    assert printable(shown) == shown
    assert shown == text or not text.isprintable()


def test_every_error_is_one_printable_line():
    assert len(KINDS) > 12
    for kind in KINDS:
        error = kind("model\x1b[2J", ODD) if issubclass(kind, CheckpointError) else kind(ODD)
        assert str(error).isprintable()
        assert "I\\x7f4\\u202e\\ud800\\x0a" in str(error)
    for own in (Contradicted("a", ODD, ODD), SeveralModels(ODD, [ODD])):
        assert str(own).isprintable()


def test_a_type_that_a_header_names_with_a_control_character_is_named_in_a_printable_line(tmp_path):
    header = json.dumps({"a": {"dtype": "I\x7f4", "shape": [1], "data_offsets": [0, 4]}}).encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    with pytest.raises(CheckpointError) as caught:
        open_checkpoint(path)
    assert str(caught.value).isprintable()
    assert "'I\\x7f4'" in str(caught.value)


def test_a_schema_with_a_control_character_is_damage_told_in_a_printable_line(tmp_path):
    SqliteIndex.create(tmp_path / "index").close()
    with sqlite3.connect(tmp_path / "index" / "lineage.sqlite", isolation_level=None) as db:
        db.execute("PRAGMA writable_schema=ON")
        db.execute("UPDATE sqlite_master SET sql = replace(sql, '(', char(127) || '(') WHERE name = 'models'")
    db.close()
    with pytest.raises(Malformed, match=r"lineage rebuild") as caught:
        SqliteIndex.open(tmp_path / "index")
    assert str(caught.value).isprintable()
    assert "x7f" in str(caught.value)
