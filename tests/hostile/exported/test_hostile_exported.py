"""Programs of torch.export that someone made to hurt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lineage.errors import CheckpointError, Malformed, NoWeights, Truncated, UnsupportedDtype, UnsupportedFormat
from tests.archive_files import zip_of
from tests.hostile_files import refused
from tests.torch_files import Call, Glob, Storages, exported_entry, write_zip

MATRIX = np.ones((4, 6), np.float32)


def program(entry: Any, values: bytes = MATRIX.tobytes(), **members: bytes) -> bytes:
    config = json.dumps({"config": {"w": entry}}).encode()
    files = {"n/archive_format": b"pt2", "n/data/weights/model_weights_config.json": config}
    return zip_of(files | {"n/data/weights/weight_0": values} | {f"n/{name}": raw for name, raw in members.items()})


def entry(**changes: Any) -> dict[str, Any]:
    return exported_entry("weight_0", MATRIX, **changes)


@pytest.mark.parametrize(
    ("content", "kind", "said"),
    [
        (program(entry(sizes=[{"as_int": 1 << 40}, {"as_int": 1 << 40}])), Malformed, "overflows"),
        (program(entry(sizes=[{"as_int": 40}, {"as_int": 6}])), Malformed, "'w' needs 960 bytes of its storage"),
        (program(entry(sizes=[{"as_int": -4}, {"as_int": 6}])), Malformed, "invalid sizes, strides or offset"),
        (program(entry(sizes=[{"as_expr": "s0"}, {"as_int": 6}])), Malformed, "invalid sizes, strides or offset"),
        (program(entry(sizes="long")), Malformed, "invalid sizes, strides or offset"),
        (program(entry(strides=[{"as_int": 1}])), Malformed, "invalid sizes, strides or offset"),
        (program(entry(strides=[{"as_int": 1 << 62}, {"as_int": 1}])), Malformed, "of its storage, which has 96"),
        (program(entry(storage_offset={"as_int": 1})), Malformed, "of its storage, which has 96"),
        (program(entry(dtype=0)), UnsupportedDtype, "torch type '0'"),
        (program(entry(dtype={"a": 1})), UnsupportedDtype, "torch type"),
        (program(entry(strides=[{"as_int": 0}, {"as_int": 0}]), b"1234"), NoWeights, "without weights"),
        (program(entry() | {"path_name": "../../archive_format"}), Truncated, "is missing"),
        (program(entry() | {"path_name": ["a"]}), Truncated, "is missing"),
        (program(entry() | {"use_pickle": True}), Truncated, "no intact zip directory"),
        (program([1, 2]), Malformed, "is not a list of tensors"),
        (program(entry() | {"tensor_meta": None}), NoWeights, "without weights"),
        (zip_of({"n/archive_format": b"pt2"}), NoWeights, "is a program of torch.export without weights"),
        (zip_of({"serialized_exported_program.json": b"{}"}), UnsupportedFormat, "without serialized_state_dict.pt"),
        (zip_of({"serialized_state_dict.pt": b"PK\3\4" * 20}), Truncated, "no intact zip directory"),
        (zip_of({"serialized_state_dict.pt": zip_of({"a": b""})}), Malformed, "is not a PyTorch file"),
    ],
)
def test_is_refused_in_one_line(content: bytes, kind: type[CheckpointError], said: str, tmp_path: Path) -> None:
    (tmp_path / "net.pt2").write_bytes(content)
    refused(tmp_path / "net.pt2", kind, said)


def test_a_pickled_call_in_a_member_is_never_made(tmp_path: Path) -> None:
    inner = write_zip(tmp_path / "inner.pt", Call(Glob("os", "mkdir"), (str(tmp_path / "made"),)), Storages())
    (tmp_path / "net.pt2").write_bytes(program(entry() | {"use_pickle": True}, inner.read_bytes()))
    refused(tmp_path / "net.pt2", CheckpointError, "net.pt2")
    assert not (tmp_path / "made").exists()
