"""Kernels of convolutions in files that do not say how they order axes: one network, however it was written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lineage.ancestry import compare
from lineage.checkpoints import open_checkpoint
from lineage.checkpoints.decode.biases import bias_length
from lineage.checkpoints.decode.kernel_order import order_of
from lineage.sketch import sketch_checkpoint
from tests import model_shapes
from tests.checkpoint_files import Arrays, sketched, whole, write_npz, write_safetensors, write_torch
from tests.graph_files import node, save, variable
from tests.pickle_files import write_pickle
from tests.tensorflow_files import bundle

RNG = np.random.default_rng(21)


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


# A network as torch has it: an entry, a depthwise layer, two that narrow and widen, a head of one channel.
TORCH: Arrays = {
    "1.weight": normal(40, 3, 5, 5), "1.bias": normal(40),
    "2.weight": normal(40, 1, 3, 3), "2.bias": normal(40),
    "3.weight": normal(12, 40, 1, 1), "3.bias": normal(12),
    "4.weight": normal(40, 12, 3, 3), "4.bias": normal(40),
    "5.weight": normal(1, 40, 3, 3), "5.bias": normal(1),
}  # fmt: skip


def last(kernel: np.ndarray) -> np.ndarray:
    """(height, width, in, out), depthwise (height, width, channels, 1)."""
    return kernel.transpose(2, 3, 0, 1) if kernel.shape[1] == 1 and len(kernel) > 1 else kernel.transpose(2, 3, 1, 0)


def middle(kernel: np.ndarray) -> np.ndarray:
    """(out, height, width, in)."""
    return kernel.transpose(0, 2, 3, 1)


def named(pattern: str, bias: str | None, order: Callable[[np.ndarray], np.ndarray]) -> dict[str, np.ndarray]:
    found = {}
    for name, array in TORCH.items():
        number, leaf = name.split(".")
        if leaf == "weight":
            found[pattern.format(number)] = np.ascontiguousarray(order(array))
        elif bias is not None:
            found[bias.format(number)] = array
    return found


NAMES = [
    ("conv{}.w", "conv{}.b"),
    ("conv{}.weight", "conv{}.bias"),
    ("conv{}/filters", "conv{}/bias"),
    ("f{}", "b{}"),
    ("W{}", "b{}"),
    ("W_conv{}", "b_conv{}"),
    ("conv{}_w", "conv{}_b"),
    ("layer{}.kernel", "layer{}.bias"),
]


@pytest.mark.parametrize("order", [last, middle])
@pytest.mark.parametrize(("kernel", "bias"), NAMES)
@pytest.mark.parametrize("write", [write_safetensors, write_npz, write_torch, write_pickle])
def test_the_same_network_in_any_order_is_the_same_model(
    write: Callable[[Path, Arrays], Path],
    kernel: str,
    bias: str,
    order: Callable[[np.ndarray], np.ndarray],
    tmp_path: Path,
) -> None:
    usual = sketched(write_safetensors(tmp_path, TORCH))
    (tmp_path / "other").mkdir()
    found = sketched(write(tmp_path / "other", named(kernel, bias, order)))
    assert found.id == usual.id
    assert sorted(t.shape for t in found.tensors) == sorted(t.shape for t in usual.tensors)


@pytest.mark.parametrize(("kernel", "bias"), NAMES)
def test_a_tensorflow_checkpoint_gives_the_same(kernel: str, bias: str, tmp_path: Path) -> None:
    usual = sketched(write_safetensors(tmp_path, TORCH))
    assert sketched(bundle(tmp_path / "a", named(kernel, bias, last))).id == usual.id


@pytest.mark.parametrize(("kernel", "bias"), NAMES)
def test_a_frozen_graph_is_the_model_of_its_checkpoint(kernel: str, bias: str, tmp_path: Path) -> None:
    """The graph tells the axes by what reads a kernel, the checkpoint by the shapes of all."""
    arrays = named(kernel, bias, last)
    nodes: list[bytes | list[bytes]] = [node("x", "Placeholder")]
    for name, array in arrays.items():
        nodes.append(variable(name.replace(".", "/"), array))
        depthwise = (
            array.ndim == 4 and array.shape[3] == 1 and array.shape[2] > 1 and array.shape[0] == 3 and "2" in name
        )
        op = "DepthwiseConv2dNative" if depthwise else "Conv2D" if array.ndim == 4 else "BiasAdd"
        nodes.append(node(f"y/{name}", op, ["x", f"{name.replace('.', '/')}/read"]))
    (tmp_path / "graph").mkdir()
    graph = sketch_checkpoint(open_checkpoint(save(tmp_path / "graph", *nodes)))
    found = compare(sketched(bundle(tmp_path / "a", arrays)), graph)
    assert (found.verdict, found.direction) == ("identical", "undirected")


def test_without_biases_a_depthwise_kernel_is_told_by_the_pointwise_one_behind_it(tmp_path: Path) -> None:
    found = whole(open_checkpoint(write_npz(tmp_path, named("k{}", None, last))))
    assert found["k2"].shape == (40, 1, 3, 3)
    assert np.array_equal(found["k2"], TORCH["2.weight"])
    assert np.array_equal(found["k4"], TORCH["4.weight"])


def test_volumes_and_signals_are_brought_into_order_too(tmp_path: Path) -> None:
    volume, signal = normal(16, 12, 3, 3, 3), normal(24, 16, 5)
    stored = {"conv1.w": volume.transpose(2, 3, 4, 1, 0).copy(), "conv1.b": normal(16)}
    stored |= {"conv2.w": signal.transpose(2, 1, 0).copy(), "conv2.b": normal(24)}
    found = whole(open_checkpoint(write_safetensors(tmp_path, stored)))
    assert np.array_equal(found["conv1.w"], volume)
    assert np.array_equal(found["conv2.w"], signal)


def test_bands_are_rows_of_the_whole(tmp_path: Path) -> None:
    checkpoint = open_checkpoint(write_safetensors(tmp_path, named("f{}", "b{}", last)))
    view = next(view for view in checkpoint.tensors if view.name == "f4")
    assert np.array_equal(view.rows(7, 19), TORCH["4.weight"][7:19])


MODELS = [
    "llama", "mixtral", "stacked_experts", "qwen_moe", "gpt2", "gpt_neox", "phi3", "bert", "vit", "clip", "llava",
    "qwen_vl", "t5", "whisper", "crepe", "onet", "resnet", "voice_detector", "ani", "graph_net",
]  # fmt: skip


@pytest.mark.parametrize("model", MODELS)
def test_what_torch_wrote_stays(model: str) -> None:
    assert order_of(dict(getattr(model_shapes, model)())) == "torch"


@pytest.mark.parametrize(
    "shapes",
    [
        {"conv1.weight": (8, 1, 1, 64), "conv2.weight": (16, 1, 22, 1), "conv3.weight": (16, 16, 1, 1)},  # EEGNet
        {"a.weight": (64, 3, 31, 31), "b.weight": (64, 1, 31, 31)},  # large kernels
        {"patch.weight": (3, 3, 16, 16), "patch.bias": (3,)},  # as small as a kernel of TensorFlow, by its bias not
        {"prior": (1, 1, 64, 32), "conv.weight": (8, 3, 3, 3)},
        {"grid": (3, 3, 32, 32), "fc.weight": (10, 64)},
        {"a.weight": (1, 1, 32, 64)},  # nothing but one place: it may be anything
        {"attn.bias": (1, 1, 1024, 1024), "c_attn.weight": (768, 2304)},
        {"up.weight": (32, 16, 3, 3), "up.bias": (16,), "odd.weight": (3, 3, 3, 32)},
        {"a.weight": (3, 3, 8, 8), "a.bias": (3,), "b.weight": (3, 3, 3, 9), "b.bias": (3,)},
        {"a.weight": (3, 3, 3, 3)},
    ],
)
def test_when_in_doubt_nothing_is_turned(shapes: dict[str, tuple[int, ...]]) -> None:
    assert order_of(shapes) == "torch"


def test_a_bias_tells_where_sides_do_not() -> None:
    assert order_of({"a.w": (3, 3, 4, 8), "a.b": (8,)}) == "tensorflow"
    assert order_of({"a.w": (3, 3, 4, 8), "a.b": (3,)}) == "torch"
    assert order_of({"a.w": (3, 3, 4, 8)}) == "torch"


@pytest.mark.parametrize(
    ("name", "bias"),
    [
        ("a.weight", "a.bias"), ("a/kernel", "a/bias"), ("a/weights", "a/biases"), ("a_w", "a_b"), ("w_0", "b_0"),
        ("f12", "b12"), ("m.conv2d_5.w_0", "m.conv2d_5.b_0"), ("W_fc1", "b_fc1"),
    ],
)  # fmt: skip
def test_names_of_biases(name: str, bias: str) -> None:
    assert bias_length(name, {name: (3, 4), bias: (4,)}) == 4


@pytest.mark.parametrize(("name", "other"), [("a/depthwise_filter", "a/bias"), ("a.gamma", "a.beta"), ("f1", "b2")])
def test_what_is_no_bias_of_a_kernel(name: str, other: str) -> None:
    assert bias_length(name, {name: (3, 4), other: (4,)}) is None
