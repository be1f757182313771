"""One small weight of each scheme, computed by hand from the scheme's definition."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from lineage.checkpoints import open_checkpoint
from lineage.checkpoints.formats.gguf.blocks import TYPES, dequantize
from tests.checkpoint_files import same_bits, whole
from tests.quantized_files import write_arrays

E4M3 = ml_dtypes.float8_e4m3fn
COUNTING = 0x76543210  # 4-bit codes 0 to 7, lowest bits first


def words(*rows: list[int]) -> np.ndarray:
    return np.array(rows, np.uint32).view(np.int32)


def raw(text: str, dtype: Any = np.uint8) -> np.ndarray:
    return np.frombuffer(bytes.fromhex(text), dtype)


STATE = b'{"quant_type": "nf4", "blocksize": 64, "dtype": "bfloat16", "shape": [1, 4]}'
NESTED = STATE[:-1] + b', "nested_blocksize": 256, "nested_dtype": "float32", "nested_offset": 0.5}'
QUANT_MAP = np.array([-1, *range(-6, 0), 0, *range(1, 7), 0.5, 1], np.float32)
# Three-bit codes 7 0 5 0 0 0 0 0 0 0 6 0 ...: the eleventh crosses a word, 0 1 in the first and 1 in the second.
CROSSING = [7 | 5 << 6 | 0b10 << 30, 1, 0]
CROSSED = [7, 0, 5, 0, 0, 0, 0, 0, 0, 0, 6] + [0] * 21

WEIGHTS: dict[str, tuple[dict[str, np.ndarray], dict[str, Any], Any]] = {
    "gptq: zeros are stored less one": (
        {
            "a.qweight": words([COUNTING, *[0] * 7]),
            "a.qzeros": words([0x77777770]),
            "a.scales": np.full((1, 8), 0.5, np.float16),
        },
        {},
        [[-0.5, 0, 0.5, 1, 1.5, 2, 2.5, 3]] + [[-4.0] * 8] * 7,
    ),
    "gptq: zeros of version 2 are not": (
        {
            "a.qweight": words([COUNTING] * 8),
            "a.qzeros": words([0x88888888]),
            "a.scales": np.full((1, 8), 0.5, np.float16),
        },
        {"quantization_config": {"quant_method": "gptq", "checkpoint_format": "gptq_v2"}},
        [[-4, -3.5, -3, -2.5, -2, -1.5, -1, -0.5]] * 8,
    ),
    "gptq: g_idx gives each input its group": (
        {
            "a.qweight": words([0x22222222] * 8),
            "a.qzeros": words([0], [0x11111111]),
            "a.scales": np.array([[1.0] * 8, [10.0] * 8], np.float16),
            "a.g_idx": np.array([0, 1, 0, 1, 0, 1, 0, 1], np.int32),
        },
        {},
        [[1, 0, 1, 0, 1, 0, 1, 0]] * 8,
    ),
    "gptq: three bits cross words": (
        {
            "a.qweight": np.repeat(words(CROSSING).T, 32, axis=1),
            "a.qzeros": words([0xFFFFFFFF] * 3),
            "a.scales": np.ones((1, 32), np.float16),
        },
        {},
        [CROSSED] * 32,
    ),
    "awq: eight outputs in the order 0 2 4 6 1 3 5 7": (
        {
            "a.qweight": words([COUNTING], [0]),
            "a.qzeros": words([0x11111111]),
            "a.scales": np.full((1, 8), 2.0, np.float16),
        },
        {},
        [[-2, -2], [6, -2], [0, -2], [8, -2], [2, -2], [10, -2], [4, -2], [12, -2]],
    ),
    "bnb nf4: the first value in the high bits": (
        {
            "a.weight": raw("0f7e")[:, None],
            "a.weight.quant_map": QUANT_MAP,
            "a.weight.absmax": np.array([2.0], np.float32),
            "a.weight.quant_state.bitsandbytes__nf4": np.frombuffer(STATE, np.uint8),
        },
        {},
        [[-2, 2, 0, 1]],
    ),
    "bnb nf4: nested scales": (
        {
            "a.weight": raw("0f7e")[:, None],
            "a.weight.quant_map": QUANT_MAP,
            "a.weight.absmax": np.array([255], np.uint8),
            "a.weight.nested_absmax": np.array([1.5], np.float32),
            "a.weight.nested_quant_map": np.linspace(0, 1, 256, dtype=np.float32),
            "a.weight.quant_state.bitsandbytes__nf4": np.frombuffer(NESTED, np.uint8),
        },
        {},
        [[-2, 2, 0, 1]],
    ),
    "LLM.int8: 127 is the largest of the row": (
        {"a.weight": np.array([[127, -127], [0, 127]], np.int8), "a.SCB": np.array([2.0, 0.5], np.float32)},
        {},
        [[2, -2], [0, 0.5]],
    ),
    "compressed-tensors: codes are 8 above": (
        {
            "a.weight_packed": words([COUNTING], [0x8FFFFFFF]),
            "a.weight_scale": np.array([[0.5], [2.0]], np.float16),
            "a.weight_shape": np.array([2, 8], np.int64),
        },
        {},
        [[-4, -3.5, -3, -2.5, -2, -1.5, -1, -0.5], [14] * 7 + [0]],
    ),
    "compressed-tensors: padding behind the inputs, zeros packed along the outputs": (
        {
            "a.weight_packed": words([0x999], [0x999]),
            "a.weight_scale": np.array([[1.0], [1.0]], np.float16),
            "a.weight_zero_point": words([0x98]),
            "a.weight_shape": np.array([2, 7], np.int64),
        },
        {},
        [[1, 1, 1, -8, -8, -8, -8], [0, 0, 0, -9, -9, -9, -9]],
    ),
    "fp8: 1 and -2 in a block of scale 1/4": (
        {"a.weight": raw("38c0", E4M3)[None], "a.weight_scale_inv": np.array([[0.25]], np.float32)},
        {},
        [[0.25, -0.5]],
    ),
    "int8 with a zero point": (
        {
            "a.weight": np.array([[5, 1]], np.int8),
            "a.weight_scale": np.array([[0.5]], np.float32),
            "a.weight_zero_point": np.array([[1]], np.int8),
        },
        {},
        [[2, 0]],
    ),
    "mxfp4: 0.5 and -1 times 2**(128 - 127), inputs before outputs": (
        {
            "a.weight_blocks": raw("a1" + "00" * 15).reshape(1, 1, 1, 16),
            "a.weight_scales": np.array([[[128]]], np.uint8),
        },
        {},
        [[[1.0], [-2.0]] + [[0.0]] * 30],
    ),
    "nvfp4: 6 and -0.5 times 1 / 4": (
        {
            "a.weight_packed": raw("97" + "00" * 7)[None],
            "a.weight_scale": raw("38", E4M3)[None],
            "a.weight_global_scale": np.array([4.0], np.float32),
        },
        {},
        [[1.5, -0.125] + [0.0] * 14],
    ),
    "mlx: code times scale plus bias": (
        {
            "a.weight": np.array([[COUNTING, 0, 0, 0]], np.uint32),
            "a.scales": np.array([[0.5]], np.float16),
            "a.biases": np.array([[-1.0]], np.float16),
        },
        {"quantization": {"bits": 4, "group_size": 32}},
        [[-1, -0.5, 0, 0.5, 1, 1.5, 2, 2.5] + [-1.0] * 24],
    ),
    "mlx: three bits cross words": (
        {
            "a.weight": np.array([CROSSING], np.uint32),
            "a.scales": np.array([[1.0]], np.float16),
            "a.biases": np.array([[0.0]], np.float16),
        },
        {"quantization": {"bits": 3, "group_size": 32}},
        [CROSSED],
    ),
    "torchao: signed codes, low bits first": (
        {
            "a._weight_qdata": raw("8f70", np.int8)[None],
            "a._weight_scale": np.array([[0.5]], np.float32),
            "a._weight_zero_point": np.array([[1.0]], np.float32),
        },
        {},
        [[0.5, -3, 1, 4.5]],
    ),
}


@pytest.mark.parametrize(("arrays", "config", "expected"), WEIGHTS.values(), ids=WEIGHTS.keys())
def test_a_weight_computed_by_hand(
    arrays: dict[str, np.ndarray], config: dict[str, Any], expected: Any, tmp_path: Path
) -> None:
    [view] = open_checkpoint(write_arrays(tmp_path / "m", arrays, config)).tensors
    assert view.name == "a.weight"
    assert np.array_equal(view.rows(0, view.shape[0]), np.array(expected, np.float32))


BLOCKS = {
    8: ("0040" + "01ff7f80" + "00" * 28, [2, -2, 254, -256] + [0.0] * 28),  # 2.0; 1 -1 127 -128
    2: ("0038" + "f081" + "88" * 14, [-4, -3.5] + [0.0] * 14 + [3.5, 0] + [0.0] * 14),  # 0.5; 0 and 15, 1 and 8
    39: ("80" + "a1" + "00" * 15, [1.0] + [0.0] * 15 + [-2.0] + [0.0] * 15),  # 2**1; 0.5 and -1
}


@pytest.mark.parametrize(("code", "block", "expected"), [(code, *case) for code, case in BLOCKS.items()])
def test_a_gguf_block_computed_by_hand(code: int, block: str, expected: list[float]) -> None:
    values = dequantize(Path("net.gguf"), TYPES[code], raw(block)[None])
    assert np.array_equal(values, np.array([expected], np.float32))


def test_a_golden_gguf_file_reads_as_before() -> None:
    """Written by the format's own library: one head of four rows, whose halves are interleaved in the file."""
    checkpoint = open_checkpoint(Path(__file__).parent / "checkpoints" / "tiny.gguf")
    found = whole(checkpoint)
    assert list(found) == [
        "model.embed_tokens.weight",
        "model.layers.0.self_attn.q_proj.weight",
        "model.norm.weight",
    ]
    rising = np.arange(31, dtype=np.float32) / 2
    stored = [
        np.append(63.5, rising),
        np.append(-63.5, rising),
        2 * np.append(63.5, rising),
        4 * np.append(63.5, rising),
    ]
    query = np.stack([stored[0], stored[2], stored[1], stored[3]])
    assert same_bits(found["model.embed_tokens.weight"], np.arange(12, dtype=np.float16).reshape(3, 4) / np.float16(8))
    assert np.array_equal(found["model.layers.0.self_attn.q_proj.weight"], query)
    assert same_bits(found["model.norm.weight"], np.array([1, 2, 3, 4], np.float32))
    assert (checkpoint.licence, checkpoint.config["num_attention_heads"]) == ("mit", 1)
