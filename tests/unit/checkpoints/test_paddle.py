"""What the Paddle reader makes of a program beside the parameters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lineage.checkpoints import open_checkpoint
from lineage.errors import Malformed
from tests.checkpoint_files import whole
from tests.record_files import paddle_operation, paddle_program, paddle_record, write_paddle

MATRIX = np.random.default_rng(1).standard_normal((5, 3)).astype(np.float32)


@pytest.mark.parametrize(
    ("kind", "inputs", "flags", "turned"),
    [
        ("matmul_v2", {"X": "x", "Y": "w"}, {"trans_y": False}, True),
        ("matmul_v2", {"X": "x", "Y": "w"}, {"trans_x": True, "trans_y": False}, True),
        ("matmul_v2", {"X": "x", "Y": "w"}, {"trans_y": True}, False),
        ("matmul_v2", {"X": "w", "Y": "x"}, {"trans_y": False}, False),
        ("mul", {"X": "x", "Y": "w"}, {}, True),
        ("fc", {"Input": "x", "W": "w"}, {}, True),
        ("lookup_table_v2", {"Ids": "x", "W": "w"}, {}, False),
    ],
)
def test_matrices_are_turned_where_the_program_multiplies_by_them(
    kind: str, inputs: dict[str, str], flags: dict[str, bool], turned: bool, tmp_path: Path
) -> None:
    (tmp_path / "net.pdmodel").write_bytes(paddle_program(["w"], [paddle_operation(kind, inputs, flags)]))
    path = tmp_path / "net.pdiparams"
    path.write_bytes(paddle_record(MATRIX))
    assert np.array_equal(whole(open_checkpoint(path))["w"], MATRIX.T if turned else MATRIX)


def test_names_are_numbers_without_a_program(tmp_path: Path) -> None:
    path = write_paddle(tmp_path, {"b": MATRIX, "a": MATRIX[0]})
    (tmp_path / "net.pdmodel").unlink()
    found = whole(open_checkpoint(path))
    assert list(found) == ["0", "1"]
    assert np.array_equal(found["0"], MATRIX[0])


def test_the_older_pair_of_names(tmp_path: Path) -> None:
    write_paddle(tmp_path, {"w": MATRIX})
    (tmp_path / "net.pdmodel").rename(tmp_path / "__model__")
    (tmp_path / "net.pdiparams").rename(tmp_path / "__params__")
    assert list(whole(open_checkpoint(tmp_path))) == ["w"]


def test_a_program_of_another_model_is_told(tmp_path: Path) -> None:
    path = write_paddle(tmp_path, {"w": MATRIX})
    (tmp_path / "net.pdmodel").write_bytes(paddle_program(["v", "w"]))
    with pytest.raises(Malformed, match="holds 1 parameters, the program beside it names 2"):
        open_checkpoint(path)
