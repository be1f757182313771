"""Parts of weights, averages and adapters that do not fit each other, and names made to take time: one way out each."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from lineage.checkpoints import open_checkpoint
from lineage.sketch import sketch_checkpoint
from tests.checkpoint_files import header_file, opens_or_is_refused, safetensors_bytes, write_safetensors

V = np.arange(1, 13, dtype=np.float32).reshape(4, 3)
NEW = "parametrizations.weight"
RNG = np.random.default_rng(5)
SIGNAL = np.array(0x7F800001, np.uint32).view(np.float32)[()]  # a NaN that is no float64 without a warning


def names(folder: Path, arrays: dict[str, np.ndarray]) -> set[str]:
    return {view.name for view in open_checkpoint(write_safetensors(folder, arrays)).tensors}


@pytest.mark.parametrize(
    "parts",
    [
        {"a.weight_g": np.ones((3, 1), np.float32), "a.weight_v": V},
        {"a.weight_g": np.ones((4, 3), np.float32), "a.weight_v": V},
        {"a.weight_g": np.ones((4, 1, 1), np.float32), "a.weight_v": V},
        {"a.weight_g": np.ones(2, np.float32), "a.weight_v": V},
        {"a.weight_g": np.ones((4, 1), np.int32), "a.weight_v": V},
        {"a.weight_g": np.ones((4, 1), np.float32), "a.weight_v": V.astype(np.int8)},
        {"a.weight_g": np.ones(4, np.float32), "a.weight_v": V[:, 0]},
        {"a.weight_orig": V, "a.weight_mask": V.T.copy()},
        {"a.weight_orig": V, "a.weight_mask": V, "a.weight": V},
        {"a.weight_orig": V, "a.weight_mask": V, f"a.{NEW}.0.mask": V},
        {f"a.{NEW}.original": V, f"a.{NEW}.0.basis": V},
        {"a.weight_orig": V},
        {"a_g": np.ones((4, 1), np.float32), "a_v": V},
    ],
    ids=lambda parts: " ".join(f"{name}{list(array.shape)}" for name, array in parts.items()),
)
def test_parts_that_do_not_fit_stay_as_they_are_stored(tmp_path: Path, parts: dict[str, np.ndarray]) -> None:
    assert names(tmp_path, parts) == set(parts)


@pytest.mark.parametrize(
    "arrays",
    [
        {"net.a": V, "net_ema.b": V},
        {"net.a": V, "net_ema.a": V[:2]},
        {"net.a": V, "net_ema.a": V, "net_ema.b": V},
        {"ema.a": V, "ema.decay": np.array(0.9, np.float32)},
        {"a": V, "ema.shadow_params.0": V, "ema.shadow_params.1": V},
        {"a/ExponentialMovingAverage": V, "b/ExponentialMovingAverage": V, "a": V},
        {f"layers.{i}.ema.a": V for i in range(40)} | {"a": V},
    ],
    ids=lambda arrays: " ".join(list(arrays)[:3]),
)
def test_averages_without_their_weights_are_weights(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    assert names(tmp_path, arrays) == set(arrays)


@pytest.mark.parametrize(
    "arrays",
    [
        {"q.lora_A.weight": V, "q.lora_B.weight": V, "q.weight": V, "k.lora_A.weight": V, "o.weight": V},
        {"q.lora_A.weight": V, "q.base_layer.weight": V, "q.weight": V},
    ],
    ids=["a factor without its weight", "two weights of one name"],
)
def test_factors_of_other_models_stay(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    assert names(tmp_path, arrays) == set(arrays)


@pytest.mark.parametrize(
    "arrays",
    [
        {"a.weight_orig": V * np.float32(1e30), "a.weight_mask": V * np.float32(1e30)},
        {f"a.{NEW}.original": V.astype(np.float16), f"a.{NEW}.0.mask": V * np.float32(1e30)},
        {
            "a.weight_g": np.full((4, 1), np.float32(3e38)), "a.weight_v": V * np.float32(1e-38),
            "a.weight_mask": V * np.float32(1e30),
        },
        {"a.weight_g": np.full((4, 1), 1e308), "a.weight_v": V.astype(np.float64) * 1e-100},
        {"a.weight_g": np.full((4, 1), 1e308), "a.weight_v": V.astype(np.float64) * 1e200},
        {"a.weight_g": np.full((1, 1), 1e308), "a.weight_v": V.astype(np.float64) * 1e200},
        {"a.weight_g": np.ones((4, 1), np.float32), "a.weight_v": np.where(V == 5, SIGNAL, V)},
        {"a.weight_g": np.ones((1, 3), np.float32), "a.weight_v": np.where(V == 5, SIGNAL, V)},
        {"a.weight_g": np.full((4, 1), SIGNAL), "a.weight_v": V},
    ],
    ids=["a mask", "a mask in half precision", "a mask on a length", "a length", "a norm", "the norm of all",
         "a NaN that signals", "one in a column", "one for a length"],
)  # fmt: skip
def test_products_beyond_every_float_are_left_out_without_a_warning(
    tmp_path: Path, arrays: dict[str, np.ndarray]
) -> None:
    """Found by the fuzzer: a product of two sound parts need not be sound."""
    path = write_safetensors(tmp_path, {**arrays, "sound.weight": RNG.standard_normal((6, 5)).astype(np.float32)})
    sketched = sketch_checkpoint(open_checkpoint(path), "full")
    assert [tensor.name for tensor in sketched.tensors] == ["sound.weight"]


def test_damaged_lengths_are_refused_by_the_sketch(tmp_path: Path) -> None:
    parts = {"a.weight_g": np.full((4, 1), np.float32(3e38)), "a.weight_v": np.full((4, 3), np.float32(1e-38))}
    opens_or_is_refused(write_safetensors(tmp_path, parts))
    nothing = {"a.weight_g": np.ones((4, 1), np.float32), "a.weight_v": np.zeros((4, 3), np.float32)}
    (view,) = open_checkpoint(write_safetensors(tmp_path, nothing)).tensors
    assert not view.rows(0, 4).any()
    with pytest.raises(IndexError):
        view.rows(0, 5)


def test_a_band_is_that_of_the_whole(tmp_path: Path) -> None:
    for length in (np.ones((4, 1)), np.ones((1, 3)), np.ones(())):
        stored = {"a.weight_g": np.array(2 * length, np.float32), "a.weight_v": V}
        (view,) = open_checkpoint(write_safetensors(tmp_path, stored)).tensors
        whole = view.rows(0, 4)
        assert np.array_equal(whole[1:3], view.rows(1, 3))
        axes = tuple(axis for axis, side in enumerate(length.shape) if side == 1) or None
        wide = V.astype(np.float64)
        np.testing.assert_allclose(whole, 2 * wide / np.sqrt(np.square(wide).sum(axis=axes, keepdims=True)), rtol=1e-6)


@pytest.mark.parametrize(
    "name",
    [
        "weight" * 150 + "_{}",
        "a." * 480 + "weight_{}_v",
        "_ema" * 220 + "_{}.x",
        "parametrizations.a." * 50 + "{}.mask",
    ],
    ids=["weight", "dots", "ema", "parametrizations"],
)
def test_names_made_to_take_time(tmp_path: Path, name: str) -> None:
    entries = {name.format(i): {"dtype": "F32", "shape": [1], "data_offsets": [4 * i, 4 * i + 4]} for i in range(2_000)}
    path = header_file(tmp_path / "net.safetensors", entries, np.ones(2_000, np.float32).tobytes())
    started = time.process_time()
    assert len(open_checkpoint(path).tensors) == 2_000
    assert time.process_time() - started < 20


def test_a_model_of_nothing_but_masks_keeps_them(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    path.write_bytes(safetensors_bytes({"a.weight_mask": V, "b.weight_mask": V + 1}))
    assert len(sketch_checkpoint(open_checkpoint(path)).tensors) == 2
