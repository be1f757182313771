"""Linear layers quantised and packed from each scheme's definition: arrays by name, and the config's settings."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from tests.checkpoint_files import safetensors_bytes

Arrays = dict[str, np.ndarray]
Encode = Callable[[str, np.ndarray], Arrays]  # module and (out, in) float32 -> stored tensors
FP4_LEVELS = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6])
NF4 = np.array(
    [
        -1.0, -0.6961928, -0.52507305, -0.3949175, -0.28444138, -0.18477343, -0.09105003, 0.0,
        0.0795803, 0.1609302, 0.2461123, 0.33791524, 0.44070983, 0.562617, 0.72295684, 1.0,
    ],
    np.float32,
)  # fmt: skip


@dataclass(frozen=True)
class Scheme:
    """How to store a matrix, what to call it, and the correlation and the size that the values keep."""

    encode: Encode
    encoding: str
    keeps: float
    settings: Mapping[str, Any]
    key: str = "quantization_config"
    slope: tuple[float, float] = (0.9, 1.1)


def affine(matrix: np.ndarray, bits: int, group: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Codes (out, in), scale and zero (out, groups) with weight = (code - zero) * scale."""
    parts = matrix.reshape(len(matrix), -1, group)
    low, high = np.minimum(parts.min(-1), 0), np.maximum(parts.max(-1), 0)
    scale = ((high - low) / (2**bits - 1)).astype(np.float16)
    zero = np.rint(-low / scale.astype(np.float32)).clip(0, 2**bits - 1)
    codes = np.rint(parts / scale.astype(np.float32)[..., None]) + zero[..., None]
    return codes.clip(0, 2**bits - 1).astype(np.uint32).reshape(matrix.shape), scale, zero.astype(np.uint32)


