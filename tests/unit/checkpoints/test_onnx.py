"""Weights of ONNX graphs: names, orientation, gates, quantisation, external data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lineage.checkpoints import open_checkpoint
from lineage.errors import CheckpointError, Malformed, NoWeights
from lineage.types import TensorView
from lineage.types.facts.exclusions import NotRead
from tests.checkpoint_files import whole
from tests.onnx_files import field, graph, model, node, save, tensor, write_onnx_external

RNG = np.random.default_rng(11)


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def views(path: Path) -> dict[str, TensorView]:
    return {view.name: view for view in open_checkpoint(path).tensors}


def bands_agree(view: TensorView, array: np.ndarray) -> None:
    for start in range(0, len(array), 3):
        assert np.array_equal(view.rows(start, min(start + 3, len(array))), array[start : start + 3])


class TestNames:
    def test_a_linear_layer_is_named_after_its_bias_and_turned_back(self, tmp_path: Path) -> None:
        weight, bias = normal(5, 7), normal(7)
        nodes = [node("MatMul", ["x", "val_3"], ["y"], "node_1"), node("Add", ["y", "enc.q.bias"], ["z"])]
        found = whole(
            open_checkpoint(save(tmp_path / "a.onnx", nodes, [tensor("val_3", weight), tensor("enc.q.bias", bias)]))
        )
        assert found.keys() == {"enc.q.weight", "enc.q.bias"}
        assert np.array_equal(found["enc.q.weight"], weight.T)

    def test_without_a_bias_the_scope_of_the_node_names_it(self, tmp_path: Path) -> None:
        nodes = [
            node("MatMul", ["x", "onnx::MatMul_9"], ["y"], "/net/net.0/layer.1/attn/q/MatMul"),
            node("Conv", ["y", "17", "18"], ["z"], "/net/stem/Conv"),
            node("Gemm", ["z", "19"], ["w"], "/net/out/Gemm", transB=1),
        ]
        arrays = {"onnx::MatMul_9": normal(4, 6), "17": normal(3, 2, 3), "18": normal(3), "19": normal(2, 4)}
        found = whole(open_checkpoint(save(tmp_path / "a.onnx", nodes, [tensor(*item) for item in arrays.items()])))
        assert np.array_equal(found["net.0.layer.1.attn.q.weight"], arrays["onnx::MatMul_9"].T)
        assert np.array_equal(found["net.stem.weight"], arrays["17"])
        assert np.array_equal(found["net.stem.bias"], arrays["18"])
        assert np.array_equal(found["net.out.weight"], arrays["19"])

    def test_a_name_that_the_model_gave_stays_and_so_does_its_matrix(self, tmp_path: Path) -> None:
        weight = normal(5, 7)
        path = save(tmp_path / "a.onnx", [node("MatMul", ["x", "proj"], ["y"], "/a/MatMul")], [tensor("proj", weight)])
        assert np.array_equal(whole(open_checkpoint(path))["proj"], weight)

    def test_marks_of_inlining_and_fusion_go(self, tmp_path: Path) -> None:
        names = ["F0::If_0_then__Inline_0__enc.weight", "m/norm/Fused;m/conv_2/BiasAdd;m/conv_2/Conv2D"]
        path = save(tmp_path / "a.onnx", (), [tensor(names[0], normal(2, 2)), tensor(names[1], normal(2, 2, 1, 1))])
        assert views(path).keys() == {"If_0_then.enc.weight", "m/conv_2/weight"}

    def test_branches_that_reuse_a_name_are_told_apart(self, tmp_path: Path) -> None:
        branches = {
            key: graph([node("Constant", (), ["w"], value=normal(3, 2)), node("Neg", ["w"], ["y"])])
            for key in ("then_branch", "else_branch")
        }
        path = save(tmp_path / "a.onnx", [node("If", ["flag"], ["y"], "choice", **branches)])
        assert views(path).keys() == {"w", "w.2"}

    def test_shapes_and_factors_are_no_weights(self, tmp_path: Path) -> None:
        constants = [
            tensor("shape", np.array([1, -1, 64])),
            tensor("onnx::Mul_7", np.array(0.125, np.float32)),
            tensor("roi", np.zeros(0, np.float32)),
            tensor("w", normal(2, 2)),
        ]
        checkpoint = open_checkpoint(save(tmp_path / "a.onnx", (), constants))
        assert [view.name for view in checkpoint.tensors] == ["w"]
        assert checkpoint.left_out == ()


def in_onnx_order(gates: list[np.ndarray], kind: str) -> np.ndarray:
    """Gates of torch (input, forget, cell, output; reset, update, new) as ONNX stacks them."""
    order = (0, 3, 1, 2) if kind == "LSTM" else (1, 0, 2)
    return np.concatenate([gates[i] for i in order])


class TestRecurrentLayers:
    @pytest.mark.parametrize(("kind", "gates"), [("LSTM", 4), ("GRU", 3)])
    @pytest.mark.parametrize("directions", [1, 2])
    def test_gates_come_in_the_order_of_torch(self, kind: str, gates: int, directions: int, tmp_path: Path) -> None:
        parts = {
            (key, way): [normal(*shape) for _ in range(gates)]
            for way in range(directions)
            for key, shape in (("weight_ih", (5, 4)), ("weight_hh", (5, 5)), ("bias_ih", (5,)), ("bias_hh", (5,)))
        }
        stacked = {key: in_onnx_order(blocks, kind) for key, blocks in parts.items()}
        ways = range(directions)
        bias = np.stack([np.concatenate([stacked["bias_ih", way], stacked["bias_hh", way]]) for way in ways])
        arrays = [np.stack([stacked[key, way] for way in ways]) for key in ("weight_ih", "weight_hh")]
        names = [f"onnx::{kind}_{i}" for i in range(3)]
        constants = [tensor(name, array) for name, array in zip(names, [*arrays, bias], strict=True)]
        path = save(tmp_path / "a.onnx", [node(kind, ["x", *names], ["y"], f"/dec/rnn/{kind}_1")], constants)
        found = views(path)
        assert len(found) == 4 * directions
        for (key, way), blocks in parts.items():
            bands_agree(found[f"dec.rnn.{key}_l1{'_reverse' if way else ''}"], np.concatenate(blocks))

    def test_a_constant_of_another_shape_stays_as_it_is(self, tmp_path: Path) -> None:
        weight = normal(1, 21, 4)
        path = save(tmp_path / "a.onnx", [node("LSTM", ["x", "w"], ["y"])], [tensor("w", weight)])
        assert np.array_equal(whole(open_checkpoint(path))["w"], weight)


def codes(*shape: int) -> np.ndarray:
    return RNG.integers(-127, 127, shape).astype(np.int8)


class TestQuantisedWeights:
    def test_dequantize_linear_by_channel(self, tmp_path: Path) -> None:
        code, scale, zero = codes(6, 4), RNG.random(4).astype(np.float32), codes(4)
        constants = [tensor("w_quantized", code), tensor("s", scale), tensor("z", zero)]
        nodes = [node("DequantizeLinear", ["w_quantized", "s", "z"], ["w"], axis=1)]
        view = views(save(tmp_path / "a.onnx", nodes, constants))["w"]
        assert view.encoding == "onnx int8 per-channel"
        bands_agree(view, (code.astype(np.float32) - zero) * scale)

    def test_dequantize_linear_by_block(self, tmp_path: Path) -> None:
        code, scale = codes(10, 3), RNG.random((3, 3)).astype(np.float32)  # blocks of 4, 4 and 2 rows
        nodes = [node("DequantizeLinear", ["w", "s"], ["y"], axis=0, block_size=4)]
        view = views(save(tmp_path / "a.onnx", nodes, [tensor("w", code), tensor("s", scale)]))["w"]
        assert view.encoding == "onnx int8 groups of 4"
        bands_agree(view, code * np.repeat(scale, 4, axis=0)[:10])

    def test_dequantised_matrix_of_a_linear_layer_is_turned(self, tmp_path: Path) -> None:
        code, scale = codes(6, 4), RNG.random(4).astype(np.float32)
        constants = [tensor("onnx::MatMul_5_quantized", code), tensor("s", scale)]
        nodes = [
            node("DequantizeLinear", ["onnx::MatMul_5_quantized", "s"], ["d"], axis=1),
            node("MatMul", ["x", "d"], ["y"], "/fc/MatMul"),
        ]
        bands_agree(views(save(tmp_path / "a.onnx", nodes, constants))["fc.weight"], (code * scale).T)

    def test_codes_and_scale_told_by_their_names(self, tmp_path: Path) -> None:
        code = RNG.integers(0, 255, (6, 4)).astype(np.uint8)
        constants = [
            tensor("fc_quantized", code),
            tensor("fc_scale", np.array(0.5, np.float32)),
            tensor("fc_zero_point", np.array(3, np.uint8)),
        ]
        view = views(save(tmp_path / "a.onnx", (), constants))["fc"]
        assert view.encoding == "onnx uint8 per-tensor"
        bands_agree(view, (code.astype(np.float32) - 3) * np.float32(0.5))

    def test_a_cast_and_a_product(self, tmp_path: Path) -> None:
        code, scale = codes(6, 4), RNG.random((6, 1)).astype(np.float32)
        nodes = [node("Cast", ["emb_q"], ["f"], to=1), node("Mul", ["f", "emb_s"], ["emb"])]
        view = views(save(tmp_path / "a.onnx", nodes, [tensor("emb_q", code), tensor("emb_s", scale)]))["emb"]
        assert view.encoding == "onnx int8 per-channel"
        bands_agree(view, code * scale)

    def test_a_scale_that_does_not_fit_decodes_nothing(self, tmp_path: Path) -> None:
        code, scale = codes(6, 4), RNG.random(5).astype(np.float32)
        nodes = [node("DequantizeLinear", ["w", "s"], ["y"], axis=1)]
        found = views(save(tmp_path / "a.onnx", nodes, [tensor("w", code), tensor("s", scale)]))
        assert found["w"].dtype == np.int8

    @pytest.mark.parametrize("bits", [2, 4, 8])
    @pytest.mark.parametrize("with_zero", [False, True])
    def test_matrices_in_blocks_of_few_bits(self, bits: int, with_zero: bool, tmp_path: Path) -> None:
        rows, columns, block = 5, 20, 8
        blocks = 3  # the last one is padded
        code = RNG.integers(0, 1 << bits, (rows, blocks * block)).astype(np.uint8)
        scale = RNG.random((rows, blocks)).astype(np.float32)
        zero = RNG.integers(0, 1 << bits, (rows, blocks)).astype(np.uint8)
        constants = [
            tensor("w_Q4", packed(code, bits).reshape(rows, blocks, -1)),
            tensor("w_scales", scale.reshape(-1)),
        ]
        inputs = ["x", "w_Q4", "w_scales"]
        if with_zero:
            constants.append(tensor("w_zero", packed(zero, bits).reshape(-1)))
            inputs.append("w_zero")
        nodes = [node("MatMulNBits", inputs, ["y"], K=columns, N=rows, bits=bits, block_size=block)]
        view = views(save(tmp_path / "a.onnx", nodes, constants))["w"]
        shift = zero if with_zero else np.full_like(zero, 1 << (bits - 1))
        values = (code.astype(np.float32) - np.repeat(shift, block, 1)) * np.repeat(scale, block, 1)
        assert view.encoding == f"onnx int{bits} groups of {block}"
        bands_agree(view, values[:, :columns])


def packed(values: np.ndarray, bits: int) -> np.ndarray:
    """Rows of small numbers, lowest bits first, each row filled up to whole bytes."""
    per_byte = 8 // bits
    padded = np.pad(values, ((0, 0), (0, -values.shape[1] % per_byte)))
    grouped = padded.reshape(len(values), -1, per_byte)
    return (grouped << (bits * np.arange(per_byte))).sum(axis=2).astype(np.uint8)


class TestFiles:
    def test_values_in_typed_fields_one_by_one(self, tmp_path: Path) -> None:
        array = normal(3, 2)
        path = save(tmp_path / "a.onnx", (), [tensor("w", array, typed=True, packed=False)])
        assert np.array_equal(whole(open_checkpoint(path))["w"], array)

    def test_external_data_counts_to_the_size(self, tmp_path: Path) -> None:
        path = write_onnx_external(tmp_path, {"w": normal(30, 4)})
        assert open_checkpoint(path).nbytes == path.stat().st_size + 480

    def test_external_data_that_is_missing(self, tmp_path: Path) -> None:
        path = write_onnx_external(tmp_path, {"w": normal(30, 4)})
        (tmp_path / "net.onnx_data").unlink()
        with pytest.raises(NoWeights, match="which is missing: get it, too"):
            open_checkpoint(path)

    def test_functions_and_sparse_tensors(self, tmp_path: Path) -> None:
        function = field(1, "f") + field(7, node("Constant", (), ["inner"], value=normal(2, 3)))
        content = graph((), [tensor("w", normal(2, 2))]) + field(15, b"")
        (tmp_path / "a.onnx").write_bytes(model(content) + field(25, function))
        checkpoint = open_checkpoint(tmp_path / "a.onnx")
        assert [view.name for view in checkpoint.tensors] == ["w", "inner"]
        assert checkpoint.left_out == (("sparse_initializer.0", NotRead("sparse-tensor")),)

    def test_two_initializers_of_one_name(self, tmp_path: Path) -> None:
        path = save(tmp_path / "a.onnx", (), [tensor("w", normal(2)), tensor("w", normal(2))])
        with pytest.raises(Malformed, match="two initializers are named 'w'"):
            open_checkpoint(path)

    def test_a_folder_with_an_onnx_model(self, tmp_path: Path) -> None:
        (tmp_path / "net").mkdir()
        save(tmp_path / "net" / "model.onnx", (), [tensor("w", normal(2, 2))])
        save(tmp_path / "net" / "model_fp16.onnx", (), [tensor("w", normal(2, 2))])
        checkpoint = open_checkpoint(tmp_path / "net")
        assert (checkpoint.format, checkpoint.name) == ("onnx", "net")

    def test_a_data_type_that_is_unknown(self, tmp_path: Path) -> None:
        path = save(tmp_path / "a.onnx", (), [field(1, 2) + field(2, 99) + field(8, "w") + field(9, bytes(8))])
        with pytest.raises(CheckpointError, match="'w' has data type 99, unknown here"):
            open_checkpoint(path)
