"""Pickles of arrays that someone made to hurt: nothing in them is run."""

from __future__ import annotations

import gzip
import os
import pickle
import struct
import zlib
from pathlib import Path

import lz4.frame
import numpy as np
import pytest

from lineage.errors import CheckpointError, Malformed, Truncated, UnsupportedFormat
from tests.hostile_files import refused
from tests.pickle_files import joblib_bytes

MATRIX = np.arange(12, dtype=np.float32).reshape(3, 4)


class Call:
    """Pickled as a call."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> object:
        return self.call


PACKED = {"plain": bytes, "zlib": zlib.compress, "gzip": gzip.compress, "lz4": lz4.frame.compress}
CALLS = [
    Call(os.system, "touch executed"),
    Call(eval, "open('executed', 'w')"),
    Call(os.mkdir, "executed"),
    Call(getattr, "", "join"),
    Call(np.load, "executed"),
    Call(np.fromfile, "executed"),
]


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.call[0].__name__)
@pytest.mark.parametrize(
    "pack", [bytes, zlib.compress, gzip.compress, lz4.frame.compress], ids=["plain", "zlib", "gzip", "lz4"]
)
def test_nothing_is_called(call: Call, pack: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.pkl").write_bytes(pack(pickle.dumps([MATRIX, call], 4)))  # type: ignore[operator]
    refused(tmp_path / "net.pkl", Malformed, "refused, nothing was run")
    assert os.listdir(tmp_path) == ["net.pkl"]  # noqa: PTH208


GOOD = joblib_bytes({"w": MATRIX}, padded=False)
SHAPE = b"K\x03K\x04\x86"


def reshaped(first: int, second: int) -> bytes:
    """The file with another shape."""
    sides = b"".join(b"\x8a\x08" + struct.pack("<q", side) for side in (first, second))
    assert SHAPE in GOOD
    return GOOD.replace(SHAPE, sides + b"\x86")


HOSTILE: dict[str, tuple[bytes, type[CheckpointError], str]] = {
    "a shape beyond the file": (reshaped(1 << 40, 4), Truncated, "is needed"),
    "a shape that overflows": (reshaped(1 << 47, 1 << 47), CheckpointError, "invalid shape|is needed"),
    "negative sides": (reshaped(-3, 4), Malformed, "invalid shape"),
    "no elements": (reshaped(0, 4), CheckpointError, "damaged pickle|no elements"),
    "a smaller shape": (reshaped(1, 4), CheckpointError, "damaged pickle"),
    "half of the values": (GOOD[: GOOD.index(MATRIX.tobytes()) + 20], Truncated, "is needed"),
    "objects": (joblib_bytes([np.array([{}, {}], object)]), CheckpointError, "Python objects"),
    "an unknown type": (GOOD.replace(b"f4", b"V4"), CheckpointError, "not of numbers|damaged pickle"),
    "a bomb of zlib": (zlib.compress(bytes(1 << 28)), Malformed, "inflates beyond"),
    "a bomb of lz4": (lz4.frame.compress(bytes(1 << 26)), Malformed, "inflates beyond"),
    "half of zlib": (zlib.compress(GOOD)[:-9], Truncated, "ends inside its compressed bytes"),
    "half of lz4": (lz4.frame.compress(GOOD)[:-9], Truncated, "ends inside its compressed bytes"),
    "damaged zlib": (zlib.compress(GOOD)[:20] + b"x" * 30, CheckpointError, "damaged|ends inside"),
    "damaged lz4": (lz4.frame.compress(GOOD)[:15] + b"\xff" * 200, CheckpointError, "damaged|ends inside"),
    "pickles within a compression within a compression": (
        gzip.compress(gzip.compress(GOOD)), UnsupportedFormat, "no pickle of arrays is inside",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("content", "kind", "said"), HOSTILE.values(), ids=HOSTILE.keys())
def test_is_refused_in_one_line(content: bytes, kind: type[CheckpointError], said: str, tmp_path: Path) -> None:
    path = tmp_path / "net.joblib"
    path.write_bytes(content)
    refused(path, kind, said)


def test_one_large_text_is_not_copied_for_every_array(tmp_path: Path) -> None:
    """Protocol 2 writes bytes as a text to be encoded again: the same one, mentioned a thousand times."""
    encode = b"c_codecs\nencode\nq\x01"
    content = (
        b"\x80\x02("
        + encode
        + b"0X"
        + struct.pack("<I", 8 << 20)
        + b"x" * (8 << 20)
        + b"q\x02"
        + b"0X\6\0\0\0latin1q\x030"
    )
    content += b"h\x01h\x02h\x03\x86R" * 1000 + b"l."
    path = tmp_path / "net.pkl"
    path.write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.hostile_files.SPARE", 700_000)
        refused(path, Malformed, "copies its objects without end")
