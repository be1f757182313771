"""Files of Equinox that someone made to hurt: arrays behind an array, and the line before them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lineage.checkpoints.formats import equinox
from lineage.errors import CheckpointError, Malformed, Truncated, UnsupportedDtype
from tests.equinox_files import leaves
from tests.hostile.numpy.test_hostile_numpy import OBJECTS, described, npy
from tests.hostile_files import refused

FIRST = leaves([np.ones(6, np.float32)])

BEHIND: dict[str, tuple[bytes, type[CheckpointError], str]] = {
    "objects, which are a pickle": (npy(described("'|O'"), OBJECTS), UnsupportedDtype, "a pickle: never loaded"),
    "a call for a shape": (npy(described(shape="(__import__('os').mkdir('ran'),)")), Malformed, "without descr"),
    "a shape that overflows": (npy(described(shape="(4611686018427387904, 8)")), Malformed, "overflows"),
    "a shape of numbers that overflows": (npy(described("'<i8'", shape=f"({'9' * 18}, 8)")), Malformed, "overflows"),
    "thousands of sides": (npy(described("'<i8'", shape=f"({'9,' * 4900})")), Malformed, "4900 dimensions"),
    "no elements": (npy(described(shape="(0, 4)")), Malformed, "'leaf.1' has no elements"),
    "a header of gigabytes": (npy("", version=2, length=(1 << 32) - 1), Malformed, "header of 4,294,967,295 bytes"),
    "a version of its own": (npy(described(), version=9), Malformed, "not a .npy file of version 1 to 3"),
    "less than it says": (npy(described(shape="(5,)")), Truncated, "'leaf.1' needs 20 bytes, has 16"),
    "zeros": (bytes(16), Malformed, "16 unexpected bytes after array 'net'"),
    "zeros behind another": (FIRST + bytes(16), Malformed, "16 unexpected bytes after array 'leaf.1'"),
}


@pytest.mark.parametrize(("content", "kind", "said"), BEHIND.values(), ids=BEHIND.keys())
def test_what_lies_behind_is_refused_in_one_line(
    content: bytes, kind: type[CheckpointError], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.eqx").write_bytes(FIRST + content)
    refused(tmp_path / "net.eqx", kind, said)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("line", "kind", "said"),
    [
        (b"{" * 5000 + b"\n", Malformed, "its line of settings is not valid JSON"),
        (b'{"a":' + b"[" * 60_000 + b"\n", Malformed, "nested too deeply|not valid JSON"),
        (b'{"a": 1, "a": 2}\n', Malformed, "the name 'a' appears twice"),
        (b'{"a": "' + b"x" * 70_000 + b'"}\n', Malformed, "not valid JSON"),
        (b'{"a": 1}', Malformed, "not valid JSON"),
        (b"[1, 2]\n", Malformed, "is not a JSON object"),
    ],
)
def test_a_line_of_settings_that_is_none(line: bytes, kind: type[CheckpointError], said: str, tmp_path: Path) -> None:
    (tmp_path / "net.eqx").write_bytes(line + FIRST)
    refused(tmp_path / "net.eqx", kind, said)


def test_more_leaves_than_any_model_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(equinox, "MAX_LEAVES", 5)
    (tmp_path / "net.eqx").write_bytes(FIRST * 6)
    refused(tmp_path / "net.eqx", Malformed, "holds more than 5 arrays: damaged, or crafted to hang")
