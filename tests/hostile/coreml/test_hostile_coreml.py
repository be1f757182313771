"""Core ML models that someone made to hurt."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from lineage.checkpoints import open_checkpoint
from lineage.errors import CheckpointError, Malformed, NoWeights, Truncated
from tests.coreml_files import (
    Blobs,
    const,
    description,
    immediate,
    in_blob,
    model,
    operation,
    package,
    product,
    program,
)
from tests.hostile_files import refused
from tests.onnx_files import field, varint

WEIGHT = np.ones((4, 4), np.float32)


def with_blobs(content: bytes) -> Blobs:
    blobs = Blobs()
    blobs.content = content
    return blobs


def record(size: int, start: int, sentinel: int = 0xDEADBEEF) -> bytes:
    return bytes(64) + struct.pack("<IIQQ40x", sentinel, 2, size, start) + WEIGHT.tobytes()


BLOBS: dict[str, tuple[bytes, int, type[CheckpointError], str]] = {
    "a record beyond the file": (bytes(64), 1 << 40, Truncated, "lies at byte 1,099,511,627,776 of 64"),
    "no record": (bytes(256), 64, Malformed, "byte 64 holds no record of 64 bytes"),
    "a record of another size": (record(1 << 50, 128), 64, Malformed, "holds no record of 64 bytes"),
    "values beyond the file": (record(64, 1 << 50), 64, Truncated, "ends at byte"),
    "values near the end of numbers": (record(64, (1 << 64) - 64), 64, Truncated, "ends at byte"),
    "half of the values": (record(64, 128)[:-1], 64, Truncated, "ends at byte 192 of 191"),
}


@pytest.mark.parametrize(("content", "offset", "kind", "said"), BLOBS.values(), ids=BLOBS.keys())
def test_a_blob_file_that_lies(
    content: bytes, offset: int, kind: type[CheckpointError], said: str, tmp_path: Path
) -> None:
    operations = [const("w", in_blob("float32", (4, 4), offset))]
    refused(package(tmp_path, operations, with_blobs(content)), kind, said)


@pytest.mark.parametrize(
    "name", ["@model_path/../../secret", "/etc/passwd", "@model_path//etc/passwd", "..", "a/../../b"]
)
def test_a_blob_file_outside_the_folder(name: str, tmp_path: Path) -> None:
    (tmp_path / "net.mlpackage").mkdir()
    (tmp_path / "net.mlpackage" / "secret").write_bytes(record(64, 128))
    operations = [const("w", in_blob("float32", (4, 4), 64, name))]
    refused(package(tmp_path, operations, with_blobs(b"")), CheckpointError, "outside the folder|are missing|regular")


def test_a_blob_file_behind_a_link_out_of_the_folder(tmp_path: Path) -> None:
    path = package(tmp_path, [const("w", in_blob("float32", (4, 4), 64))], Blobs())
    blob = path / "Data/com.apple.CoreML/weights/weight.bin"
    blob.unlink()
    blob.symlink_to("/etc/passwd")
    refused(path, Malformed, "outside the folder: refused")


HUGE = 1 << 40
VALUES: dict[str, tuple[bytes, type[CheckpointError], str]] = {
    "a shape that overflows": (in_blob("float32", (HUGE, HUGE), 64), Malformed, "overflows"),
    "no elements": (in_blob("float32", (0, 4), 64), Malformed, "has no elements"),
    "a thousand dimensions": (in_blob("float32", (1,) * 1000, 64), Malformed, "1000 dimensions"),
    "negative sides": (in_blob("float32", ((1 << 64) - 4,), 64), Malformed, "overflows"),
    "fewer values than the shape has": (
        immediate("float32", (HUGE,), [1.0]),
        Malformed,
        "needs 4,398,046,511,104 bytes",
    ),
}


@pytest.mark.parametrize(("value", "kind", "said"), VALUES.values(), ids=VALUES.keys())
def test_a_constant_that_lies(value: bytes, kind: type[CheckpointError], said: str, tmp_path: Path) -> None:
    refused(package(tmp_path, [const("w", value)], Blobs()), kind, said)


def test_blocks_without_end(tmp_path: Path) -> None:
    inner = b""
    for _ in range(200):
        inner = field(3, operation("cond", "y", inner=inner))
    refused(package(tmp_path, [operation("cond", "y", inner=inner)], Blobs()), Malformed, "nested more than 64 deep")


def test_pipelines_without_end(tmp_path: Path) -> None:
    body = model(500, product("fc", field(1, WEIGHT.tobytes()), (4, 4)))
    for _ in range(100):
        body = model(202, field(1, body))
    path = tmp_path / "net.mlmodel"
    path.write_bytes(body)
    refused(path, Malformed, "nested more than 64 deep")


def test_a_million_functions_of_one_block(tmp_path: Path) -> None:
    path = tmp_path / "net.mlmodel"
    path.write_bytes(model(502, program([], functions=1) + field(2, b"") * 2_500_000))
    refused(path, Malformed, "holds more than [0-9,]+ fields: damaged, or crafted to hang")


@pytest.mark.parametrize("name", ["\x1b[2J", "w" * 2000])
def test_names_that_cannot_be_shown(name: str, tmp_path: Path) -> None:
    refused(package(tmp_path, [const(name, immediate("float32", (2,), [1.0, 2.0]))], Blobs()), Malformed, "is named")


@pytest.mark.parametrize(
    ("kind", "sizes"),
    [
        (100, field(1, HUGE) + field(2, HUGE) + field(20, varint(3)) + field(90, field(1, bytes(64)))),
        (140, field(1, 4) + field(2, 5) + field(20, field(1, bytes(64)))),
        (140, field(20, field(1, bytes(64)))),
        (
            420,
            field(1, HUGE) + field(2, HUGE) + field(20, b"".join(field(i, field(1, bytes(64))) for i in range(1, 44))),
        ),
        (1350, field(1, varint(HUGE) * 999) + field(3, field(1, bytes(64)))),
    ],
    ids=["convolution", "product", "product without sizes", "lstm", "norm"],
)
def test_a_layer_whose_values_do_not_fit(kind: int, sizes: bytes, tmp_path: Path) -> None:
    path = tmp_path / "net.mlmodel"
    path.write_bytes(model(500, field(1, field(1, "x") + field(kind, sizes))))
    refused(path, Malformed, "has 64 bytes|overflows|has [0-9,]+ bytes|dimensions")


@pytest.mark.parametrize("bits", [0, 9, 64, 1 << 60])
def test_codes_of_no_width_are_left_out_or_refused(bits: int, tmp_path: Path) -> None:
    coded = field(30, bytes(16)) + field(40, field(1, bits) + field(102, field(1, bytes(1024))))
    path = tmp_path / "net.mlmodel"
    path.write_bytes(model(500, product("fc", coded, (4, 4))))
    with pytest.raises((Malformed, NoWeights)):
        open_checkpoint(path)


def test_a_table_that_fills_memory(tmp_path: Path) -> None:
    coded = field(30, bytes(16)) + field(40, field(1, 8) + field(102, field(1, bytes(2 << 20))))
    path = tmp_path / "net.mlmodel"
    path.write_bytes(model(500, product("fc", coded, (4, 4))))
    refused(path, Malformed, "a table of more than")


def test_a_description_alone(tmp_path: Path) -> None:
    path = tmp_path / "net.mlmodel"
    path.write_bytes(field(1, 7) + field(2, description()))
    refused(path, Truncated, "no model behind it")
