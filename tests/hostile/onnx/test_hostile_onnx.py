"""ONNX files that someone made to hurt."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from lineage.checkpoints import open_checkpoint
from lineage.checkpoints.wire import protobuf
from lineage.errors import CheckpointError, Malformed, Truncated
from tests.hostile_files import refused
from tests.onnx_files import field, graph, model, node, save, tensor, varint
from tests.systems import needs_pipes

WEIGHT = np.ones((2, 2), np.float32)


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("location", ["../net.data", "/etc/passwd", "a/../../net.data", ".."])
def test_external_data_outside_the_folder(location: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "net.data").write_bytes(bytes(16))
    initializer = tensor("w", WEIGHT, external={"location": location})
    refused(save(tmp_path / "in" / "a.onnx", (), [initializer]), Malformed, "lies outside the folder: refused")


def test_external_data_behind_a_link_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "net.data").write_bytes(bytes(16))
    (tmp_path / "in" / "net.data").symlink_to(tmp_path / "net.data")
    initializer = tensor("w", WEIGHT, external={"location": "net.data"})
    refused(save(tmp_path / "in" / "a.onnx", (), [initializer]), Malformed, "lies outside the folder: refused")


@needs_pipes
def test_external_data_that_are_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "net.data")
    initializer = tensor("w", WEIGHT, external={"location": "net.data"})
    refused(save(tmp_path / "a.onnx", (), [initializer]), Malformed, "is not a regular file")


@pytest.mark.parametrize(
    ("entries", "kind", "text"),
    [
        ({"offset": 1 << 40}, Truncated, "ends at byte 1,099,511,627,792, the file at 16"),
        ({"offset": -1}, Malformed, "an offset or length that is not a number"),
        ({"length": 99}, Malformed, "needs 16 bytes, 99 are there"),
        ({"offset": "9" * 40}, Malformed, "an offset or length that is not a number"),
    ],
)
def test_external_data_in_a_place_that_is_none(
    entries: dict[str, object], kind: type[CheckpointError], text: str, tmp_path: Path
) -> None:
    (tmp_path / "net.data").write_bytes(bytes(16))
    initializer = tensor("w", WEIGHT, external={"location": "net.data"} | entries)
    refused(save(tmp_path / "a.onnx", (), [initializer]), kind, text)


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        ([1 << 40, 1 << 40], "overflows"),
        ([1 << 40], "needs 4,398,046,511,104 bytes, 16 are there"),
        ([(1 << 64) - 2], "has a negative side"),
        ([1] * 33, "has 33 dimensions"),
        ([2, 3], "needs 24 bytes, 16 are there"),
    ],
)
def test_a_shape_that_lies(shape: list[int], text: str, tmp_path: Path) -> None:
    dims = b"".join(field(1, side) for side in shape)
    lie = dims + field(2, 1) + field(8, "w") + field(9, bytes(16))
    refused(save(tmp_path / "a.onnx", (), [lie]), Malformed, text)


def test_numbers_that_are_not_as_many_as_the_shape_says(tmp_path: Path) -> None:
    for numbers, text in ((varint(1) * 40, "has 40 bytes of numbers"), (varint(1 << 62) * 2, "a list of numbers is")):
        lie = field(1, 3) + field(2, 6) + field(5, numbers) + field(8, "w")
        refused(save(tmp_path / "a.onnx", (), [field(1, 1) + lie]), Malformed, text)


def test_a_number_without_end(tmp_path: Path) -> None:
    refused(written(tmp_path / "a.onnx", b"\x08\x08\x3a" + b"\xff" * 40), Malformed, "has no end: the file is damaged")


def test_a_field_that_reaches_out_of_its_message(tmp_path: Path) -> None:
    inner = varint(1 << 3 | 2) + varint(1000)
    refused(written(tmp_path / "a.onnx", model(inner)), Malformed, "beyond its message's end")


def test_a_field_that_reaches_out_of_the_file(tmp_path: Path) -> None:
    lie = field(1, 8) + varint(7 << 3 | 2) + varint(1 << 50)
    refused(written(tmp_path / "a.onnx", lie), Truncated, "is needed, the file has")


def test_graphs_nested_without_end(tmp_path: Path) -> None:
    content = graph()
    for _ in range(200):
        content = graph([node("If", ["c"], ["y"], then_branch=content)])
    refused(written(tmp_path / "a.onnx", model(content)), Malformed, "is nested more than 64 deep: refused")


def test_more_fields_than_any_model_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protobuf, "MAX_FIELDS", 10_000)
    path = written(tmp_path / "a.onnx", model(field(1, b"") * 10_000))
    refused(path, Malformed, "holds more than 10,000 fields: damaged, or crafted to hang")


def test_a_name_of_megabytes(tmp_path: Path) -> None:
    refused(save(tmp_path / "a.onnx", (), [tensor("w" * (1 << 21), WEIGHT)]), Malformed, "a name or number takes")


@pytest.mark.parametrize("name", ["w\n", "\x1b[2Jw", "w" * 2000])
def test_a_name_that_cannot_be_shown(name: str, tmp_path: Path) -> None:
    refused(save(tmp_path / "a.onnx", (), [tensor(name, WEIGHT)]), Malformed, "too long, or with control characters")


@pytest.mark.parametrize("name", ["/", "//", "/MatMul", "///MatMul", "/a//MatMul"])
def test_a_node_whose_name_has_no_scope(name: str, tmp_path: Path) -> None:
    nodes = [node("MatMul", ["x", "onnx::MatMul_7"], ["y"], name=name)]
    [view] = open_checkpoint(save(tmp_path / "a.onnx", nodes, [tensor("onnx::MatMul_7", WEIGHT)])).tensors
    assert view.name == ("a.weight" if "a" in name[1:2] else "onnx::MatMul_7")


def test_a_matrix_of_blocks_that_overflows(tmp_path: Path) -> None:
    nodes = [node("MatMulNBits", ["x", "w", "s"], ["y"], K=1 << 62, N=1 << 62, bits=4, block_size=32)]
    constants = [tensor("w", np.ones((2, 1, 16), np.uint8)), tensor("s", np.ones(2, np.float32))]
    assert len(open_checkpoint(save(tmp_path / "a.onnx", nodes, constants)).tensors) == 2


def test_a_block_size_of_nothing_decodes_nothing(tmp_path: Path) -> None:
    nodes = [node("DequantizeLinear", ["w", "s"], ["y"], axis=-9, block_size=-4)]
    constants = [tensor("w", np.ones((4, 4), np.int8)), tensor("s", np.ones((4, 2), np.float32))]
    view = next(v for v in open_checkpoint(save(tmp_path / "a.onnx", nodes, constants)).tensors if v.name == "w")
    assert view.dtype == np.int8
