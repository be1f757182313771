"""Frozen TensorFlow graphs: which constants are weights, under which names, in which order of axes."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from lineage.checkpoints import open_checkpoint
from lineage.checkpoints.formats.tf import FrozenGraphReader, frozen
from lineage.errors import Malformed, NoWeights, Truncated
from lineage.types import Checkpoint
from lineage.types.facts.exclusions import NotAWeight, NotRead
from tests.checkpoint_files import WRITERS, lacks, whole
from tests.graph_files import (
    FLOAT,
    HALF,
    QINT8,
    QUINT8,
    TEXT,
    const,
    content,
    floats,
    function,
    graph,
    halves,
    node,
    save,
    tensor,
    variable,
)
from tests.onnx_files import field

RNG = np.random.default_rng(17)
X = node("x", "Placeholder")
TRUE = field(5, 1)
BFLOAT16, FLOAT64, FLOAT8 = 14, 2, 24


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def reasons(checkpoint: Checkpoint) -> dict[str, str]:
    return dict(checkpoint.left_out)


class TestKernels:
    @pytest.mark.parametrize(
        ("op", "inputs", "shape", "order"),
        [
            ("Conv2D", ["x", "table/read"], (3, 2, 4, 5), (3, 2, 0, 1)),
            ("Conv2DBackpropInput", ["x", "table/read", "x"], (3, 2, 4, 5), (3, 2, 0, 1)),
            ("Conv3D", ["x", "table/read"], (2, 3, 2, 4, 5), (4, 3, 0, 1, 2)),
            ("_FusedConv2D", ["x", "table/read", "x"], (3, 2, 4, 5), (3, 2, 0, 1)),
            ("FusedResizeAndPadConv2D", ["x", "x", "x", "table/read"], (3, 2, 4, 5), (3, 2, 0, 1)),
        ],
    )
    def test_a_kernel_is_told_by_what_reads_it(
        self, op: str, inputs: list[str], shape: tuple[int, ...], order: tuple[int, ...], tmp_path: Path
    ) -> None:
        kernel = normal(*shape)
        path = save(tmp_path, X, variable("table", kernel), node("y", op, inputs))
        assert np.array_equal(whole(open_checkpoint(path))["table"], kernel.transpose(order))

    def test_a_depthwise_kernel(self, tmp_path: Path) -> None:
        kernel = normal(3, 2, 4, 2)
        path = save(tmp_path, X, variable("table", kernel), node("y", "DepthwiseConv2dNative", ["x", "table/read"]))
        found = whole(open_checkpoint(path))["table"]
        assert np.array_equal(found[:, 0], kernel.transpose(2, 3, 0, 1).reshape(8, 3, 2))

    def test_what_hands_the_kernel_on_is_looked_through(self, tmp_path: Path) -> None:
        kernel = normal(3, 4, 5).astype(np.float16)
        chain = ["w", "w/read", "cast", "quantised", "wide"]
        ops = ["Identity", "Cast", "FakeQuantWithMinMaxVars", "ExpandDims"]
        nodes = [node(name, op, [before]) for before, name, op in zip(chain, chain[1:], ops, strict=False)]
        path = save(tmp_path, X, const("w", kernel), nodes, node("y", "Conv2D", ["x", "wide:0", "^x"]))
        assert np.array_equal(whole(open_checkpoint(path))["w"], kernel.transpose(2, 1, 0))

    def test_a_kernel_that_the_graph_scales_first_is_told_by_its_name(self, tmp_path: Path) -> None:
        kernel = normal(3, 2, 4, 5)
        path = save(tmp_path, variable("conv/weights", kernel), node("y", "Mul", ["conv/weights/read", "conv/weights"]))
        assert np.array_equal(whole(open_checkpoint(path))["conv/weight"], kernel.transpose(3, 2, 0, 1))

    def test_an_image_that_a_convolution_reads_stays(self, tmp_path: Path) -> None:
        image = normal(1, 4, 4, 3)
        path = save(tmp_path, X, variable("prior", image), node("y", "Conv2D", ["prior/read", "x"]))
        assert np.array_equal(whole(open_checkpoint(path))["prior"], image)


class TestMatrices:
    def saved(self, folder: Path, array: np.ndarray, *readers: bytes) -> np.ndarray:
        return whole(open_checkpoint(save(folder, X, variable("w", array), list(readers))))["w"]

    def test_a_matrix_stays_as_the_family_has_it(self, tmp_path: Path) -> None:
        array = normal(4, 6)
        product = node("y", "MatMul", ["x", "w/read"], transpose_b=field(5, 0))
        assert np.array_equal(self.saved(tmp_path, array, product), array)

    @pytest.mark.parametrize(("op", "flag"), [("MatMul", "transpose_b"), ("BatchMatMulV2", "adj_y")])
    def test_a_transposed_matrix_is_turned(self, op: str, flag: str, tmp_path: Path) -> None:
        array = normal(4, 6)
        product = node("y", op, ["x", "w/read"], **{flag: TRUE})
        assert np.array_equal(self.saved(tmp_path, array, product), array.T)

    def test_a_table_that_is_looked_up_too_stays(self, tmp_path: Path) -> None:
        array = normal(4, 6)
        readers = node("y", "MatMul", ["x", "w/read"], transpose_b=TRUE), node("z", "GatherV2", ["w/read", "x", "x"])
        assert np.array_equal(self.saved(tmp_path, array, *readers), array)


class TestNames:
    @pytest.mark.parametrize(
        ("name", "reader", "op", "position", "expected"),
        [
            ("net/conv/Conv2D/ReadVariableOp/resource", "net/conv/Conv2D", "Conv2D", 1, "net/conv/weight"),
            ("net/dense/MatMul/ReadVariableOp", "net/dense/MatMul", "MatMul", 1, "net/dense/weight"),
            ("net/up/Cast/ReadVariableOp", "net/up/Tensordot/MatMul", "MatMul", 1, "net/up/weight"),
            ("net/conv/BiasAdd/ReadVariableOp", "net/conv/BiasAdd", "BiasAdd", 1, "net/conv/bias"),
            ("net/bn/ReadVariableOp_1/resource", "net/bn/FusedBatchNormV3", "FusedBatchNormV3", 2, "net/bn/beta"),
            ("net/bn/F/ReadVariableOp", "net/bn/F", "FusedBatchNormV3", 3, "net/bn/moving_mean"),
            ("net/cell/Cast_1/ReadVariableOp", "net/while/body/MatMul", "MatMul", 1, "net/cell/Cast_1"),
            ("net/gain/read/_3__cf__3", "y", "Mul", 1, "net/gain"),
            ("net/table", "net/dense/MatMul", "MatMul", 1, "net/table"),
        ],
    )
    def test_the_layer_names_what_only_its_reading_named(
        self, name: str, reader: str, op: str, position: int, expected: str, tmp_path: Path
    ) -> None:
        array = normal(6) if op in {"BiasAdd", "FusedBatchNormV3", "Mul"} else normal(6, 5)
        inputs = ["x"] * position + [name]
        (view,) = open_checkpoint(save(tmp_path, X, const(name, array), node(reader, op, inputs))).tensors
        assert view.name == expected

    def test_a_bias_is_followed_through_a_new_shape(self, tmp_path: Path) -> None:
        nodes = [
            const("a/Reshape/ReadVariableOp", normal(6)),
            node("a/Reshape", "Reshape", ["a/Reshape/ReadVariableOp", "x"]),
            node("a/BiasAdd", "BiasAdd", ["x", "a/Reshape"]),
        ]
        assert [view.name for view in open_checkpoint(save(tmp_path, X, nodes)).tensors] == ["a/bias"]

    def test_constants_of_functions_are_read(self, tmp_path: Path) -> None:
        kernel = normal(3, 3, 4, 5)
        body = function([const("w", kernel), node("y", "Conv2D", ["argument", "w:output:0"])])
        (tmp_path / "a.pb").write_bytes(graph([const("w", normal(4, 6))], functions=[body]))
        found = whole(open_checkpoint(tmp_path / "a.pb"))
        assert np.array_equal(found["w.2"], kernel.transpose(3, 2, 0, 1))


class TestValues:
    @pytest.mark.parametrize(
        ("proto", "expected"),
        [
            (tensor(FLOAT, (3,), floats(1, 2, 3)), np.array([1, 2, 3], "f4")),
            (tensor(FLOAT, (3,), field(5, 1.0) + field(5, 2.0) + field(5, 3.0)), np.array([1, 2, 3], "f4")),
            (tensor(FLOAT, (2, 3), floats(1, 2.5)), np.array([[1, 2.5, 2.5], [2.5, 2.5, 2.5]], "f4")),
            (tensor(FLOAT, (5,), floats(0.5)), np.full(5, 0.5, "f4")),
            (tensor(FLOAT, (5,)), np.zeros(5, "f4")),
            (tensor(FLOAT64, (3,), field(6, np.array([1, 2.0]).tobytes())), np.array([1, 2, 2.0])),
            (tensor(HALF, (3,), halves(1, -2, 0.25)), np.array([1, -2, 0.25], "f2")),
            (tensor(HALF, (4,), halves(1, -2)), np.array([1, -2, -2, -2], "f2")),
            (tensor(HALF, (3,), field(13, 0x3C00)), np.ones(3, "f2")),
            (tensor(BFLOAT16, (2,), field(13, 0x3F80)), np.ones(2, ml_dtypes.bfloat16)),
            (tensor(FLOAT8, (2,), field(18, b"\x3c\x3c")), np.ones(2, ml_dtypes.float8_e5m2)),
            (tensor(FLOAT, ()), np.zeros((), "f4")),
        ],
    )
    def test_every_way_to_write_them(self, proto: bytes, expected: np.ndarray, tmp_path: Path) -> None:
        found = whole(open_checkpoint(save(tmp_path, variable("w", proto))))["w"]
        assert found.dtype == expected.dtype
        assert np.array_equal(found, expected)

    def test_a_band_of_repeated_values(self, tmp_path: Path) -> None:
        (view,) = open_checkpoint(save(tmp_path, variable("w", tensor(FLOAT, (5, 2), floats(1, 2, 3))))).tensors
        assert view.rows(1, 4).tolist() == [[3, 3], [3, 3], [3, 3]]
        assert view.rows(0, 1).tolist() == [[1, 2]]

    def test_values_beyond_the_bound_are_left_out(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(frozen, "MAX_REPEATED", 40)
        twice = [variable(name, tensor(FLOAT, (6,), floats(1))) for name in ("a", "b")]
        checkpoint = open_checkpoint(save(tmp_path, *twice))
        assert [view.name for view in checkpoint.tensors] == ["a"]
        assert reasons(checkpoint) == {"b": NotAWeight("repeated-value")}


class TestCodes:
    CODES = RNG.integers(0, 256, (3, 3, 4, 5)).astype(np.uint8)

    def ranged(self, codes: bytes, least: float = -1.0, greatest: float = 2.0) -> list[bytes]:
        ends = [
            const(f"w_quantized_{end}", tensor(FLOAT, (), floats(x))) for end, x in (("min", least), ("max", greatest))
        ]
        return [X, const("w_quantized_const", codes), *ends]

    def dequantised(self, folder: Path, codes: bytes, *ends: float, **attributes: bytes) -> Checkpoint:
        inputs = ["w_quantized_const", "w_quantized_min", "w_quantized_max"]
        nodes = node("w", "Dequantize", inputs, **attributes), node("y", "Conv2D", ["x", "w"])
        return open_checkpoint(save(folder, self.ranged(codes, *ends), *nodes))

    @pytest.mark.parametrize(("mode", "least"), [("MIN_COMBINED", -1.0), ("MIN_FIRST", -85 * 3 / 255), ("", -1.0)])
    def test_are_decoded_by_their_range(self, mode: str, least: float, tmp_path: Path) -> None:
        attributes = {"mode": field(2, mode)} if mode else {}
        checkpoint = self.dequantised(tmp_path, content(self.CODES, QUINT8), axis=field(3, -1), **attributes)
        (view,) = checkpoint.tensors
        assert (view.name, view.encoding) == ("w", "tensorflow uint8 per-tensor")
        expected = least + self.CODES * np.float32(3 / 255)
        np.testing.assert_allclose(view.rows(0, 5), expected.transpose(3, 2, 0, 1), atol=1e-6)

    def test_signed_codes_that_are_only_scaled(self, tmp_path: Path) -> None:
        codes = self.CODES.view(np.int8)
        (view,) = self.dequantised(tmp_path, content(codes, QINT8), mode=field(2, "SCALED")).tensors
        np.testing.assert_allclose(view.rows(0, 5), codes.transpose(3, 2, 0, 1) * np.float32(2 / 127), rtol=1e-6)

    def test_a_narrow_range_has_one_code_less_below(self, tmp_path: Path) -> None:
        codes, attributes = self.CODES.view(np.int8), {"mode": field(2, "SCALED"), "narrow_range": TRUE}
        (view,) = self.dequantised(tmp_path, content(codes, QINT8), -4.0, 2.0, **attributes).tensors
        np.testing.assert_allclose(view.rows(0, 5), codes.transpose(3, 2, 0, 1) * np.float32(4 / 127), rtol=1e-6)

    def test_codes_that_a_layer_reads_as_they_are(self, tmp_path: Path) -> None:
        inputs = ["x", "w_quint8_const", "x", "x", "w_quantized_min", "w_quantized_max"]
        nodes = self.ranged(content(self.CODES, QUINT8))[2:]
        codes = const("w_quint8_const", content(self.CODES, QUINT8))
        (view,) = open_checkpoint(save(tmp_path, X, codes, nodes, node("y", "QuantizedConv2D", inputs))).tensors
        assert (view.name, view.shape) == ("w", (5, 4, 3, 3))

    @pytest.mark.parametrize(
        ("ends", "attributes"),
        [
            ((1.0, 1.0), {}),
            ((float("nan"), 1.0), {}),
            ((-1.0, float("inf")), {}),
            ((2.0, -1.0), {}),
            ((-1.0, 2.0), {"axis": field(3, 1)}),
        ],
    )
    def test_a_range_that_is_none(
        self, ends: tuple[float, float], attributes: dict[str, bytes], tmp_path: Path
    ) -> None:
        with pytest.raises(NoWeights, match=r"1 left out \(codes whose range the graph does not tell"):
            self.dequantised(tmp_path, content(self.CODES, QUINT8), *ends, **attributes)


class TestWhatIsNoWeight:
    def test_is_left_out(self, tmp_path: Path) -> None:
        others = [
            const("paddings", np.zeros((4, 2), np.int32)),
            const("shape", np.arange(4)),
            const("epsilon", np.array(0.001, np.float32)),
            const("mean", normal(3)),
            const("state", tensor(FLOAT, (1, 64))),
            const("labels", tensor(TEXT, (2,), field(8, "cat") + field(8, "dog"))),
            const("nothing", np.zeros((0, 4), np.float32)),
            const("odd", tensor(99, (3, 3))),
            variable("global_step", normal(5)),
            const("filters", normal(8, 8)),
        ]
        checkpoint = open_checkpoint(save(tmp_path, *others))
        assert [view.name for view in checkpoint.tensors] == ["filters"]
        assert reasons(checkpoint) == {
            "paddings": NotAWeight("integers-of-graph"),
            "mean": NotAWeight("numbers-of-graph"),
            "state": NotAWeight("numbers-of-graph"),
            "labels": NotAWeight("text"),
            "odd": NotRead("unknown-type"),
            "global_step": NotAWeight("training-counter"),
        }

    def test_few_numbers_that_a_variable_or_a_layer_claims_are_weights(self, tmp_path: Path) -> None:
        bias = [const("bias", normal(2)), node("y", "BiasAdd", ["x", "bias"])]
        path = save(tmp_path, X, variable("gain", np.array(0.5, np.float32)), bias)
        assert [view.name for view in open_checkpoint(path).tensors] == ["gain", "bias"]

    def test_a_graph_that_is_not_frozen(self, tmp_path: Path) -> None:
        path = save(tmp_path, node("w", "VariableV2"), const("shape", np.arange(4)))
        with pytest.raises(NoWeights, match=r"variables lie in a checkpoint: give its \.index instead"):
            open_checkpoint(path)


class TestRecognition:
    @pytest.mark.parametrize("name", WRITERS)
    def test_no_other_format_is_taken_for_a_graph(self, name: str, tmp_path: Path) -> None:
        write = WRITERS[name]
        arrays = {"conv.weight": normal(6, 4, 3, 3), "b": normal(6).astype(np.float16)}
        path = write(tmp_path, {key: array for key, array in arrays.items() if not lacks(write, array)})
        heads = [file.read_bytes()[:64] for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file()]
        assert {FrozenGraphReader().recognises(head) for head in heads} == {name == "frozen graph"}

    @pytest.mark.parametrize(
        "head",
        [
            field(1, field(1, "<unk>") + b"\x15" + bytes(4)),  # a vocabulary of SentencePiece
            field(1, field(1, 0) + field(2, 0)),  # a program of Paddle
            field(1, field(1, "v1") + field(2, field(1, field(1, "Add")))),  # a MetaGraphDef
            field(1, "CaffeNet") + field(2, bytes(60)),
            b"\n\nname\n",
            b"\n\x20\n\x02word\x12\x03Add" + bytes(40),  # a length that the name has not
            b"",
        ],
    )
    def test_what_begins_alike_is_none(self, head: bytes) -> None:
        assert not FrozenGraphReader().recognises(head[:64])

    @pytest.mark.parametrize("name", ["w", "a/b_1/weights", "x" * 59, "x" * 60, "x" * 61, "layer/" * 40])
    def test_names_of_every_length(self, name: str, tmp_path: Path) -> None:
        content = save(tmp_path, const(name, normal(4, 6))).read_bytes()
        assert FrozenGraphReader().recognises(content[:64])

    def test_the_folder_is_opened(self, tmp_path: Path) -> None:
        save(tmp_path, const("w", normal(4, 6)))
        checkpoint = open_checkpoint(tmp_path)
        assert (checkpoint.format, len(checkpoint.tensors)) == ("graphdef", 1)


def test_a_node_without_its_input_was_cut_away(tmp_path: Path) -> None:
    with pytest.raises(Truncated, match="a node reads 'w', which is missing: download it again"):
        open_checkpoint(save(tmp_path, const("a", normal(4, 6)), node("w/read", "Identity", ["w"])))


def test_two_nodes_of_one_name(tmp_path: Path) -> None:
    with pytest.raises(Malformed, match="two nodes are named 'w'"):
        open_checkpoint(save(tmp_path, const("w", normal(4, 6)), const("w", normal(4, 6))))
