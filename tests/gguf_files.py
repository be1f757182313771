"""GGUF files written from the format's definition, well-formed or not."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

F32, F16, Q4_0, Q8_0, BF16 = 0, 1, 2, 8, 30
_PLAIN = {"float32": 0, "float16": 1, "int8": 24, "int16": 25, "int32": 26, "int64": 27, "float64": 28, "bfloat16": 30}

Line = tuple[str, Sequence[int], int, bytes]  # name, row-major shape, type, values


def text(value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(raw)) + raw


def value(held: Any) -> bytes:
    """A metadata value with its type before it."""
    if isinstance(held, bool):
        return struct.pack("<I?", 7, held)
    if isinstance(held, int):
        return struct.pack("<Iq", 11, held) if held < 0 or held >= 1 << 32 else struct.pack("<II", 4, held)
    if isinstance(held, float):
        return struct.pack("<If", 6, held)
    if isinstance(held, str):
        return struct.pack("<I", 8) + text(held)
    kinds = [value(item) for item in held]
    return struct.pack("<I", 9) + kinds[0][:4] + struct.pack("<Q", len(kinds)) + b"".join(kind[4:] for kind in kinds)


def gguf_bytes(
    lines: Sequence[Line],
    metadata: Mapping[str, Any] | None = None,
    *,
    version: int = 3,
    counts: tuple[int, int] | None = None,
    offsets: Sequence[int] | None = None,
    alignment: int = 32,
) -> bytes:
    """A whole file, without padding behind the last tensor; `counts` (tensors, entries) and `offsets` may lie."""
    metadata = dict(metadata or {})
    places, body = [], b""
    for *_, data in lines:
        body += bytes(-len(body) % alignment)
        places.append(len(body))
        body += data
    head = b"GGUF" + struct.pack("<IQQ", version, *(counts or (len(lines), len(metadata))))
    head += b"".join(text(key) + value(held) for key, held in metadata.items())
    for (name, shape, code, _), place in zip(lines, offsets or places, strict=True):
        head += (
            text(name) + struct.pack(f"<I{len(shape)}Q", len(shape), *reversed(shape)) + struct.pack("<IQ", code, place)
        )
    return head + bytes(-len(head) % alignment) + body


def line(name: str, array: np.ndarray) -> Line:
    """A tensor in its own type."""
    return name, array.shape, _PLAIN[array.dtype.name], np.ascontiguousarray(array).tobytes()


def q8_0(name: str, array: np.ndarray) -> Line:
    """Blocks of 32: a float16 scale, then 32 int8."""
    blocks = array.astype(np.float32).reshape(-1, 32)
    scale = (np.abs(blocks).max(1, keepdims=True) / 127).astype(np.float16)
    codes = np.rint(blocks / np.maximum(scale, 1e-8).astype(np.float32)).clip(-127, 127).astype(np.int8)
    return name, array.shape, Q8_0, np.concatenate([scale.view(np.uint8), codes.view(np.uint8)], axis=1).tobytes()


def q4_0(name: str, array: np.ndarray) -> Line:
    """Blocks of 32: a float16 scale, then values 0 to 15 in low and 16 to 31 in high nibbles, 8 above."""
    blocks = array.astype(np.float32).reshape(-1, 32)
    extreme = np.take_along_axis(blocks, np.abs(blocks).argmax(1)[:, None], axis=1)
    scale = (extreme / -8).astype(np.float16)
    safe = np.where(scale == 0, 1, scale).astype(np.float32)
    codes = (np.rint(blocks / safe) + 8).clip(0, 15).astype(np.uint8)
    packed = codes[:, :16] | codes[:, 16:] << 4
    return name, array.shape, Q4_0, np.concatenate([scale.view(np.uint8), packed], axis=1).tobytes()


def write_gguf(folder: Path, arrays: Mapping[str, np.ndarray]) -> Path:
    path = folder / "net.gguf"
    path.write_bytes(gguf_bytes([line(name, array) for name, array in arrays.items()], {"general.name": "net"}))
    return path


def big_endian(content: bytes) -> bytes:
    """A file of this module in the other order of bytes, as gguf_convert_endian.py of the package makes it."""
    return _Turned(content).whole()


def write_gguf_big_endian(folder: Path, arrays: Mapping[str, np.ndarray]) -> Path:
    path = write_gguf(folder, arrays)
    path.write_bytes(big_endian(path.read_bytes()))
    return path


class _Turned:
    """Turns the numbers of a file around while it walks through them."""

    def __init__(self, content: bytes) -> None:
        self._raw = bytearray(content)
        self._at = 4

    def whole(self) -> bytes:
        self._number(4)
        tensors, entries = self._number(8), self._number(8)
        for _ in range(entries):
            self._text()
            self._value(self._number(4))
        lines = [self._line() for _ in range(tensors)]
        start = self._at + -self._at % 32
        for count, code, offset in lines:
            self._values(start + offset, count, code)
        return bytes(self._raw)

    def _number(self, width: int) -> int:
        part = self._raw[self._at : self._at + width]
        self._raw[self._at : self._at + width] = part[::-1]
        self._at += width
        return int.from_bytes(part, "little")

    def _text(self) -> None:
        length = self._number(8)
        self._at += length

    def _value(self, kind: int) -> None:
        if kind == 8:
            self._text()
        elif kind == 9:
            of, count = self._number(4), self._number(8)
            for _ in range(count):
                self._value(of)
        else:
            self._number({4: 4, 6: 4, 7: 1, 11: 8}[kind])

    def _line(self) -> tuple[int, int, int]:
        self._text()
        sides = [self._number(8) for _ in range(self._number(4))]
        return int(np.prod(sides)), self._number(4), self._number(8)

    def _values(self, start: int, count: int, code: int) -> None:
        width = {0: 4, 1: 2, 24: 1, 25: 2, 26: 4, 27: 8, 28: 8, 30: 2}.get(code, 2)
        step, run = {Q4_0: (18, count // 32), Q8_0: (34, count // 32)}.get(code, (width, count))
        for at in range(start, start + step * run, step):
            self._raw[at : at + width] = self._raw[at : at + width][::-1]


def write_gguf_split(folder: Path, arrays: Mapping[str, np.ndarray]) -> Path:
    """Two files; the first one alone gives the architecture."""
    names = list(arrays)
    for number in (1, 2):
        metadata: dict[str, Any] = {"split.no": number - 1, "split.count": 2, "split.tensors.count": len(names)}
        part = [line(name, arrays[name]) for name in names[number - 1 :: 2]]
        metadata |= {"general.architecture": "unheard-of"} if number == 1 else {}
        (folder / f"net-{number:05d}-of-00002.gguf").write_bytes(gguf_bytes(part, metadata))
    return folder


def bfloat16(array: np.ndarray) -> np.ndarray:
    return array.astype(ml_dtypes.bfloat16)
