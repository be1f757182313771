"""safetensors against the library that defines the format."""

from __future__ import annotations

import json
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from safetensors import SafetensorError, TensorSpec, deserialize, serialize

from lineage.checkpoints import open_checkpoint
from lineage.checkpoints.io.views import EMPTY
from lineage.errors import CheckpointError, Malformed, UnsupportedDtype, UnsupportedFormat
from lineage.types.facts.exclusions import NotAWeight, UnreadType
from tests.checkpoint_files import header_file, safetensors_bytes, same_bits, whole

WHOLE_BYTE = [
    np.bool_, np.uint8, np.int8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64, np.float16, np.float32,
    np.float64, np.complex64, ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2,
    ml_dtypes.float8_e8m0fnu, ml_dtypes.float8_e4m3fnuz, ml_dtypes.float8_e5m2fnuz,
]  # fmt: skip


def one(dtype: str, shape: list[int], size: int) -> dict[str, object]:
    return {"w": {"dtype": dtype, "shape": shape, "data_offsets": [0, size]}}


def open_bytes(path: Path, content: bytes) -> dict[str, np.ndarray]:
    path.write_bytes(content)
    return whole(open_checkpoint(path))


@pytest.mark.parametrize("dtype", WHOLE_BYTE, ids=lambda dtype: np.dtype(dtype).name)
def test_reads_every_dtype_that_the_library_writes(dtype: type, tmp_path: Path) -> None:
    raw = np.random.default_rng(1).integers(0, 256, 24 * np.dtype(dtype).itemsize, dtype=np.uint8)
    values = (raw % 2 if dtype is np.bool_ else raw).view(dtype).reshape(4, 3, 2)
    content = safetensors_bytes({"w": values})
    found = open_bytes(tmp_path / "net.safetensors", content)
    assert same_bits(found["w"], values)
    assert found["w"].tobytes() == bytes(dict(deserialize(content))["w"]["data"])


def test_four_bits_are_unpacked_low_nibble_first(tmp_path: Path) -> None:
    raw = np.random.default_rng(2).integers(0, 256, 12, dtype=np.uint8)
    spec = TensorSpec(dtype="float4_e2m1fn_x2", shape=(4, 3), data_ptr=raw.ctypes.data, data_len=12)
    path = tmp_path / "net.safetensors"
    path.write_bytes(bytes(serialize({"w": spec})))
    view = open_checkpoint(path).tensors[0]
    codes = np.stack([raw & 15, raw >> 4], axis=1).reshape(4, 6)
    assert view.shape == (4, 6)
    assert same_bits(view.rows(0, 4), codes.view(ml_dtypes.float4_e2m1fn))
    assert float(np.uint8(0b0111).view(ml_dtypes.float4_e2m1fn)) == 6.0


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("F4", ml_dtypes.float4_e2m1fn), ("F6_E2M3", ml_dtypes.float6_e2m3fn), ("F6_E3M2", ml_dtypes.float6_e3m2fn)],
)
def test_bands_of_packed_rows_may_begin_inside_a_byte(name: str, dtype: type, tmp_path: Path) -> None:
    bits = int(name[1])
    codes = np.random.default_rng(3).integers(0, 1 << bits, (8, 5), dtype=np.uint8)
    stream = sum(int(code) << (bits * i) for i, code in enumerate(codes.reshape(-1)))
    size = 40 * bits // 8
    content = header_file(tmp_path / "net.safetensors", one(name, [8, 5], size), stream.to_bytes(size, "little"))
    assert dict(deserialize(content.read_bytes()))["w"]["dtype"] == name
    view = open_checkpoint(content).tensors[0]
    for start, stop in ((0, 8), (1, 2), (3, 7), (7, 8), (4, 4)):
        assert same_bits(view.rows(start, stop), codes[start:stop].view(dtype))


def test_a_scalar_has_one_row(tmp_path: Path) -> None:
    path = header_file(tmp_path / "net.safetensors", one("F32", [], 4), np.float32(2.5).tobytes())
    view = open_checkpoint(path).tensors[0]
    assert view.shape == ()
    assert view.rows(0, 1).tolist() == [2.5]


FLOAT = {"dtype": "F32", "shape": [2, 2]}
REFUSED = {
    "overlapping": {"a": {**FLOAT, "data_offsets": [0, 16]}, "b": {**FLOAT, "data_offsets": [8, 24]}},
    "same bytes twice": {"a": {**FLOAT, "data_offsets": [0, 16]}, "b": {**FLOAT, "data_offsets": [0, 16]}},
    "hole": {"a": {**FLOAT, "data_offsets": [0, 16]}, "b": {**FLOAT, "data_offsets": [24, 40]}},
    "hole at the start": {"a": {**FLOAT, "data_offsets": [8, 24]}},
    "behind the file": {"a": {**FLOAT, "data_offsets": [0, 16]}, "b": {**FLOAT, "data_offsets": [16, 64]}},
    "backwards": {"a": {**FLOAT, "data_offsets": [16, 0]}},
    "size of another shape": {"a": {**FLOAT, "data_offsets": [0, 12]}},
    "negative": {"a": {"dtype": "F32", "shape": [-2, -2], "data_offsets": [0, 16]}},
    "overflow": {"a": {"dtype": "F32", "shape": [1 << 62, 1 << 62], "data_offsets": [0, 16]}},
    "huge number": {"a": {"dtype": "F32", "shape": [1 << 80], "data_offsets": [0, 16]}},
    "fraction": {"a": {"dtype": "F32", "shape": [2.0, 2.0], "data_offsets": [0, 16]}},
    "three offsets": {"a": {**FLOAT, "data_offsets": [0, 8, 16]}},
    "no offsets": {"a": FLOAT},
    "no object": {"a": [1, 2]},
    "number in the metadata": {"__metadata__": {"a": 1}, "a": {**FLOAT, "data_offsets": [0, 16]}},
    "half a byte": {"a": {"dtype": "F4", "shape": [3], "data_offsets": [0, 2]}},
    "dtype unknown": {"a": {"dtype": "F31", "shape": [2, 2], "data_offsets": [0, 16]}},
}


