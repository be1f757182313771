"""Quantised weights in other containers and beside other tensors, and MLX's convolutions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from lineage.checkpoints import open_checkpoint
from lineage.sketch import sketch_checkpoint
from tests.checkpoint_files import header_file, safetensors_bytes, same_bits, whole, write_npz, write_torch
from tests.quantized_files import SCHEMES, gptq, write_arrays

MATRIX = (np.random.default_rng(2).standard_normal((64, 256)) * 0.1).astype(np.float32)


@pytest.mark.parametrize("write", [write_torch, write_npz])
def test_any_container_may_hold_them(write, tmp_path: Path) -> None:
    arrays = gptq(4, 64)("model.layers.0.mlp.up_proj", MATRIX)
    folder = write_arrays(tmp_path / "m", arrays, {})
    [view] = open_checkpoint(write(tmp_path, arrays)).tensors
    [expected] = open_checkpoint(folder).tensors
    assert (view.name, view.encoding) == (expected.name, "gptq int4 group 64")
    assert same_bits(view.rows(5, 40), expected.rows(5, 40))


def test_columns_of_a_large_matrix_are_read_alone(tmp_path: Path) -> None:
    inputs, outputs = 2048, 2048
    arrays = {
        "a.qweight": np.zeros((inputs // 8, outputs), np.int32),
        "a.qzeros": np.zeros((16, outputs // 8), np.int32),
        "a.scales": np.ones((16, outputs), np.float16),
    }
    checkpoint = open_checkpoint(write_arrays(tmp_path / "m", arrays, {}))
    [view] = checkpoint.tensors
    before = checkpoint.meter.bytes_read
    assert (view.rows(800, 808) == -1).all()
    small = 16 * outputs // 2 + 16 * outputs * 2  # zeros and scales, small enough to be read in one piece
    assert checkpoint.meter.bytes_read - before <= 8 * inputs // 8 * 4 + small


def test_the_sketch_names_the_encoding(tmp_path: Path) -> None:
    arrays = SCHEMES["awq"].encode("a", MATRIX) | {"norm.weight": np.ones(64, np.float32)}
    sketch = sketch_checkpoint(open_checkpoint(write_arrays(tmp_path / "m", arrays, {})), "sampled", threads=1)
    assert {tensor.name: tensor.dtype for tensor in sketch.tensors} == {
        "a.weight": "awq int4 group 64",
        "norm.weight": "float32",
    }


@pytest.mark.parametrize(
    "names",
    [("a.qweight", "a.lookup_table"), ("a.weight", "a.counts"), ("a.weight_packed_by_hand", "a.b")],
)
def test_what_no_scheme_recognises_stays_as_stored(names: tuple[str, str], tmp_path: Path) -> None:
    arrays = {name: np.arange(8, dtype=np.int32).reshape(2, 4) for name in names}
    found = whole(open_checkpoint(write_arrays(tmp_path / "m", arrays, {"quantization_config": {"bits": 4}})))
    assert found.keys() == arrays.keys()
    assert all(same_bits(found[name], array) for name, array in arrays.items())


def test_tied_weights_stay_tied(tmp_path: Path) -> None:
    arrays = SCHEMES["mlx 4"].encode("a", MATRIX)
    first, second = (open_checkpoint(write_arrays(tmp_path / "m", arrays, {})).tensors[0] for _ in range(2))
    assert first.storage == second.storage


class TestMlx:
    def write(self, folder: Path, arrays: dict[str, np.ndarray], **metadata: str) -> Path:
        content = safetensors_bytes(arrays)
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length]) | {"__metadata__": metadata}
        return header_file(folder / "net.safetensors", header, content[8 + length :])

    @pytest.mark.parametrize(
        ("name", "shape", "expected"),
        [
            ("conv.weight", (8, 3, 5, 2), (8, 2, 3, 5)),
            ("patch.weight", (8, 2, 3, 5, 4), (8, 4, 2, 3, 5)),
            ("conv1.weight", (8, 3, 4), (8, 4, 3)),
            ("experts.weight", (8, 3, 4), (8, 3, 4)),
            ("up.weight", (8, 3), (8, 3)),
        ],
    )
    def test_channels_come_before_the_kernel(
        self, name: str, shape: tuple[int, ...], expected: tuple[int, ...], tmp_path: Path
    ) -> None:
        array = np.random.default_rng(0).standard_normal(shape).astype(np.float16)
        checkpoint = open_checkpoint(self.write(tmp_path, {name: array}, format="mlx"))
        [view] = checkpoint.tensors
        assert (checkpoint.format, view.shape) == ("mlx", expected)
        there = array if shape == expected else np.moveaxis(array, -1, 1)
        assert np.array_equal(view.rows(2, 5), there[2:5])

    def test_other_files_keep_their_axes(self, tmp_path: Path) -> None:
        array = np.zeros((8, 3, 5, 2), np.float16)
        [view] = open_checkpoint(self.write(tmp_path, {"conv.weight": array}, format="pt")).tensors
        assert view.shape == (8, 3, 5, 2)
