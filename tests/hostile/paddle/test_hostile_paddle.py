"""Paddle parameters that someone made to hurt."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from lineage.errors import CheckpointError, Malformed, Truncated, UnsupportedDtype
from tests.hostile_files import refused, refused_at_opening
from tests.onnx_files import field
from tests.record_files import paddle_program, paddle_record

ONES = paddle_record(np.ones((2, 3), np.float32))


def record(sides: tuple[int, ...], kind: int = 5, data: bytes = b"", size: int | None = None) -> bytes:
    described = field(1, kind) + b"".join(field(2, side) for side in sides)
    return struct.pack("<IQIi", 0, 0, 0, len(described) if size is None else size) + described + data


HOSTILE: dict[str, tuple[bytes, type[CheckpointError], str]] = {
    "values beyond the file": (record((1 << 40, 1 << 20)), Truncated, "is needed, the file has"),
    "a shape that overflows": (record((1 << 62, 1 << 62)), Truncated, "is needed, the file has"),
    "negative sides": (record((-4, 2)), Malformed, "has a negative side"),
    "no elements": (record((0, 2)), Malformed, "has no elements"),
    "hundreds of dimensions": (record((1,) * 200, data=bytes(4)), Malformed, "200 dimensions"),
    "an unknown type": (record((2,), kind=99), UnsupportedDtype, "Paddle's type 99"),
    "a description beyond the file": (record((2,), size=400), Truncated, "is needed, the file has"),
    "a second record of another version": (ONES + b"\1" * 40, Malformed, "no parameter begins"),
    "half a head": (ONES + bytes(9), Truncated, "is needed, the file has"),
    "a file behind": (ONES + b"PK\3\4" * 9, Malformed, "no parameter begins"),
}


@pytest.mark.parametrize(("content", "kind", "said"), HOSTILE.values(), ids=HOSTILE.keys())
def test_is_refused_in_one_line(content: bytes, kind: type[CheckpointError], said: str, tmp_path: Path) -> None:
    path = tmp_path / "net.pdiparams"
    path.write_bytes(content)
    refused(path, kind, said)


def test_very_many_parameters_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.pdiparams"
    path.write_bytes(record((0,)) * 150_000)
    refused(path, Malformed, "has no elements")
    path.write_bytes(record((0,)) * 300_000)
    refused_at_opening(path, Malformed, "no parameter begins")


@pytest.mark.parametrize("name", ["\x1b[2J", "w" * 2000])
def test_a_program_with_names_that_cannot_be_shown(name: str, tmp_path: Path) -> None:
    (tmp_path / "net.pdmodel").write_bytes(paddle_program([name]))
    path = tmp_path / "net.pdiparams"
    path.write_bytes(ONES)
    refused(path, Malformed, "is named")


@pytest.mark.parametrize("content", [b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", b"\x0a\x05\x1a", b"\xff" * 99])
def test_a_program_that_is_none(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "net.pdmodel").write_bytes(content)
    path = tmp_path / "net.pdiparams"
    path.write_bytes(ONES)
    refused(path, CheckpointError, "net.pdmodel")


def test_a_program_behind_a_link_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "net.pdmodel").write_bytes(paddle_program(["w"]))
    (tmp_path / "in/net.pdmodel").symlink_to(tmp_path / "net.pdmodel")
    path = tmp_path / "in/net.pdiparams"
    path.write_bytes(ONES)
    refused(path, Malformed, "outside the folder: refused")
