"""Constants of TFLite models: axes by operator, quantisation, sparsity."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lineage.checkpoints import open_checkpoint
from lineage.errors import Malformed
from lineage.types import TensorView
from lineage.types.facts.exclusions import NotAWeight
from tests.checkpoint_files import whole
from tests.tflite_files import (
    TYPES,
    Numbers,
    Table,
    Tables,
    dimension,
    numbers,
    operator,
    quantization,
    tensor,
    tflite,
)

RNG = np.random.default_rng(12)
CONV, DEPTHWISE, DEQUANTIZE, FULLY_CONNECTED, TRANSPOSED, CONV_3D = 3, 4, 6, 9, 67, 132


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def only(path: Path) -> TensorView:
    (view,) = open_checkpoint(path).tensors
    return view


def bands_agree(view: TensorView, array: np.ndarray) -> None:
    assert (view.shape, view.dtype) == (array.shape, array.dtype)
    for start in range(0, len(array), 3):
        assert np.array_equal(view.rows(start, min(start + 3, len(array))), array[start : start + 3])


def write(path: Path, *arguments: object) -> Path:
    path.write_bytes(tflite(*arguments))  # type: ignore[arg-type]
    return path


class TestKernels:
    @pytest.mark.parametrize(
        ("code", "shape", "order"),
        [
            (CONV, (4, 3, 2, 5), (0, 3, 1, 2)),
            (DEPTHWISE, (1, 3, 2, 6), (3, 0, 1, 2)),
            (TRANSPOSED, (4, 3, 2, 5), (3, 0, 1, 2)),
            ("Convolution2DTransposeBias", (4, 3, 2, 5), (3, 0, 1, 2)),
            ("SomethingElse", (4, 3, 2, 5), (0, 1, 2, 3)),
            (CONV_3D, (2, 3, 2, 4, 5), (4, 3, 0, 1, 2)),
            (FULLY_CONNECTED, (4, 6), (0, 1)),
        ],
    )
    def test_axes_come_in_the_order_of_torch(
        self, code: int | str, shape: tuple[int, ...], order: tuple[int, ...], tmp_path: Path
    ) -> None:
        kernel = normal(*shape)
        tensors = [tensor("x", (1, 8), 0, 0), tensor("m/conv/Conv2D", shape, 0, 1), tensor("y", (1, 8), 0, 0)]
        path = write(tmp_path / "a.tflite", tensors, [kernel.tobytes()], [operator(0, [0, 1], [2])], [code])
        bands_agree(only(path), kernel.transpose(order))
        assert only(path).name == "m/conv/weight"

    def test_a_kernel_of_half_precision_behind_a_dequantize(self, tmp_path: Path) -> None:
        kernel = normal(4, 3, 2, 5).astype(np.float16)
        tensors = [tensor("k", kernel.shape, 1, 1), tensor("wide", kernel.shape, 0, 0), tensor("x", (1,), 0, 0)]
        steps = [operator(0, [0], [1]), operator(1, [2, 1], [2])]
        path = write(tmp_path / "a.tflite", tensors, [kernel.tobytes()], steps, [DEQUANTIZE, CONV])
        bands_agree(only(path), kernel.transpose(0, 3, 1, 2))

    def test_codes_with_a_scale_for_each_output(self, tmp_path: Path) -> None:
        code = RNG.integers(-127, 127, (4, 3, 2, 5)).astype(np.int8)
        scale = RNG.random(4).astype(np.float32)
        tensors = [tensor("k", code.shape, 9, 1, quantization=quantization(scale, [0] * 4)), tensor("x", (1,), 0, 0)]
        path = write(tmp_path / "a.tflite", tensors, [code.tobytes()], [operator(0, [1, 0], [1])], [CONV])
        values = code * scale.reshape(-1, 1, 1, 1)
        bands_agree(only(path), values.transpose(0, 3, 1, 2))
        assert only(path).encoding == "tflite int8 per-channel"


class TestCodes:
    def test_one_scale_and_a_zero_point(self, tmp_path: Path) -> None:
        code = RNG.integers(0, 255, (7, 3)).astype(np.uint8)
        table = tensor("w", code.shape, 3, 1, quantization=quantization([0.5], [128]))
        path = write(tmp_path / "a.tflite", [table], [code.tobytes()])
        bands_agree(only(path), (code.astype(np.float32) - 128) * np.float32(0.5))
        assert only(path).encoding == "tflite uint8 per-tensor"

    def test_four_bits(self, tmp_path: Path) -> None:
        code = RNG.integers(-8, 8, (5, 6)).astype(np.int8)
        raw = ((code[:, ::2] & 15) | ((code[:, 1::2] & 15) << 4)).astype(np.uint8)
        table = tensor("w", code.shape, 17, 1, quantization=quantization([0.25], [0]))
        path = write(tmp_path / "a.tflite", [table], [raw.tobytes()])
        bands_agree(only(path), code * np.float32(0.25))
        assert only(path).encoding == "tflite int4 per-tensor"

    def test_scales_that_do_not_fit(self, tmp_path: Path) -> None:
        code = RNG.integers(-8, 8, (5, 6)).astype(np.int8)
        table = tensor("w", code.shape, 9, 1, quantization=quantization([1.0, 2.0], [0]))
        with pytest.raises(Malformed, match="'w' has 2 scales or zero points"):
            open_checkpoint(write(tmp_path / "a.tflite", [table], [code.tobytes()]))


class TestWhatIsAWeight:
    def test_shapes_variables_text_and_computed_tensors_are_none(self, tmp_path: Path) -> None:
        weight = normal(3, 2)
        shape = np.array([1, -1], np.int32)
        tensors = [
            tensor("computed", (4, 4), 0, 0),
            tensor("shape", (2,), TYPES["int32"], 1),
            tensor("state", (3, 2), 0, 2, variable=("B", 1)),
            tensor("labels", (3,), 5, 1),
            tensor("w", (3, 2), 0, 2),
        ]
        checkpoint = open_checkpoint(write(tmp_path / "a.tflite", tensors, [shape.tobytes(), weight.tobytes()]))
        assert [view.name for view in checkpoint.tensors] == ["w"]
        assert checkpoint.left_out == (("labels", NotAWeight("text")),)

    def test_values_behind_the_tables(self, tmp_path: Path) -> None:
        """Files beyond 2 GB keep buffers outside the FlatBuffer."""
        weight = normal(5, 2)
        shell = tflite([tensor("w", (5, 2), 0, 1)], [b""])
        place = shell.index(b"", len(shell))
        graph = Table({0: Tables([tensor("w", (5, 2), 0, 1)])})
        from tests.tflite_files import flatbuffer

        def built(offset: int) -> bytes:
            buffers = [Table({}), Table({1: ("Q", offset), 2: ("Q", 40)})]
            return flatbuffer(Table({0: ("I", 3), 2: Tables([graph]), 4: Tables(buffers)}))

        content = built(len(built(place)))
        (tmp_path / "a.tflite").write_bytes(content + weight.tobytes())
        assert np.array_equal(whole(open_checkpoint(tmp_path / "a.tflite"))["w"], weight)


class TestSparseTensors:
    def test_rows_with_some_columns(self, tmp_path: Path) -> None:
        dense = np.zeros((3, 4), np.float32)
        dense[0, 1], dense[2, 0], dense[2, 3] = 1.5, 2.5, 3.5
        layout = Table({0: numbers("i", [0, 1]), 2: Tables([dimension(3), dimension(None, [0, 1, 1, 3], [1, 0, 3])])})
        table = tensor("w", (3, 4), 0, 1, sparsity=layout)
        stored = np.array([1.5, 2.5, 3.5], np.float32)
        bands_agree(only(write(tmp_path / "a.tflite", [table], [stored.tobytes()])), dense)

    def test_blocks_of_a_kernel(self, tmp_path: Path) -> None:
        """A convolution of one place, stored as two of four blocks of two by two channels."""
        dense = np.zeros((4, 1, 1, 4), np.float32)
        dense[:2, 0, 0, 2:] = [[1, 2], [3, 4]]
        dense[2:, 0, 0, :2] = [[5, 6], [7, 8]]
        levels = [
            dimension(2), dimension(1), dimension(1), dimension(None, [0, 1, 2], [1, 0]), dimension(2), dimension(2),
        ]  # fmt: skip
        layout = Table({0: numbers("i", [0, 1, 2, 3, 4, 5]), 1: numbers("i", [0, 3]), 2: Tables(levels)})
        tensors = [tensor("k", (4, 1, 1, 4), 0, 1, sparsity=layout), tensor("x", (1,), 0, 0)]
        stored = np.arange(1, 9, dtype=np.float32)
        path = write(tmp_path / "a.tflite", tensors, [stored.tobytes()], [operator(0, [1, 0], [1])], [CONV])
        bands_agree(only(path), dense.transpose(0, 3, 1, 2))

    @pytest.mark.parametrize(
        "levels",
        [
            [dimension(3), dimension(None, [0, 1, 1, 9], [1, 0, 3])],
            [dimension(3), dimension(None, [0, 1, 1, 3], [1, 0, 9])],
            [dimension(3), dimension(None, [0, -1, 1, 3], [1, 0, 3])],
            [dimension(1 << 30), dimension(4)],
            [dimension(3)],
        ],
    )
    def test_places_that_are_not_there(self, levels: list[Table], tmp_path: Path) -> None:
        layout = Table({0: numbers("i", list(range(len(levels)))), 2: Tables(levels)})
        table = tensor("w", (3, 4), 0, 1, sparsity=layout)
        path = write(tmp_path / "a.tflite", [table], [np.ones(3, np.float32).tobytes()])
        with pytest.raises(Malformed, match="a sparse tensor lists places that it does not have"):
            only(path).rows(0, 3)


def test_a_list_that_is_too_long_for_a_shape(tmp_path: Path) -> None:
    table = Table({0: Numbers(bytes(4000), 1000), 1: ("b", 0), 2: ("I", 1), 3: "w"})
    with pytest.raises(Malformed, match="has 1,000 numbers: damaged"):
        open_checkpoint(write(tmp_path / "a.tflite", [table], [bytes(8)]))