def bit_stream(codes: np.ndarray, bits: int) -> np.ndarray:
    """Codes along the last axis as one run of bits, lowest first, in uint32 words: plain integer arithmetic."""
    rows = codes.reshape(-1, codes.shape[-1])
    words = np.zeros((len(rows), codes.shape[-1] * bits // 32), np.uint32)
    for row, out in zip(rows, words, strict=True):
        number = sum(int(code) << (bits * i) for i, code in enumerate(row))
        out[:] = [(number >> (32 * i)) & 0xFFFFFFFF for i in range(len(out))]
    return words.reshape(*codes.shape[:-1], -1)


def gptq(bits: int, group: int, *, offset: int = 1, shuffled: bool = False) -> Encode:
    def encode(module: str, matrix: np.ndarray) -> Arrays:
        inputs = matrix.shape[1]
        order = np.random.default_rng(1).permutation(inputs) if shuffled else np.arange(inputs)
        codes, scale, zero = affine(matrix[:, order], bits, group)
        g_idx = np.empty(inputs, np.int32)
        g_idx[order] = np.arange(inputs) // group
        back = np.empty_like(codes)
        back[:, order] = codes
        stored_zero = (zero - np.uint32(offset)) & np.uint32(2**bits - 1)
        return {
            f"{module}.qweight": np.ascontiguousarray(bit_stream(back, bits).T).view(np.int32),
            f"{module}.qzeros": bit_stream(np.ascontiguousarray(stored_zero.T), bits).view(np.int32),
            f"{module}.scales": np.ascontiguousarray(scale.T),
            f"{module}.g_idx": g_idx,
        }

    return encode


def awq(module: str, matrix: np.ndarray) -> Arrays:
    codes, scale, zero = affine(matrix, 4, 64)

    def pack(columns: np.ndarray) -> np.ndarray:  # (rows, out) -> (rows, out / 8)
        words = np.zeros((len(columns), columns.shape[1] // 8), np.uint32)
        for lane, column in enumerate((0, 2, 4, 6, 1, 3, 5, 7)):
            words |= columns[:, column::8].astype(np.uint32) << np.uint32(4 * lane)
        return words.view(np.int32)

    return {
        f"{module}.qweight": pack(codes.T),
        f"{module}.qzeros": pack(zero.T),
        f"{module}.scales": np.ascontiguousarray(scale.T),
    }


def bnb_4bit(kind: str, *, nested: bool) -> Encode:
    fp4 = np.array([0, 0.0052083, 0.66667, 1, 0.33333, 0.5, 0.16667, 0.25], np.float32)
    levels = NF4 if kind == "nf4" else np.concatenate([fp4, -fp4])

    def encode(module: str, matrix: np.ndarray) -> Arrays:
        name, block = f"{module}.weight", 64
        flat = matrix.reshape(-1, block)
        absmax = np.abs(flat).max(1)
        state: dict[str, Any] = {
            "quant_type": kind,
            "blocksize": block,
            "dtype": "bfloat16",
            "shape": list(matrix.shape),
        }
        arrays: Arrays = {}
        if nested:
            table = np.linspace(-1, 1, 256, dtype=np.float32)
            offset, size = np.float32(absmax.mean()), 256
            parts = np.pad(absmax - offset, (0, -len(absmax) % size)).reshape(-1, size)
            outer = np.abs(parts).max(1).astype(np.float32)
            codes = np.abs((parts / outer[:, None])[..., None] - table).argmin(-1).reshape(-1)[: len(absmax)]
            arrays |= {f"{name}.nested_absmax": outer, f"{name}.nested_quant_map": table}
            arrays[f"{name}.absmax"] = codes.astype(np.uint8)
            state |= {"nested_blocksize": size, "nested_dtype": "float32", "nested_offset": float(offset)}
        else:
            arrays[f"{name}.absmax"] = absmax.astype(np.float32)
        codes = np.abs((flat / absmax[:, None])[..., None] - levels).argmin(-1).reshape(-1).astype(np.uint8)
        arrays[name] = (codes[0::2] << 4 | codes[1::2])[:, None]
        arrays[f"{name}.quant_map"] = levels
        arrays[f"{name}.quant_state.bitsandbytes__{kind}"] = np.frombuffer(json.dumps(state).encode(), np.uint8)
        return arrays

    return encode


def bnb_8bit(module: str, matrix: np.ndarray) -> Arrays:
    scb = np.abs(matrix).max(1)
    return {
        f"{module}.weight": np.rint(matrix * (127 / scb)[:, None]).astype(np.int8),
        f"{module}.SCB": scb,
        f"{module}.weight_format": np.array(0, np.uint8),
    }


def packed_int(bits: int, group: int, *, symmetric: bool = True) -> Encode:
    """compressed-tensors' pack-quantized."""
    per_word, middle = 32 // bits, 1 << (bits - 1)

    def pack(codes: np.ndarray) -> np.ndarray:
        padded = np.pad(codes, ((0, 0), (0, -codes.shape[1] % per_word))).astype(np.uint32)
        words = np.zeros((len(padded), padded.shape[1] // per_word), np.uint32)
        for lane in range(per_word):
            words |= padded[:, lane::per_word] << np.uint32(lane * bits)
        return words.view(np.int32)

    def encode(module: str, matrix: np.ndarray) -> Arrays:
        arrays: Arrays = {f"{module}.weight_shape": np.array(matrix.shape, np.int64)}
        if symmetric:
            parts = matrix.reshape(len(matrix), -1, group)
            scale = (np.abs(parts).max(-1) / (middle - 0.5)).astype(np.float16)
            codes = np.rint(parts / scale.astype(np.float32)[..., None]).clip(-middle, middle - 1) + middle
            codes = codes.reshape(matrix.shape)
        else:
            codes, scale, zero = affine(matrix, bits, group)
            arrays[f"{module}.weight_zero_point"] = np.ascontiguousarray(pack(np.ascontiguousarray(zero.T)).T)
        return arrays | {f"{module}.weight_packed": pack(codes), f"{module}.weight_scale": scale}

    return encode


def int8_by_hand(module: str, matrix: np.ndarray) -> Arrays:
    codes, scale = int8_channel(module, matrix).values()
    return {f"{module}.weight.qweight": codes, f"{module}.weight.scale": scale}


def int8_channel(module: str, matrix: np.ndarray) -> Arrays:
    """compressed-tensors' int-quantized."""
    scale = (np.abs(matrix).max(1, keepdims=True) / 127).astype(np.float32)
    return {f"{module}.weight": np.rint(matrix / scale).astype(np.int8), f"{module}.weight_scale": scale}


def fp8_block(module: str, matrix: np.ndarray) -> Arrays:
    blocks = tuple(-(-side // 128) for side in matrix.shape)
    inverse = np.empty(blocks, np.float32)
    codes = np.empty(matrix.shape, ml_dtypes.float8_e4m3fn)
    for i, j in np.ndindex(*blocks):
        at = np.s_[128 * i : 128 * (i + 1), 128 * j : 128 * (j + 1)]
        inverse[i, j] = np.abs(matrix[at]).max() / 448
        codes[at] = (matrix[at] / inverse[i, j]).astype(codes.dtype)
    return {f"{module}.weight": codes, f"{module}.weight_scale_inv": inverse}


def fp8(shape: Callable[[np.ndarray], np.ndarray], suffix: str = "weight_scale") -> Encode:
    def encode(module: str, matrix: np.ndarray) -> Arrays:
        scale = (shape(np.abs(matrix)) / 448).astype(np.float32)
        by_row = scale[:, None] if scale.ndim == 1 and scale.size > 1 else scale
        stored = {f"{module}.weight": (matrix / by_row).astype(ml_dtypes.float8_e4m3fn), f"{module}.{suffix}": scale}
        return stored | {f"{module}.input_scale": np.array(0.1, np.float32)}

    return encode


def fp8_powers(suffix: str, block: tuple[int, int], *, as_bytes: bool = False) -> Encode:
    """fp8 with a power of two for each block: of type E8M0, or its bytes."""

    def encode(module: str, matrix: np.ndarray) -> Arrays:
        rows, columns = (side // run for side, run in zip(matrix.shape, block, strict=True))
        blocks = matrix.reshape(rows, block[0], columns, block[1])
        exponents = np.ceil(np.log2(np.abs(blocks).max(axis=(1, 3)) / 448))
        codes = blocks / np.exp2(exponents)[:, None, :, None]
        scale = (exponents + 127).astype(np.uint8)
        return {
            f"{module}.weight": codes.reshape(matrix.shape).astype(ml_dtypes.float8_e4m3fn),
            f"{module}.{suffix}": scale if as_bytes else scale.view(ml_dtypes.float8_e8m0fnu),
        }

    return encode


def fp4_codes(scaled: np.ndarray) -> np.ndarray:
    """The nearest e2m1 number: sign in the highest of four bits. Bytes of two, the first in the low bits."""
    codes = np.abs(np.abs(scaled)[..., None] - FP4_LEVELS).argmin(-1).astype(np.uint8)
    codes |= (scaled < 0).astype(np.uint8) << 3
    return codes[..., 0::2] | codes[..., 1::2] << 4


def mx_blocks(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Codes and e8m0 exponents of blocks of 32 along the last axis."""
    blocks = matrix.reshape(*matrix.shape[:-1], -1, 32)
    exponent = np.ceil(np.log2(np.abs(blocks).max(-1) / 6))
    return fp4_codes(blocks / 2.0 ** exponent[..., None]), (exponent + 127).astype(np.uint8)


def mxfp4(module: str, matrix: np.ndarray) -> Arrays:
    """gpt-oss: four experts, each a quarter of the outputs, stored (experts, out, in)."""
    blocks, scales = mx_blocks(matrix.reshape(4, -1, matrix.shape[1]))
    return {f"{module}.weight_blocks": blocks, f"{module}.weight_scales": scales}


def nvfp4(module: str, matrix: np.ndarray, *, modelopt: bool = False) -> Arrays:
    blocks = matrix.reshape(len(matrix), -1, 16)
    total = np.float32(np.abs(matrix).max() / (6 * 448))
    scale = (np.abs(blocks).max(-1) / 6 / total).astype(ml_dtypes.float8_e4m3fn)
    codes = fp4_codes(blocks / (scale.astype(np.float32) * total)[..., None]).reshape(len(matrix), -1)
    if modelopt:
        return {f"{module}.weight": codes, f"{module}.weight_scale": scale, f"{module}.weight_scale_2": np.array(total)}
    arrays = {f"{module}.weight_packed": codes, f"{module}.weight_scale": scale}
    return arrays | {f"{module}.weight_global_scale": np.array([1 / total], np.float32)}


def mlx(bits: int, group: int) -> Encode:
    def encode(module: str, matrix: np.ndarray) -> Arrays:
        parts = matrix.reshape(len(matrix), -1, group)
        bias = parts.min(-1).astype(np.float16)
        scale = ((parts.max(-1) - bias) / (2**bits - 1)).astype(np.float16)
        codes = np.rint((parts - bias.astype(np.float32)[..., None]) / scale.astype(np.float32)[..., None])
        codes = codes.clip(0, 2**bits - 1).astype(np.uint32).reshape(matrix.shape)
        return {f"{module}.weight": bit_stream(codes, bits), f"{module}.scales": scale, f"{module}.biases": bias}

    return encode


def mlx_mxfp4(module: str, matrix: np.ndarray) -> Arrays:
    codes, scales = mx_blocks(matrix)
    return {f"{module}.weight": codes.reshape(len(matrix), -1).view(np.uint32), f"{module}.scales": scales}


def torchao_int4(module: str, matrix: np.ndarray) -> Arrays:
    parts = matrix.reshape(len(matrix), -1, 128)
    low = parts.min(-1)
    scale = (parts.max(-1) - low) / 15
    codes = (np.rint((parts - low[..., None]) / scale[..., None]).clip(0, 15) - 8).astype(np.int8).reshape(matrix.shape)
    bf16 = ml_dtypes.bfloat16
    return {
        f"{module}._weight_qdata": (codes[:, 0::2] & 0x0F) | codes[:, 1::2] << 4,
        f"{module}._weight_scale": np.ascontiguousarray(scale.T.astype(bf16)),
        f"{module}._weight_zero_point": np.ascontiguousarray((low + 8 * scale).T.astype(bf16)),
    }


def torchao_fp8(module: str, matrix: np.ndarray) -> Arrays:
    scale = (np.abs(matrix).max(1, keepdims=True) / 448).astype(np.float32)
    codes = (matrix / scale).astype(ml_dtypes.float8_e4m3fn)
    return {f"{module}._weight_qdata": codes, f"{module}._weight_scale": scale}


def in_planes(codes: np.ndarray, bits: int, *, high_first: bool = False, word: str = "u1") -> np.ndarray:
    """Rows (n, m) in planes: the first of them in the same bits of all words, the last ones padded."""
    count = 8 * np.dtype(word).itemsize // bits
    step = -(-len(codes) // count)
    padded = np.pad(codes, ((0, step * count - len(codes)), (0, 0))).astype(word)
    words = np.zeros((step, codes.shape[1]), word)
    for plane in range(count):
        shift = bits * (count - 1 - plane if high_first else plane)
        words |= padded[plane * step : (plane + 1) * step] << np.dtype(word).type(shift)
    return words


def hqq(bits: int, group: int | None, axis: int = 1) -> Encode:
    def encode(module: str, matrix: np.ndarray) -> Arrays:
        grid = matrix if group is None else matrix.reshape((-1, group) if axis == 1 else (group, -1))
        low, high = grid.min(axis, keepdims=True), grid.max(axis, keepdims=True)
        scale = ((high - low) / (2**bits - 1)).astype(np.float16)
        zero = (-low / scale.astype(np.float32)).astype(np.float16)
        codes = np.rint(grid / scale.astype(np.float32) + zero).clip(0, 2**bits - 1)
        packed = in_planes(codes, bits, high_first=True, word="u4" if bits == 3 else "u1")
        said = {"nbits": bits, "group_size": group or 0, "axis": axis, "channel_wise": 1, "view_as_float": 0}
        stored = {f"{module}.W_q": packed.view(np.int32) if bits == 3 else packed}
        stored |= {f"{module}.scale": scale, f"{module}.zero": zero, f"{module}.shape": np.array(matrix.shape)}
        return stored | {f"{module}.{key}": np.array([value], np.int32) for key, value in said.items()}

    return encode


def quanto_int8(module: str, matrix: np.ndarray) -> Arrays:
    scale = (np.abs(matrix).max(1, keepdims=True) / 127).astype(np.float32)
    stored = {f"{module}.weight._data": np.rint(matrix / scale).astype(np.int8), f"{module}.weight._scale": scale}
    return stored | {f"{module}.input_scale": np.ones(1, np.float32), f"{module}.output_scale": np.ones(1, np.float32)}


def quanto_fp8(module: str, matrix: np.ndarray) -> Arrays:
    scale = (np.abs(matrix).max(1, keepdims=True) / 448).astype(np.float32)
    codes = (matrix / scale).astype(ml_dtypes.float8_e4m3fn)
    return {f"{module}.weight._data": codes, f"{module}.weight._scale": scale}


def quanto_bits(bits: int, group: int, *, whole_shift: bool = False) -> Encode:
    """The bias, which tells the number of outputs here, is written as "a.bias" by the writer of the model."""

    def encode(module: str, matrix: np.ndarray) -> Arrays:
        grid = matrix.reshape(-1, group)
        low, high = grid.min(1, keepdims=True), grid.max(1, keepdims=True)
        scale = ((high - low) / (2**bits - 1)).astype(np.float32)
        shift = np.rint(-low / scale).astype(np.int8) if whole_shift else (-low).astype(np.float32)
        codes = np.rint(grid / scale + shift) if whole_shift else np.rint((grid + shift) / scale)
        stored = {f"{module}.weight._data._data": in_planes(codes.clip(0, 2**bits - 1), bits)}
        return stored | {f"{module}.weight._scale": scale, f"{module}.weight._shift": shift}

    return encode


def bitnet(inverse: bool) -> Encode:
    def encode(module: str, matrix: np.ndarray) -> Arrays:
        scale = np.abs(matrix).mean()
        codes = np.rint(matrix / scale).clip(-1, 1) + 1
        held = np.array([1 / scale if inverse else scale], np.float32)
        return {f"{module}.weight": in_planes(codes, 2), f"{module}.weight_scale": held}

    return encode


_GPTQ = {"quant_method": "gptq", "bits": 4, "group_size": 64}
_PACKED = {"quant_method": "compressed-tensors", "format": "pack-quantized"}
_BITNET = {"quant_method": "bitnet"}
SCHEMES: dict[str, Scheme] = {
    "gptq 4": Scheme(gptq(4, 64), "gptq int4 group 64", 0.98, _GPTQ),
    "gptq 4 act order": Scheme(gptq(4, 64, shuffled=True), "gptq int4 group 64", 0.98, {}),
    "gptq 4 v2": Scheme(
        gptq(4, 64, offset=0), "gptq int4 group 64", 0.98, _GPTQ | {"checkpoint_format": "gptq_v2"}
    ),
    "gptq 2": Scheme(gptq(2, 32), "gptq int2 group 32", 0.8, {}),
    "gptq 3": Scheme(gptq(3, 128), "gptq int3 group 128", 0.93, {}),
    "gptq 8": Scheme(gptq(8, 256), "gptq int8 group 256", 0.999, {}),
    "awq": Scheme(awq, "awq int4 group 64", 0.98, {"quant_method": "awq", "bits": 4, "version": "gemm"}),
    "bnb nf4": Scheme(bnb_4bit("nf4", nested=False), "bnb nf4 block 64", 0.98, {"load_in_4bit": True}),
    "bnb nf4 nested": Scheme(bnb_4bit("nf4", nested=True), "bnb nf4 block 64", 0.98, {}),
    "bnb fp4": Scheme(bnb_4bit("fp4", nested=False), "bnb fp4 block 64", 0.97, {}),
    "bnb int8": Scheme(bnb_8bit, "bnb int8 row", 0.999, {"load_in_8bit": True}),
    "packed int4": Scheme(packed_int(4, 128), "compressed-tensors int4 group 128", 0.98, _PACKED),
    "packed int4 with zeros": Scheme(
        packed_int(4, 64, symmetric=False), "compressed-tensors int4 group 64", 0.98, _PACKED
    ),
    "packed int8": Scheme(packed_int(8, 256), "compressed-tensors int8 row", 0.999, _PACKED),
    "packed int3": Scheme(packed_int(3, 32), "compressed-tensors int3 group 32", 0.93, _PACKED),
    "int8 by row": Scheme(int8_channel, "int8 row", 0.999, {}),
    "int8 by hand": Scheme(int8_by_hand, "int8 row", 0.999, {}),
    "fp8 in blocks": Scheme(fp8_block, "fp8 e4m3 block 128x128", 0.998, {"weight_block_size": [128, 128]}),
    "fp8 in blocks without config": Scheme(fp8_block, "fp8 e4m3 block 128x128", 0.998, {}),
    "fp8 in blocks by powers of two": Scheme(
        fp8_powers("scale", (32, 32)), "fp8 e4m3 block 32x32", 0.998, {"weight_block_size": [32, 32]}
    ),
    "fp8 in blocks by powers of two, inverse": Scheme(
        fp8_powers("weight_scale_inv", (32, 32)), "fp8 e4m3 block 32x32", 0.998, {"weight_block_size": [32, 32]}
    ),
    "mxfp8": Scheme(fp8_powers("weight_scale", (1, 32)), "fp8 e4m3 group 32", 0.998, {}),
    "mxfp8 as bytes": Scheme(fp8_powers("weight_scale", (1, 32), as_bytes=True), "fp8 e4m3 group 32", 0.998, {}),
    "fp8 by row": Scheme(fp8(lambda m: m.max(1, keepdims=True)), "fp8 e4m3 row", 0.998, {}),
    "fp8 by row, flat": Scheme(fp8(lambda m: m.max(1)), "fp8 e4m3 row", 0.998, {}),
    "fp8 by tensor": Scheme(fp8(lambda m: m.max()), "fp8 e4m3 tensor", 0.998, {"quant_method": "fp8"}),
    "fp8 of ComfyUI": Scheme(fp8(lambda m: m.max(), "scale_weight"), "fp8 e4m3 tensor", 0.998, {}),
    "mxfp4": Scheme(mxfp4, "mxfp4 block 32", 0.97, {"quant_method": "mxfp4"}),
    "nvfp4": Scheme(nvfp4, "nvfp4 block 16", 0.98, {"quant_method": "compressed-tensors"}),
    "nvfp4 of ModelOpt": Scheme(lambda m, w: nvfp4(m, w, modelopt=True), "nvfp4 block 16", 0.98, {}),
    "mlx 4": Scheme(mlx(4, 64), "mlx int4 group 64", 0.98, {"bits": 4, "group_size": 64}, "quantization"),
    "mlx 2": Scheme(mlx(2, 32), "mlx int2 group 32", 0.8, {"bits": 2, "group_size": 32}, "quantization"),
    "mlx 3": Scheme(mlx(3, 64), "mlx int3 group 64", 0.93, {"bits": 3, "group_size": 64}, "quantization"),
    "mlx 6": Scheme(mlx(6, 128), "mlx int6 group 128", 0.998, {"bits": 6, "group_size": 128}, "quantization"),
    "mlx 8 in one layer": Scheme(
        mlx(8, 32), "mlx int8 group 32", 0.999, {"bits": 4, "group_size": 64, "a": {"bits": 8, "group_size": 32}},
        "quantization",
    ),
    "mlx 4 without config": Scheme(mlx(4, 64), "mlx int4 group 64", 0.98, {}, "quantization"),
    "mlx mxfp4": Scheme(mlx_mxfp4, "mlx mxfp4 group 32", 0.97, {"mode": "mxfp4"}, "quantization"),
    "torchao int4": Scheme(torchao_int4, "torchao int4 group 128", 0.97, {"quant_method": "torchao"}),
    "hqq 4": Scheme(hqq(4, 64), "hqq int4 group 64", 0.98, {"quant_method": "hqq"}),
    "hqq 8": Scheme(hqq(8, 128), "hqq int8 group 128", 0.999, {}),
    "hqq 2": Scheme(hqq(2, 16), "hqq int2 group 16", 0.85, {}),
    "hqq 3": Scheme(hqq(3, 64), "hqq int3 group 64", 0.93, {}),
    "hqq 1": Scheme(hqq(1, 16), "hqq int1 group 16", 0.6, {}, slope=(1.1, 1.9)),
    "hqq 4 by columns": Scheme(hqq(4, 64, axis=0), "hqq int4 group 64", 0.97, {}),
    "hqq 4 by rows": Scheme(hqq(4, None), "hqq int4 group 256", 0.97, {}),
    "quanto int8": Scheme(quanto_int8, "quanto int8 row", 0.999, {"quant_method": "quanto", "weights": "int8"}),
    "quanto fp8": Scheme(quanto_fp8, "quanto fp8 e4m3 row", 0.998, {"quant_method": "quanto", "weights": "float8"}),
    "bitnet": Scheme(bitnet(inverse=False), "bitnet int2 tensor", 0.8, _BITNET, slope=(0.5, 0.7)),
    "bitnet that divides": Scheme(bitnet(inverse=True), "bitnet int2 tensor", 0.8, _BITNET, slope=(0.5, 0.7)),
    "bitnet without config": Scheme(bitnet(inverse=True), "bitnet int2 tensor", 0.8, {}, slope=(0.5, 0.7)),
    "torchao fp8": Scheme(torchao_fp8, "torchao fp8 e4m3 row", 0.998, {"quant_method": "torchao"}),
}  # fmt: skip


def write(folder: Path, scheme: Scheme, matrices: Mapping[str, np.ndarray], plain: Mapping[str, np.ndarray]) -> Path:
    """A model folder with `matrices` (by module) quantised, `plain` as they are, and a config.json."""
    arrays = dict(plain)
    for module, matrix in matrices.items():
        arrays |= scheme.encode(module, matrix)
    return write_arrays(folder, arrays, {scheme.key: dict(scheme.settings)} if scheme.settings else {})


def write_arrays(folder: Path, arrays: Mapping[str, np.ndarray], config: Mapping[str, Any]) -> Path:
    folder.mkdir(exist_ok=True)
    contiguous = {name: np.ascontiguousarray(array).reshape(array.shape) for name, array in arrays.items()}
    (folder / "model.safetensors").write_bytes(safetensors_bytes(contiguous))
    (folder / "config.json").write_text(json.dumps(dict(config)))
    return folder
