"""Quantised weights that someone made to hurt: refused with one clear line, or read as what is there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lineage.checkpoints import open_checkpoint
from lineage.errors import CheckpointError, Malformed
from lineage.sketch import sketch_checkpoint
from tests.checkpoint_files import whole
from tests.memory import within
from tests.quantized_files import SCHEMES, Arrays, write_arrays

MATRIX = (np.random.default_rng(2).standard_normal((64, 256)) * 0.1).astype(np.float32)
MATRIX[0, 0] = 1.0
STATE = "a.weight.quant_state.bitsandbytes__nf4"


def stored(scheme: str, **changes: Any) -> Arrays:
    """The parts of one weight, some of them changed (`a_b` for `a.b`)."""
    return SCHEMES[scheme].encode("a", MATRIX) | {f"a.{key}": array for key, array in changes.items()}


def state(**changes: Any) -> Arrays:
    parts = SCHEMES["bnb nf4 nested"].encode("a", MATRIX)
    said = json.loads(parts[STATE].tobytes()) | changes
    text = json.dumps({key: held for key, held in said.items() if held is not None}).encode()
    return parts | {STATE: np.frombuffer(text, np.uint8)}


HOSTILE: dict[str, tuple[Arrays, dict[str, Any], str]] = {
    "a group beyond the last": (stored("gptq 4", g_idx=np.full(256, 4, np.int32)), {}, "groups outside the 4"),
    "a group before the first": (stored("gptq 4", g_idx=np.full(256, -1, np.int32)), {}, "groups outside the 4"),
    "groups of fractions": (stored("gptq 4", g_idx=np.zeros(256, np.float32)), {}, r"g_idx \(256,\)"),
    "groups for other inputs": (stored("gptq 4", g_idx=np.zeros(8, np.int32)), {}, r"256 inputs and g_idx \(8,\)"),
    "scales that are counters": (stored("gptq 4", scales=np.ones((4, 64), np.int64)), {}, "scales not a matrix"),
    "zeros for other groups": (stored("gptq 4", qzeros=np.ones((9, 8), np.int32)), {}, "that do not fit it"),
    "zeros of no bits": (stored("gptq 4", qzeros=np.ones((4, 7), np.int32)), {}, "that do not fit it"),
    "neither AWQ nor GPTQ": (stored("awq", scales=np.ones((4, 72), np.float16)), {}, "fit neither AWQ"),
    "a shape of HQQ that overflows": (stored("hqq 4", shape=np.array([1 << 40, 1 << 40])), {}, "an invalid shape"),
    "a shape of HQQ that is negative": (stored("hqq 4", shape=np.array([-64, 256])), {}, "an invalid shape"),
    "a shape of HQQ of another size": (stored("hqq 4", shape=np.array([64, 512])), {}, "cannot hold 32,768 codes"),
    "a shape of HQQ of a million sides": (stored("hqq 4", shape=np.ones(1 << 20, int)), {}, "an invalid shape"),
    "bits of HQQ that are none": (stored("hqq 4", nbits=np.array([0], np.int32)), {}, "cannot hold 16,384 codes"),
    "scales of HQQ for other groups": (stored("hqq 4", scale=np.ones((9, 1), np.float16)), {}, r"shape \(9, 1\)"),
    "zeros of HQQ for other groups": (stored("hqq 4", zero=np.ones((9, 1), np.float16)), {}, r"of shape \(9, 1\)"),
    "scales of quanto for other rows": (
        {"a.weight._data": np.ones((8, 8), np.int8), "a.weight._scale": np.ones((7, 1), np.float32)}, {},
        r"scales of shape \(7, 1\)",
    ),
    "a state that is no JSON": (state() | {STATE: np.full(40, 91, np.uint8)}, {}, "not valid JSON"),
    "a state without end": (state() | {STATE: np.full(1 << 20, 91, np.uint8)}, {}, "state that is not a short text"),
    "a shape of petabytes": (state(shape=[1 << 25, 1 << 25]), {}, "8,192 bytes for 1,125,899,906,842,624 values"),
    "a shape that overflows": (state(shape=[1 << 40, 1 << 40]), {}, "has no shape"),
    "a negative shape": (state(shape=[-64, -256]), {}, "has no shape"),
    "an empty shape": (state(shape=[]), {}, "has no shape"),
    "a shape of words": (state(shape=["64", "256"]), {}, "has no shape"),
    "blocks of nothing": (state(blocksize=0), {}, "has no blocksize"),
    "blocks of less than nothing": (state(blocksize=-64), {}, "has no blocksize"),
    "blocks of truth": (state(blocksize=True), {}, "has no blocksize"),
    "blocks of everything": (state(blocksize=1 << 40), {}, "has no blocksize"),
    "blocks of another size": (state(blocksize=128), {}, "scales for blocks of 128"),
    "nested blocks of nothing": (state(nested_blocksize=0), {}, "has no nested_blocksize"),
    "nested blocks of another size": (state(nested_blocksize=8), {}, "1 nested scales for 256 scales"),
    "an offset of words": (state(nested_offset="x"), {}, "a nested_offset that is not a number"),
    "an offset of four hundred digits": (state(nested_offset=10**400), {}, "a nested_offset that is not a number"),
    "an offset beyond every float": (state(nested_offset=-1e300), {}, "a nested_offset that is not a number"),
    "a map of too few levels": (
        state() | {"a.weight.nested_quant_map": np.zeros(8, np.float32)}, {}, "nested_quant_map of 8 levels",
    ),
    "too few scales": (state() | {"a.weight.absmax": np.zeros(8, np.uint8)}, {}, "has 8 scales for blocks of 64"),
    "more inputs than words hold": (
        stored("packed int4", weight_shape=np.array([64, 1 << 40])), {}, "a weight_shape of 64 x 1,099,511,627,776",
    ),
    "fewer inputs than nothing": (stored("packed int4", weight_shape=np.array([64, -8])), {}, "shape of 64 x -8"),
    "other outputs": (stored("packed int4", weight_shape=np.array([65, 256])), {}, "cannot hold 65 x 256"),
    "a shape of fractions": (stored("packed int4", weight_shape=np.ones(2)), {}, "an invalid weight_shape"),
    "scales of another matrix": (stored("packed int4", weight_scale=np.ones((8, 2), np.float16)), {}, "do not fit it"),
    "blocks that fit nothing": (
        stored("fp8 in blocks", weight_scale_inv=np.ones((3, 5, 7), np.float32)), {}, r"scales of shape \(3, 5, 7\)",
    ),
    "experts without blocks": (
        stored("mxfp4", weight_scales=np.ones((4, 16, 9), np.uint8)), {}, r"scales of shape \(4, 16, 9\)",
    ),
    "MLX scales of another matrix": (stored("mlx 4", scales=np.ones((8, 4), np.float16)), {}, "has scales of shape"),
    "MLX scales for five groups": (
        stored("mlx 4", scales=np.ones((64, 5), np.float16), biases=np.ones((64, 5), np.float16)), {}, "has scales",
    ),
    "NVFP4 scales of another matrix": (
        stored("nvfp4", weight_scale=np.ones((64, 15), ml_dtypes.float8_e4m3fn)), {}, "has scales of shape",
    ),
    "a weight stored twice": (
        stored("gptq 4", weight=np.ones((64, 256), np.float32)), {}, r"two tensors are 'a\.weight'",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("arrays", "config", "said"), HOSTILE.values(), ids=HOSTILE.keys())
def test_is_refused_in_one_line(arrays: Arrays, config: dict[str, Any], said: str, tmp_path: Path) -> None:
    folder = write_arrays(tmp_path / "m", arrays, config)
    with within(100_000), pytest.raises(Malformed, match=said) as error:
        whole(open_checkpoint(folder))
    assert str(error.value).isprintable()


@pytest.mark.parametrize("group", [0, -1, 1 << 40, "128", 7, None, [64]], ids=repr)
@pytest.mark.parametrize("scheme", ["gptq 4", "awq", "mlx 4", "packed int4", "torchao int4"])
def test_a_group_size_that_lies_changes_nothing(scheme: str, group: object, tmp_path: Path) -> None:
    arrays = SCHEMES[scheme].encode("a", MATRIX)
    [expected] = whole(open_checkpoint(write_arrays(tmp_path / "plain", arrays, {}))).values()
    lie = {"bits": 4, "group_size": group, "weight_block_size": group, "config_groups": {"x": {"weights": group}}}
    for key in ("quantization_config", "quantization"):
        [found] = whole(open_checkpoint(write_arrays(tmp_path / key, arrays, {key: lie}))).values()
        assert np.array_equal(found, expected)


def test_scales_that_are_no_numbers_are_refused_by_the_sketch(tmp_path: Path) -> None:
    scales = np.full((4, 64), np.nan, np.float16)
    folder = write_arrays(tmp_path / "m", stored("gptq 4", scales=scales), {})
    with pytest.raises(Malformed, match=r"'a\.weight' holds 16,384 NaN or infinite values"):
        sketch_checkpoint(open_checkpoint(folder), "full", threads=1)


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES.keys())
@given(
    damages=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6),
    config=st.dictionaries(
        st.sampled_from(["bits", "group_size", "weight_block_size", "a", "checkpoint_format", "config_groups"]),
        st.integers(-(1 << 40), 1 << 40) | st.text(max_size=4) | st.lists(st.integers(-2, 300), max_size=3),
        max_size=4,
    ),
)
@settings(max_examples=25, deadline=None)
def test_damaged_values_and_any_config(
    scheme: Any, damages: list[tuple[float, int]], config: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = write_arrays(
        tmp_path_factory.getbasetemp() / "damaged", scheme.encode("a", MATRIX[:32]), {scheme.key: config}
    )
    content = bytearray((folder / "model.safetensors").read_bytes())
    for where, held in damages:
        content[int(where * len(content))] = held
    (folder / "model.safetensors").write_bytes(content)
    try:
        whole(open_checkpoint(folder))
    except CheckpointError as error:
        said = str(error)
    else:
        said = ""
    assert said.isprintable()
