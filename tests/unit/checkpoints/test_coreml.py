"""What the Core ML reader makes of programs and networks beyond plain weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lineage.checkpoints import open_checkpoint
from lineage.checkpoints.formats.coreml import CoremlReader
from lineage.checkpoints.formats.onnx import OnnxReader
from lineage.checkpoints.formats.tf import SavedModelReader
from lineage.errors import NoWeights, UnsupportedFormat
from lineage.types.facts.exclusions import NotRead
from tests.checkpoint_files import whole
from tests.coreml_files import (
    Blobs,
    const,
    convolution,
    immediate,
    in_blob,
    layer,
    model,
    operation,
    package,
    plain,
    product,
)
from tests.onnx_files import field, varint

RNG = np.random.default_rng(2)
WEIGHT = RNG.standard_normal((8, 6)).astype(np.float32)


def stored(blobs: Blobs, name: str, array: np.ndarray, kind: str | None = None) -> bytes:
    return const(name, in_blob(kind or array.dtype.name, array.shape, blobs.add(array.tobytes())))


def opened(folder: Path, operations: list[bytes], blobs: Blobs) -> dict[str, np.ndarray]:
    return whole(open_checkpoint(package(folder, operations, blobs)))


def test_names_lose_what_the_converter_appends(tmp_path: Path) -> None:
    blobs = Blobs()
    names = ["conv1_weight_to_fp16", "fc_bias", "lstm_weight_ih_l0_to_fp16", "table_palettized", "encoder.weight"]
    found = opened(tmp_path, [stored(blobs, name, WEIGHT) for name in names], blobs)
    assert list(found) == ["conv1.weight", "fc.bias", "lstm.weight_ih_l0", "table", "encoder.weight"]


@pytest.mark.parametrize("turned", [False, True])
def test_the_matrix_of_a_product_is_out_by_in(turned: bool, tmp_path: Path) -> None:
    blobs = Blobs()
    flag = const("turned", immediate("bool", (), [int(turned)]))
    used = operation("matmul", "z", {"x": "input", "y": "w", "transpose_y": "turned"})
    found = opened(tmp_path, [flag, stored(blobs, "w", WEIGHT), used], blobs)
    assert np.array_equal(found["w"], WEIGHT if turned else WEIGHT.T)


@pytest.mark.parametrize(("kind", "order"), [("lstm", (0, 1, 3, 2)), ("gru", (0, 2, 1))])
def test_gates_are_brought_to_the_order_of_torch(kind: str, order: tuple[int, ...], tmp_path: Path) -> None:
    blobs = Blobs()
    gates = RNG.standard_normal((len(order), 5, 3)).astype(np.float32)
    used = operation(kind, "h", {"x": "input", "weight_ih": "w", "bias": "b"})
    operations = [stored(blobs, "w", gates.reshape(-1, 3)), stored(blobs, "b", gates[:, :, 0].reshape(-1)), used]
    found = opened(tmp_path, operations, blobs)
    assert np.array_equal(found["w"], gates[list(order)].reshape(-1, 3))
    assert np.array_equal(found["b"], gates[list(order), :, 0].reshape(-1))


def test_numbers_among_the_operations_are_no_weights_but_vectors_are(tmp_path: Path) -> None:
    blobs = Blobs()
    operations = [
        stored(blobs, "w", WEIGHT),
        const("epsilon", immediate("float32", (), [1e-5])),
        const("axes", immediate("int32", (2,), [0, 1])),
        const("bias", immediate("float32", (3,), [1.0, 2.0, 3.0])),
        operation("const", "mode", attributes={"val": field(2, field(1, field(1, 2)))}),
    ]
    found = opened(tmp_path, operations, blobs)
    assert list(found) == ["w", "bias"]
    assert found["bias"].tolist() == [1.0, 2.0, 3.0]


def test_functions_that_share_weights_give_them_once(tmp_path: Path) -> None:
    blobs = Blobs()
    path = package(tmp_path, [stored(blobs, "w", WEIGHT)], blobs, functions=3)
    assert list(whole(open_checkpoint(path))) == ["w"]


def test_weights_of_inner_blocks_are_found(tmp_path: Path) -> None:
    blobs = Blobs()
    inner = field(3, stored(blobs, "w", WEIGHT))
    assert list(opened(tmp_path, [operation("cond", "y", inner=inner)], blobs)) == ["w"]


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_integers_with_a_scale_for_each_unit(axis: int, tmp_path: Path) -> None:
    blobs = Blobs()
    codes = RNG.integers(-99, 99, (8, 6)).astype(np.int8)
    side = codes.shape[axis]
    scale = RNG.random(side).astype(np.float32)
    zero = RNG.integers(-9, 9, side).astype(np.int8)
    attributes = {
        "quantized_data": in_blob("int8", codes.shape, blobs.add(codes.tobytes())),
        "scale": in_blob("float32", (side,), blobs.add(scale.tobytes())),
        "zero_point": immediate("int8", (side,), zero.tobytes()),
        "axis": immediate("int32", (), [axis]),
    }
    path = package(tmp_path, [operation("constexpr_affine_dequantize", "w", attributes=attributes)], blobs)
    [view] = open_checkpoint(path).tensors
    spread = (1, -1) if axis in {1, -1} else (-1, 1)
    expected = (codes.astype(np.float32) - zero.reshape(spread)) * scale.reshape(spread)
    assert np.array_equal(view.rows(2, 7), expected[2:7])
    assert view.encoding == "coreml int8 per-channel"


def test_what_cannot_be_decoded_is_left_out_by_name(tmp_path: Path) -> None:
    blobs = Blobs()
    attributes = {"nonzero_data": in_blob("float32", (8, 6), blobs.add(WEIGHT.tobytes()))}
    operations = [
        stored(blobs, "v", WEIGHT[::-1].copy()),
        operation("constexpr_sparse_to_dense", "w", attributes=attributes),
    ]
    checkpoint = open_checkpoint(package(tmp_path, operations, blobs))
    assert [view.name for view in checkpoint.tensors] == ["v"]
    assert checkpoint.left_out == (("w", NotRead("coreml-compressed")),)


def test_a_package_is_named_after_its_folder_and_counted_with_its_weights(tmp_path: Path) -> None:
    blobs = Blobs()
    checkpoint = open_checkpoint(package(tmp_path, [stored(blobs, "w", WEIGHT)], blobs))
    assert checkpoint.name == "net"
    assert checkpoint.nbytes > WEIGHT.nbytes
    assert open_checkpoint(tmp_path / "net.mlpackage/Data/com.apple.CoreML/model.mlmodel").name == "net.mlpackage"


def test_weights_that_are_missing_are_named(tmp_path: Path) -> None:
    blobs = Blobs()
    path = package(tmp_path, [stored(blobs, "w", WEIGHT)], blobs)
    (path / "Data/com.apple.CoreML/weights/weight.bin").unlink()
    with pytest.raises(NoWeights, match=r"its weights .weights/weight\.bin. are missing"):
        open_checkpoint(path)


def network(folder: Path, *layers: bytes) -> dict[str, np.ndarray]:
    path = folder / "net.mlmodel"
    path.write_bytes(model(500, b"".join(layers)))
    return whole(open_checkpoint(path))


def test_a_transposed_convolution_is_in_by_out(tmp_path: Path) -> None:
    kernel = RNG.standard_normal((4, 6, 3, 2)).astype(np.float32)
    sides = field(20, varint(3) + varint(2))
    body = field(1, 6) + field(2, 4) + sides + field(60, 1) + field(90, plain(kernel))
    assert np.array_equal(network(tmp_path, layer("up", 100, body))["up.weight"], kernel)


def test_an_embedding_is_vocabulary_by_width(tmp_path: Path) -> None:
    body = field(1, 6) + field(2, 8) + field(20, plain(WEIGHT))
    assert np.array_equal(network(tmp_path, layer("words", 150, body))["words.weight"], WEIGHT.T)


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 7, 8])
def test_codes_of_every_width_number_a_table(bits: int, tmp_path: Path) -> None:
    codes = RNG.integers(0, 1 << bits, (5, 7)).astype(np.uint8)
    table = RNG.standard_normal(1 << bits).astype(np.float32)
    stream = np.unpackbits(codes.reshape(-1, 1), axis=1)[:, 8 - bits :].reshape(-1)
    coded = field(30, np.packbits(stream).tobytes())
    coded += field(40, field(1, bits) + field(102, field(1, table.tobytes())))
    path = tmp_path / "net.mlmodel"
    path.write_bytes(model(500, product("fc", coded, (5, 7))))
    [view] = open_checkpoint(path).tensors
    assert np.array_equal(view.rows(1, 4), table[codes[1:4]])


@pytest.mark.parametrize("count", [1, 5])
def test_codes_with_a_scale_and_a_bias(count: int, tmp_path: Path) -> None:
    codes = RNG.integers(0, 256, (5, 7)).astype(np.uint8)
    scale, bias = RNG.random((2, count)).astype(np.float32)
    coded = field(30, codes.tobytes())
    coded += field(40, field(1, 8) + field(101, field(1, scale.tobytes()) + field(2, bias.tobytes())))
    found = network(tmp_path, product("fc", coded, (5, 7)))["fc.weight"]
    assert np.allclose(found, codes * scale.reshape(-1, 1) + bias.reshape(-1, 1), rtol=1e-6)


def test_a_pipeline_gives_the_weights_of_its_models(tmp_path: Path) -> None:
    inner = [model(500, convolution(name, plain(WEIGHT.reshape(8, 6, 1)), (8, 6, 1))) for name in "ab"]
    path = tmp_path / "net.mlmodel"
    path.write_bytes(model(202, b"".join(field(1, one) for one in inner)))
    assert list(whole(open_checkpoint(path))) == ["a.weight", "b.weight"]


def test_a_model_that_is_no_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.mlmodel"
    path.write_bytes(model(300, b""))
    with pytest.raises(UnsupportedFormat, match="not a neural network"):
        open_checkpoint(path)


@pytest.mark.parametrize("version", [1, 7, 9])
def test_other_protocol_buffers_are_told_apart(version: int) -> None:
    head = model(500, b"x" * 99, version)[:64]
    assert CoremlReader().recognises(head)
    assert not SavedModelReader().recognises(head)
    onnx = field(1, version) + field(2, "pytorch") + field(3, "2.0") + field(7, b"\x0a" * 50)
    assert not CoremlReader().recognises(onnx)
    assert OnnxReader().recognises(onnx) or version < 3
    saved = field(1, 1) + field(2, field(1, field(2, field(1, "op") * 40)))
    assert not CoremlReader().recognises(saved)
