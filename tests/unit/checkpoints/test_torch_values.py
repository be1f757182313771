"""Torch tensors that are not simply values: sparse, quantised, and wrapped by torchao. As numbers, in their bands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from lineage.checkpoints import open_checkpoint
from lineage.errors import Malformed, UnsupportedFormat
from lineage.sketch import sketch_checkpoint
from lineage.types import TensorView
from lineage.types.facts.exclusions import UnreadWrapper
from tests.torch_files import Glob, Storages, ordered_dict, write_legacy, write_zip
from tests.torch_value_files import bsr, by_columns, coo, csr, qtensor, sparse, wrapper

RNG = np.random.default_rng(11)
DENSE = np.where(RNG.random((6, 8)) < 0.4, RNG.standard_normal((6, 8)), 0).astype(np.float32)
KERNEL = np.where(RNG.random((4, 3, 2, 2)) < 0.4, RNG.standard_normal((4, 3, 2, 2)), 0).astype(np.float16)


SPARSE = {
    "COO": (DENSE, lambda s: coo(s, DENSE)),
    "COO of before the flag": (DENSE, lambda s: coo(s, DENSE, coalesced=None)),
    "COO unsorted": (DENSE, lambda s: coo(s, DENSE, coalesced=False, shuffled=True)),
    "COO of a kernel": (KERNEL, lambda s: coo(s, KERNEL)),
    "COO with dense axes": (KERNEL, lambda s: coo(s, KERNEL, axes=2)),
    "COO of a vector": (DENSE[0], lambda s: coo(s, DENSE[0])),
    "CSR": (DENSE, lambda s: csr(s, DENSE)),
    "BSR 2x4": (DENSE, lambda s: bsr(s, DENSE, 2, 4)),
    "BSR 3x1": (DENSE, lambda s: bsr(s, DENSE, 3, 1)),
    "CSC": (DENSE, lambda s: by_columns(s, DENSE)),
    "BSC 2x4": (DENSE, lambda s: by_columns(s, DENSE, 2, 4)),
    "BSC 1x2": (DENSE, lambda s: by_columns(s, DENSE, 1, 2)),
}


@pytest.fixture(params=[False, True], ids=["zip", "legacy"])
def storages(request: pytest.FixtureRequest) -> Storages:
    return Storages(legacy=request.param)


def view_of(tmp_path: Path, value: Any, storages: Storages, name: str = "w") -> TensorView:
    path = (write_legacy if storages.legacy else write_zip)(tmp_path / "net.pt", ordered_dict({name: value}), storages)
    [view] = open_checkpoint(path).tensors
    return view


def reads(view: TensorView, expected: np.ndarray) -> None:
    assert (view.shape, view.dtype) == (expected.shape, expected.dtype)
    n = len(expected)
    for start in range(n + 1):
        for stop in range(start, n + 1):
            assert np.array_equal(view.rows(start, stop), expected[start:stop])
    for start, stop in ((-1, 1), (2, 1), (0, n + 1)):
        with pytest.raises(IndexError):
            view.rows(start, stop)


@pytest.mark.parametrize("kind", SPARSE)
def test_a_sparse_tensor_reads_as_the_dense_one(kind: str, storages: Storages, tmp_path: Path) -> None:
    expected, write = SPARSE[kind]
    view = view_of(tmp_path, write(storages), storages)
    reads(view, expected)
    assert view.encoding is None


def test_places_that_come_twice_add_up(storages: Storages, tmp_path: Path) -> None:
    value = sparse(storages, "sparse_coo", [[1, 1], [0, 0]], np.array([1, 2], np.float32), shape=(2, 2), more=(False,))
    reads(view_of(tmp_path, value, storages), np.array([[0, 0], [3, 0]], np.float32))


def test_a_sparse_tensor_without_values_is_zero(storages: Storages, tmp_path: Path) -> None:
    zero = np.zeros((3, 2), np.float32)
    reads(view_of(tmp_path, csr(storages, np.eye(3, 2, dtype=np.float32)), storages), np.eye(3, 2, dtype=np.float32))
    storages = Storages(legacy=storages.legacy)
    half = zero.copy()
    half[2, 1] = 5
    reads(view_of(tmp_path, coo(storages, half), storages), half)


CODES = RNG.integers(-128, 128, (6, 8)).astype(np.int8)


class TestQuantised:
    def test_one_scale_for_the_tensor(self, storages: Storages, tmp_path: Path) -> None:
        value = qtensor(storages, CODES, "QInt8Storage", (Glob("torch", "per_tensor_affine"), 0.5, 3))
        view = view_of(tmp_path, value, storages)
        reads(view, (CODES.astype(np.float32) - 3) * np.float32(0.5))
        assert view.encoding == "torch qint8 per-tensor"

    def test_unsigned_codes(self, storages: Storages, tmp_path: Path) -> None:
        codes = CODES.view(np.uint8)
        value = qtensor(storages, codes, "QUInt8Storage", (Glob("torch", "per_tensor_affine"), 0.25, 128))
        reads(view_of(tmp_path, value, storages), (codes.astype(np.float32) - 128) * np.float32(0.25))

    @pytest.mark.parametrize("axis", [0, 1])
    def test_one_scale_an_index_of_an_axis(self, axis: int, storages: Storages, tmp_path: Path) -> None:
        n = CODES.shape[axis]
        scales, zeros = np.linspace(0.1, 1, n), np.arange(n)
        scheme = (Glob("torch", "per_channel_affine"), storages.tensor(scales), storages.tensor(zeros), axis)
        view = view_of(tmp_path, qtensor(storages, CODES, "QInt8Storage", scheme), storages)
        shape = (-1, 1) if axis == 0 else (1, -1)
        expected = (CODES - zeros.reshape(shape)).astype(np.float32) * scales.astype(np.float32).reshape(shape)
        reads(view, expected.astype(np.float32))
        assert view.encoding == "torch qint8 per-channel"

    def test_the_packed_parameters_of_a_quantised_layer_have_the_names_of_the_plain_one(
        self, storages: Storages, tmp_path: Path
    ) -> None:
        weight = qtensor(storages, CODES, "QInt8Storage", (Glob("torch", "per_tensor_affine"), 0.5, 0))
        packed = (weight, storages.tensor(np.ones(6, np.float32)))
        value = ordered_dict(
            {"fc._packed_params.dtype": Glob("torch", "qint8"), "fc._packed_params._packed_params": packed}
        )
        path = (write_legacy if storages.legacy else write_zip)(tmp_path / "net.pt", value, storages)
        assert [view.name for view in open_checkpoint(path).tensors] == ["fc.weight", "fc.bias"]


class TestTorchao:
    @pytest.mark.parametrize("slots", [False, True])
    def test_int8_and_fp8_with_a_scale_a_row(self, slots: bool, storages: Storages, tmp_path: Path) -> None:
        scale = np.linspace(0.1, 1, 6, dtype=np.float32)
        expected = CODES.astype(np.float32) * scale[:, None]
        state = {"qdata": storages.tensor(CODES), "scale": storages.tensor(scale[:, None]), "block_size": [1, 8]}
        view = view_of(tmp_path, wrapper("Int8Tensor", (6, 8), state, slots=slots), storages, "a.weight")
        assert (view.name, view.encoding) == ("a.weight", "torchao int8 row")
        assert np.array_equal(view.rows(1, 5), expected[1:5])
        if not storages.legacy:
            codes = (CODES / 16).astype(ml_dtypes.float8_e4m3fn)
            state = {"qdata": storages.tensor_v3(codes), "scale": storages.tensor(scale[:, None])}
            view = view_of(tmp_path, wrapper("Float8Tensor", (6, 8), state), storages, "a.weight")
            assert np.array_equal(view.rows(0, 6), codes.astype(np.float32) * scale[:, None])

    def test_the_former_layout_is_wrapped_twice(self, storages: Storages, tmp_path: Path) -> None:
        scale, zero = np.linspace(0.1, 1, 6, dtype=np.float32), np.arange(6)
        parts = {"int_data": CODES, "scale": scale, "zero_point": zero}
        inner = wrapper("PlainAQTTensorImpl", (6, 8), {name: storages.tensor(part) for name, part in parts.items()})
        outer = wrapper("AffineQuantizedTensor", (6, 8), {"tensor_impl": inner, "block_size": (1, 8)})
        view = view_of(tmp_path, outer, storages)
        assert view.name == "w"
        expected = (CODES.astype(np.float32) - zero[:, None]) * scale[:, None]
        assert np.allclose(view.rows(0, 6), expected)

    def test_int4_in_pairs(self, storages: Storages, tmp_path: Path) -> None:
        codes = RNG.integers(-8, 8, (4, 8)).astype(np.int8)
        scale, zero = (RNG.standard_normal((2, 4)).astype(np.float32) for _ in range(2))
        pairs = ((codes[:, 0::2] & 15) | (codes[:, 1::2] << 4)).astype(np.int8)
        state = {"qdata": pairs, "scale": scale, "zero_point": zero}
        value = wrapper("Int4Tensor", (4, 8), {name: storages.tensor(part) for name, part in state.items()})
        groups = np.repeat(np.arange(2), 4)
        expected = codes * scale.T[:, groups] + zero.T[:, groups]
        assert np.allclose(view_of(tmp_path, value, storages).rows(0, 4), expected)

    @pytest.mark.parametrize("name", ["Int4TilePackedTo4dTensor", "Sparse2x4CUTLASSInt4Tensor", "NF4Tensor"])
    def test_what_is_packed_for_a_kernel_is_unread_with_its_share(
        self, name: str, storages: Storages, tmp_path: Path
    ) -> None:
        packed = wrapper(name, (60, 50), {"qdata": storages.tensor(np.ones((5, 5, 5, 5), np.int32))})
        value = ordered_dict({"w": packed, "head": storages.tensor(np.ones((100, 10), np.float32))})
        path = (write_legacy if storages.legacy else write_zip)(tmp_path / "net.pt", value, storages)
        with pytest.raises(UnsupportedFormat, match=rf"unread, 75% of the parameters: a {name}"):
            open_checkpoint(path)


def test_a_little_that_is_unread_is_left_out_and_said(tmp_path: Path) -> None:
    storages = Storages()
    nested = wrapper("NestedTensor", (2, 2), {})
    value = ordered_dict({"n": nested, "head": storages.tensor(np.ones((100, 10), np.float32))})
    checkpoint = open_checkpoint(write_zip(tmp_path / "net.pt", value, storages))
    assert checkpoint.left_out == (("n", UnreadWrapper("NestedTensor")),)
    sketch = sketch_checkpoint(checkpoint, threads=1)
    assert (checkpoint.unread, sketch.unread, sketch.params) == (4, 4, 1004)


def test_scales_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    storages = Storages()
    scales, zeros = storages.tensor(np.ones(5)), storages.tensor(np.zeros(5, np.int64))
    value = qtensor(storages, CODES, "QInt8Storage", (Glob("torch", "per_channel_affine"), scales, zeros, 0))
    with pytest.raises(Malformed, match="'w' has scales that do not fit its shape"):
        view_of(tmp_path, value, storages)