@pytest.mark.parametrize("header", REFUSED.values(), ids=REFUSED.keys())
def test_refuses_what_the_library_refuses(header: dict[str, object], tmp_path: Path) -> None:
    path = header_file(tmp_path / "net.safetensors", header, bytes(40))
    with pytest.raises(SafetensorError):
        deserialize(path.read_bytes())
    with pytest.raises(CheckpointError):
        open_checkpoint(path)


def test_accepts_a_header_in_any_order_with_spaces_behind(tmp_path: Path) -> None:
    header = {"b": {**FLOAT, "data_offsets": [16, 32]}, "a": {**FLOAT, "data_offsets": [0, 16]}}
    path = header_file(tmp_path / "net.safetensors", json.dumps(header).encode() + b"   ", bytes(32))
    assert {name for name, _ in deserialize(path.read_bytes())} == {"a", "b"}
    assert [view.name for view in open_checkpoint(path).tensors] == ["a", "b"]


def test_a_header_length_that_looks_like_a_pickle_does_not_mislead(tmp_path: Path) -> None:
    header = json.dumps({"w": {**FLOAT, "data_offsets": [0, 16]}}).encode()
    path = header_file(tmp_path / "net.safetensors", header.ljust(0x0280), bytes(16))
    assert path.read_bytes()[:2] == b"\x80\x02"
    assert open_checkpoint(path).format == "safetensors"


def test_a_dtype_of_the_future_is_named(tmp_path: Path) -> None:
    path = header_file(tmp_path / "net.safetensors", one("F2", [4], 1), bytes(1))
    with pytest.raises(UnsupportedDtype, match="tensor 'w' has dtype 'F2'"):
        open_checkpoint(path)


def test_one_tensor_of_such_a_dtype_does_not_hide_the_others(tmp_path: Path) -> None:
    header = {**one("F32", [8], 32), "x": {"dtype": "F2", "shape": [4], "data_offsets": [32, 33]}}
    opened = open_checkpoint(header_file(tmp_path / "net.safetensors", header, bytes(33)))
    assert [view.name for view in opened.tensors] == ["w"]
    assert opened.left_out == (("x", UnreadType("F2")),)
    assert opened.unread == 4  # of twelve, so that shares are of the whole model
    hole = {**header, "x": {**header["x"], "data_offsets": [33, 34]}}
    with pytest.raises(Malformed, match="leaves a hole"):
        open_checkpoint(header_file(tmp_path / "net.safetensors", hole, bytes(34)))


def test_half_of_a_model_in_such_a_dtype_is_no_model(tmp_path: Path) -> None:
    header = {**one("F32", [4], 16), "x": {"dtype": "F2", "shape": [4], "data_offsets": [16, 17]}}
    with pytest.raises(UnsupportedFormat, match=r"unread, 50% of the parameters: dtype 'F2'"):
        open_checkpoint(header_file(tmp_path / "net.safetensors", header, bytes(17)))


@pytest.mark.parametrize("name", ["\x1b[2Jw", "a\nb", "\ud800", "n" * 2000], ids=["escape", "line", "half", "long"])
def test_names_that_cannot_be_shown_are_refused(name: str, tmp_path: Path) -> None:
    path = header_file(tmp_path / "net.safetensors", {name: {**FLOAT, "data_offsets": [0, 16]}}, bytes(16))
    with pytest.raises(Malformed) as refused:
        open_checkpoint(path)
    assert str(refused.value).isprintable()


def test_a_tensor_without_elements_beside_weights_is_left_out(tmp_path: Path) -> None:
    """As e3nn's layers have for the bias that they do without."""
    path = tmp_path / "a.safetensors"
    weights = {name: np.ones((3, 2), np.float32) for name in ("a", "b")}
    path.write_bytes(safetensors_bytes({**weights, "a.bias": np.empty(0, np.float32)}))
    checkpoint = open_checkpoint(path)
    assert sorted(view.name for view in checkpoint.tensors) == ["a", "b"]
    assert checkpoint.left_out == (("a.bias", EMPTY),)


def test_optimizer_state_is_left_out(tmp_path: Path) -> None:
    ones = np.ones(2, np.float32)
    names = ["fc.weight", "optimizer.state.0.exp_avg", "state.1.step", "fc.bn.num_batches_tracked", "fc.exp_avg_sq"]
    path = tmp_path / "net.safetensors"
    path.write_bytes(safetensors_bytes(dict.fromkeys(names, ones)))
    checkpoint = open_checkpoint(path)
    assert [view.name for view in checkpoint.tensors] == ["fc.weight"]
    assert dict(checkpoint.left_out) == {
        "optimizer.state.0.exp_avg": NotAWeight("optimizer-state"),
        "state.1.step": NotAWeight("optimizer-state"),
        "fc.bn.num_batches_tracked": NotAWeight("training-counter"),
        "fc.exp_avg_sq": NotAWeight("optimizer-state"),
    }
