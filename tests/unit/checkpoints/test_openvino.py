"""OpenVINO IR: constants as weights, what the graph does to compressed ones, and the names they had before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lineage.checkpoints import open_checkpoint
from lineage.checkpoints.formats.openvino.constants import NF4
from lineage.errors import CheckpointError, NoWeights, Truncated, UnsupportedFormat
from lineage.types.facts.exclusions import NotRead
from tests.checkpoint_files import safetensors_bytes, same_bits, whole
from tests.openvino_files import Net

RNG = np.random.default_rng(5)
MATRIX = RNG.standard_normal((8, 64)).astype(np.float32)


def nibbles(codes: np.ndarray) -> bytes:
    """Two codes a byte, the first one in the low half."""
    flat = codes.reshape(-1).astype(np.uint8) & 15
    return (flat[::2] | flat[1::2] << 4).tobytes()


def read(net: Net, folder: Path) -> dict[str, np.ndarray]:
    return whole(open_checkpoint(net.write(folder)))


class TestNames:
    def test_of_torch(self, tmp_path: Path) -> None:
        net = Net()
        net.layer("__module.l.0.q/aten::linear/MatMul", "MatMul", [-1, net.constant("self.l.0.q.weight", MATRIX)])
        net.layer("__module.l.0.q/aten::linear/Add", "Add", [-1, net.constant("Constant_41", MATRIX[:, :1].T)])
        kernel = net.constant("__module.conv/aten::_convolution/Reshape", MATRIX.reshape(8, 1, 8, 4, 2))
        net.layer("__module.conv/aten::_convolution/GroupConvolution", "GroupConvolution", [-1, kernel])
        half = net.constant("self.out.weight_compressed", MATRIX.astype(np.float16))
        net.layer("x", "MatMul", [-1, net.layer("self.out.weight", "Convert", [half])], transpose_b="true")
        found = read(net, tmp_path)
        assert {name: array.shape for name, array in found.items()} == {
            "l.0.q.weight": (8, 64), "l.0.q.bias": (8,), "conv.weight": (8, 8, 4, 2), "out.weight": (8, 64),
        }  # fmt: skip

    def test_of_onnx_a_nameless_matrix_is_turned_back(self, tmp_path: Path) -> None:
        net = Net()
        net.layer("/encoder/layer.0/MatMul", "MatMul", [-1, net.constant("onnx::MatMul_41", MATRIX)])
        net.layer("/encoder/layer.1/MatMul", "MatMul", [-1, net.constant("encoder.layer.1.weight", MATRIX)])
        found = read(net, tmp_path)
        assert same_bits(found["encoder.layer.0.weight"], MATRIX.T.copy())
        assert same_bits(found["encoder.layer.1.weight"], MATRIX)

    def test_what_nothing_tells_keeps_its_own(self, tmp_path: Path) -> None:
        net = Net()
        for name in ("Constant_7", "model/conv/kernel", "Constant_7"):
            net.layer("x", "MatMul", [-1, net.constant(name, MATRIX)])
        assert list(read(net, tmp_path)) == ["Constant_7", "model/conv/kernel", "Constant_7.2"]


class TestCompressed:
    @pytest.mark.parametrize("kind", ["u8", "i8", "u4", "i4", "nf4"])
    @pytest.mark.parametrize("group", [None, 16])
    def test_codes_with_a_scale(self, kind: str, group: int | None, tmp_path: Path) -> None:
        shape = (8, 64) if group is None else (8, 64 // group, group)
        low, high = {"u8": (0, 256), "i8": (-128, 128), "u4": (0, 16), "i4": (-8, 8), "nf4": (0, 16)}[kind]
        codes = RNG.integers(low, high, shape)
        scale = RNG.random((*shape[:-1], 1)).astype(np.float16)
        zero = np.full((*shape[:-1], 1), 7) if kind.startswith("u") else np.zeros((1,) * len(shape), int)
        content = codes.astype(kind.replace("8", "1")).tobytes() if kind.endswith("8") else nibbles(codes)
        net = Net()
        value = net.layer("self.q.weight/c", "Convert", [net.packed("self.q.weight", shape, kind, content)])
        if kind.startswith("u"):
            raw = zero.astype(np.uint8).tobytes() if kind == "u8" else nibbles(zero)
            point = net.layer("z", "Convert", [net.packed("self.q.weight/zero_point", zero.shape, kind, raw)])
            value = net.layer("s", "Subtract", [value, point])
        value = net.layer("m", "Multiply", [value, net.constant("self.q.weight/scale", scale)])
        if group is not None:
            value = net.layer("r", "Reshape", [value, net.constant("r/shape", np.array([8, 64]))], sides=(8, 64))
        net.layer("p", "MatMul", [-1, net.layer("c", "Convert", [value])], transpose_b="true")
        [view] = open_checkpoint(net.write(tmp_path)).tensors
        numbers = NF4[codes] if kind == "nf4" else codes.astype(np.float32)
        expected = ((numbers - zero) * scale.astype(np.float32)).reshape(8, 64).astype(np.float16)
        assert (view.name, view.shape) == ("q.weight", (8, 64))
        assert view.encoding == f"openvino {kind} " + ("per-channel" if group is None else "groups of 16")
        assert np.array_equal(view.rows(0, 8), expected)
        assert np.array_equal(view.rows(3, 5), expected[3:5])

    def test_kernels_in_groups(self, tmp_path: Path) -> None:
        codes, scale = RNG.integers(-9, 9, (4, 2, 3, 3, 3)).astype(np.int8), RNG.random((4, 1, 1, 1, 1)).astype("f4")
        net = Net()
        value = net.layer("c", "Convert", [net.constant("self.conv.weight", codes)])
        value = net.layer("m", "Multiply", [value, net.constant("scale", scale)])
        net.layer("p", "GroupConvolution", [-1, value])
        found = read(net, tmp_path)
        assert np.array_equal(found["conv.weight"], (codes * scale).reshape(8, 3, 3, 3))

    def test_codes_of_which_nothing_tells_the_scale_are_unread(self, tmp_path: Path) -> None:
        net = Net()
        codes = net.constant("self.q.weight", np.ones((64, 64), np.int8))
        net.layer("f", "FakeQuantize", [net.layer("c", "Convert", [codes])])
        net.layer("p", "MatMul", [-1, net.constant("self.v.weight", np.ones((64, 64), np.float32))])
        with pytest.raises(UnsupportedFormat, match="is unread, 50% of the parameters"):
            open_checkpoint(net.write(tmp_path))

    def test_a_few_are_left_out_and_named(self, tmp_path: Path) -> None:
        net = Net()
        net.layer("f", "FakeQuantize", [net.constant("codes", np.ones((40, 40), np.int8))])
        net.layer("p", "MatMul", [-1, net.constant("w", RNG.standard_normal((600, 600)))])
        assert open_checkpoint(net.write(tmp_path)).left_out == (("codes", NotRead("codes-without-range")),)


class TestFiles:
    def test_either_file_or_their_folder_is_the_model(self, tmp_path: Path) -> None:
        net = Net()
        net.layer("p", "MatMul", [-1, net.constant("self.w", MATRIX)])
        (tmp_path / "config.json").write_text('{"model_type": "llama"}')
        net.write(tmp_path, "openvino_model")
        Net().write(tmp_path, "openvino_tokenizer")
        for place in (tmp_path, tmp_path / "openvino_model.xml", tmp_path / "openvino_model.bin"):
            checkpoint = open_checkpoint(place)
            assert same_bits(whole(checkpoint)["w"], MATRIX)
            assert (checkpoint.format, checkpoint.config["model_type"]) == ("openvino", "llama")
            assert checkpoint.nbytes > MATRIX.nbytes

    def test_bodies_of_loops_have_weights_too(self, tmp_path: Path) -> None:
        inner, outer = Net(), Net()
        inner.constant("self.inner", MATRIX)
        outer.values += inner.values
        outer.constant("self.outer", MATRIX * 2)
        outer.layer("loop", "Loop")
        body = f"<body><layers>{inner.layers[0]}</layers></body></layer>"
        outer.layers[-1] = outer.layers[-1].removesuffix("</layer>") + body
        assert sorted(read(outer, tmp_path)) == ["inner", "outer"]

    @pytest.mark.parametrize(
        ("change", "kind", "said"),
        [
            ((b'version="11"', b'version="7"'), UnsupportedFormat, "is OpenVINO IR version '7'; 10 and 11 are read"),
            ((b"<net", b"<Error"), CheckpointError, "is a web page, not weights"),
            ((b"</net>", b""), Truncated, "ends inside its XML"),
        ],
    )
    def test_what_is_not_read(
        self, change: tuple[bytes, bytes], kind: type[CheckpointError], said: str, tmp_path: Path
    ) -> None:
        net = Net()
        net.constant("self.w", MATRIX)
        path = net.write(tmp_path)
        path.write_bytes(net.xml().replace(*change))
        with pytest.raises(kind, match=said):
            open_checkpoint(path)

    def test_without_its_values(self, tmp_path: Path) -> None:
        path = Net().write(tmp_path)
        (tmp_path / "net.bin").unlink()
        with pytest.raises(NoWeights, match=r"keep the \.bin of the same name beside it"):
            open_checkpoint(path)

    def test_safetensors_beside_it_come_first(self, tmp_path: Path) -> None:
        Net().write(tmp_path, "openvino_model")
        (tmp_path / "model.safetensors").write_bytes(safetensors_bytes({"w": MATRIX}))
        assert open_checkpoint(tmp_path).format == "safetensors"
