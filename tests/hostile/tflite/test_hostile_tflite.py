"""TFLite files that someone made to hurt."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from lineage.checkpoints import open_checkpoint
from lineage.checkpoints.wire import flatbuffers
from lineage.errors import CheckpointError, Malformed, Truncated
from tests.hostile_files import refused_at_opening
from tests.tflite_files import Table, Tables, flatbuffer, tensor, tflite

WEIGHT = np.ones((2, 2), np.float32)


def refused(path: Path, content: bytes, kind: type[CheckpointError], text: str) -> None:
    path.write_bytes(content)
    refused_at_opening(path, kind, text)


def test_a_root_behind_the_file(tmp_path: Path) -> None:
    refused(
        tmp_path / "a.tflite", struct.pack("<I", 1 << 31) + b"TFL3" + bytes(60), Truncated, "is needed, the file has 68"
    )


def test_a_root_that_is_its_own_table_of_fields(tmp_path: Path) -> None:
    """The offset to the fields is zero: the table describes itself."""
    (tmp_path / "a.tflite").write_bytes(struct.pack("<I", 8) + b"TFL3" + bytes(60))
    with pytest.raises(CheckpointError):
        open_checkpoint(tmp_path / "a.tflite")


def test_a_table_of_fields_before_the_file(tmp_path: Path) -> None:
    content = struct.pack("<I", 8) + b"TFL3" + struct.pack("<i", 1 << 30) + bytes(60)
    refused(tmp_path / "a.tflite", content, Truncated, "is needed, the file has 72")


def test_a_list_of_four_thousand_million_tables(tmp_path: Path) -> None:
    content = bytearray(tflite([tensor("w", (2, 2), 0, 1)], [WEIGHT.tobytes()]))
    at = content.index(struct.pack("<I", 16) + WEIGHT.tobytes())
    content[at : at + 4] = b"\xff\xff\xff\xff"
    refused(tmp_path / "a.tflite", bytes(content), Truncated, "a list ends at byte 4,294,967")


def test_tables_that_are_named_again_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flatbuffers, "MAX_TABLES", 50)
    refused(
        tmp_path / "a.tflite", tflite([tensor("w", (2, 2), 0, 1)] * 60, [WEIGHT.tobytes()]), Malformed,
        "has more than 50 tables: damaged, or crafted to hang",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("lie", "kind", "text"),
    [
        (tensor("w", (1 << 30, 1 << 30), 0, 1), Malformed, "overflows"),
        (tensor("w", (2, 3), 0, 1), Malformed, "needs 24 bytes, 16 are there"),
        (tensor("w", (-2, 2), 0, 1), Malformed, "has a negative side"),
        (tensor("w", (2, 2), 0, 9), Malformed, "lies in buffer 9 of 2"),
        (tensor("w", (2, 2), 99, 1), CheckpointError, "has type 99, unknown here"),
        (tensor("w\n", (2, 2), 0, 1), Malformed, "too long, or with control characters"),
    ],
)
def test_a_tensor_that_lies(lie: Table, kind: type[CheckpointError], text: str, tmp_path: Path) -> None:
    refused(tmp_path / "a.tflite", tflite([lie], [WEIGHT.tobytes()]), kind, text)


@pytest.mark.parametrize(("offset", "size"), [(1 << 63, 16), (8, 1 << 62), (100_000, 16)])
def test_values_behind_the_file(offset: int, size: int, tmp_path: Path) -> None:
    graph = Table({0: Tables([tensor("w", (2, 2), 0, 0)])})
    buffer = Table({1: ("Q", offset), 2: ("Q", size)})
    content = flatbuffer(Table({2: Tables([graph]), 4: Tables([buffer])}))
    refused(tmp_path / "a.tflite", content, Truncated, "a buffer ends at byte")
