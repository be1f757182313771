"""Frozen graphs that someone made to hurt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lineage.checkpoints import open_checkpoint
from lineage.checkpoints.formats.tf import constants
from lineage.checkpoints.wire.protobuf import MAX_FIELDS
from lineage.errors import CheckpointError, Malformed, NoWeights, Truncated
from tests.checkpoint_files import whole
from tests.graph_files import (
    FLOAT,
    HALF,
    QUINT8,
    const,
    content,
    floats,
    graph,
    halves,
    node,
    save,
    tensor,
    variable,
)
from tests.hostile_files import refused
from tests.onnx_files import field, varint

WEIGHT = np.ones((4, 6), np.float32)


@pytest.mark.parametrize(
    ("proto", "kind", "said"),
    [
        (tensor(FLOAT, (1 << 40, 1 << 40), field(4, bytes(96))), Malformed, "overflows"),
        (tensor(FLOAT, (-4, 6)), Malformed, "with an invalid shape"),
        (tensor(FLOAT, (1,) * 40, floats(1)), Malformed, "with an invalid shape"),
        (tensor(FLOAT, (4, 6), field(4, bytes(95))), Malformed, "'w' needs 96 bytes, 95 are there"),
        (tensor(FLOAT, (1 << 40,), field(4, bytes(96))), Malformed, "needs 4,398,046,511,104 bytes, 96 are there"),
        (tensor(FLOAT, (2,), floats(1, 2, 3)), Malformed, "'w' needs 8 bytes, 12 are there"),
        (tensor(FLOAT, (6,), field(5, bytes(7))), Malformed, "'w' ends inside a value"),
        (tensor(HALF, (2,), halves(1, 2, 3)), Malformed, "'w' needs 4 bytes, 6 are there"),
        (tensor(HALF, (2,), field(13, b"\x80" * 40)), Malformed, "'w' has 40 bytes of numbers"),
        (tensor(HALF, (9,), field(13, b"\x01" + b"\x80" * 40)), Malformed, "a list of numbers is damaged"),
    ],
)
def test_a_constant_that_lies(proto: bytes, kind: type[CheckpointError], said: str, tmp_path: Path) -> None:
    refused(save(tmp_path, variable("w", proto)), kind, said)


@pytest.mark.parametrize("values", [b"", floats(1), floats(1, 2)])
def test_one_value_that_stands_for_petabytes(values: bytes, tmp_path: Path) -> None:
    path = save(tmp_path, variable("w", tensor(FLOAT, (1 << 25, 1 << 25), values)))
    refused(path, NoWeights, "holds no weights; 1 left out .one value, repeated")


def test_many_that_stand_for_a_little(tmp_path: Path) -> None:
    """Each is small, all together they are not."""
    many = [variable(f"w{number}", tensor(FLOAT, (1 << 20,), floats(1))) for number in range(500)]
    checkpoint = open_checkpoint(save(tmp_path, *many))
    assert (len(checkpoint.tensors), len(checkpoint.left_out)) == (16, 484)


def test_values_one_by_one_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "MAX_PIECES", 100)
    proto = tensor(FLOAT, (101,), field(5, 1.0) * 101)
    refused(save(tmp_path, variable("w", proto)), Malformed, "keeps more than 100 values one by one")


def test_more_fields_than_any_graph_has(tmp_path: Path) -> None:
    (tmp_path / "a.pb").write_bytes(graph([const("w", WEIGHT)]) + field(3, 1) * MAX_FIELDS)
    refused(tmp_path / "a.pb", Malformed, "holds more than 1,000,000 fields")


@pytest.mark.parametrize(
    ("part", "kind"),
    [
        (field(1, const("v", WEIGHT))[:-40], Truncated),
        (varint(1 << 3 | 2) + varint(1 << 60), Truncated),
        (field(1, field(1, "v") + varint(5 << 3 | 2) + varint(1 << 40)) + field(4, b""), Malformed),
        (field(1, field(1, "v" * 2_000_000) + field(2, "Const")), Malformed),
        (field(1, const("v\x1b[2J", WEIGHT)), Malformed),
        (field(1, b"\x0b"), Malformed),
    ],
)
def test_a_node_that_lies(part: bytes, kind: type[CheckpointError], tmp_path: Path) -> None:
    (tmp_path / "a.pb").write_bytes(field(1, const("w", WEIGHT)) + part)
    refused(tmp_path / "a.pb", kind, ".")


def test_nodes_that_hand_on_to_each_other_in_a_circle(tmp_path: Path) -> None:
    circle = [node("a", "Identity", ["b"]), node("b", "Identity", ["a"])]
    ranged = node("y", "Dequantize", ["codes", "a", "b"])
    codes = const("codes", content(np.zeros((4, 6), np.uint8), QUINT8))
    checkpoint = open_checkpoint(save(tmp_path, const("w", WEIGHT), codes, circle, ranged))
    assert [view.name for view in checkpoint.tensors] == ["w"]


def test_long_chains_take_no_time(tmp_path: Path) -> None:
    """Every node of a range is looked for behind the same chain."""
    links = [node("0", "Identity", ["w"])] + [node(str(i), "Identity", [str(i - 1)]) for i in range(1, 5000)]
    coded = [
        part
        for i in range(2000)
        for part in (
            const(f"c{i}", content(np.zeros((2, 3), np.uint8), QUINT8)),
            node(f"d{i}", "Dequantize", [f"c{i}", "4999", "4999"]),
        )
    ]
    checkpoint = open_checkpoint(save(tmp_path, variable("w", WEIGHT), links, coded))
    assert (len(checkpoint.tensors), len(checkpoint.left_out)) == (1, 2000)


def test_a_constant_that_reads_itself_and_an_empty_name(tmp_path: Path) -> None:
    path = save(tmp_path, const("w", WEIGHT), node("", "Const", [""]), node("v", "Const", ["v"]))
    assert list(whole(open_checkpoint(path))) == ["w"]


def test_an_operation_that_would_run_code_is_passed_over(tmp_path: Path) -> None:
    """TensorFlow would run these; nothing here runs anything."""
    evil = [
        node("run", "PyFunc", ["w"], token=field(2, "__import__('os').mkdir('ran')")),
        node("write", "WriteFile", ["w", "w"], path=field(2, str(tmp_path / "ran"))),
    ]
    assert list(whole(open_checkpoint(save(tmp_path, const("w", WEIGHT), evil)))) == ["w"]
    assert [path.name for path in tmp_path.iterdir()] == ["frozen.pb"]
