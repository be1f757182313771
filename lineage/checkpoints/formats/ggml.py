"""Files of ggml from before GGUF, which whisper.cpp and its relatives still write: a header, then named tensors.

The header differs between programs; the tensors do not. Sources: models/convert-pt-to-ggml.py and
models/convert-silero-vad-to-ggml.py of https://github.com/ggml-org/whisper.cpp, examples/gpt-2 and examples/gpt-j of
https://github.com/ggml-org/ggml.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from lineage.checkpoints.formats.gguf import blocks
from lineage.checkpoints.io.bytes import PositionedFile, read
from lineage.checkpoints.io.quoting import quoted
from lineage.checkpoints.io.views import Place, check_name, count_elements
from lineage.checkpoints.reader import Contents
from lineage.errors import Malformed, Truncated, UnsupportedDtype, UnsupportedFormat
from lineage.types import AnyArray, TensorView

MAGIC = b"lmgg"  # "ggml" as a little-endian number
MAX_TENSORS = 1 << 18
MAX_TOKENS = 1 << 20
MAX_NAME = 1024  # bytes
_HEADER = 8 << 20  # bytes that a vocabulary may take
_BLOCK = 1 << 14  # bytes of it read at a time
_WHISPER, _GPT = 11, (6, 7, 8)  # numbers in the header
_LAYOUT_OF_BLOCKS = 2  # since May 2023; before, the nibbles lay in another order


class _Header(NamedTuple):
    """Where the tensors begin, and the version of the layout of blocks, 0 where the file does not say."""

    end: int
    blocks: int


class GgmlReader:
    """One file of whisper.cpp, of its voice detector, or of the early GPT examples."""

    def recognises(self, head: bytes) -> bool:
        """The format has a magic number."""
        return head.startswith(MAGIC)

    def read(self, file: PositionedFile) -> Contents:
        """List the tensors in the order of the file. Raises UnsupportedFormat for the header of another program."""
        header = _header(file)
        views: dict[str, TensorView] = {}
        for view in _tensors(file, header):
            if view.name in views:
                raise Malformed(file.path, f"two tensors are named {quoted(view.name)}")
            views[view.name] = view
        return Contents("ggml", tuple(_with_units(view, views) for view in views.values()))


def _with_units(view: TensorView, views: Mapping[str, TensorView]) -> TensorView:
    """The weights of a layer of one unit, which the converters write as a vector: its bias has one value."""
    bias = views.get(f"{view.name.removesuffix('.weight')}.bias")
    if bias is None or bias.shape not in {(), (1,)} or len(view.shape) != 1:
        return view
    count = view.shape[0]

    def rows(start: int, stop: int) -> AnyArray:
        if not 0 <= start <= stop <= 1:
            raise IndexError(f"rows {start}:{stop} of 1")
        return view.rows(0, count).reshape(1, count)[start:stop]

    return replace(view, shape=(1, count), rows=rows, spans=lambda _start, _stop: view.spans(0, count))


def _header(file: PositionedFile) -> _Header:
    """Find the header after which a tensor follows."""
    start = len(MAGIC)
    for layout in (_of_whisper, _of_voice_detector, *(_of_gpt(count) for count in _GPT)):
        header = layout(file, start)
        if header is not None and _line(file, header.end) is not None:
            return header
    if file.size < 4096:
        raise Truncated(file.path, "ends before its first tensor: download it again")
    raise UnsupportedFormat(file.path, "is a ggml file of a program that is not known here: convert it to GGUF")


def _numbers(file: PositionedFile, at: int, count: int) -> tuple[int, ...] | None:
    if at + 4 * count > file.size:
        return None
    return struct.unpack(f"<{count}i", read(file, at, 4 * count))


def _of_whisper(file: PositionedFile, at: int) -> _Header | None:
    """11 numbers, a table of mel filters (mels x bins), the vocabulary."""
    numbers = _numbers(file, at, _WHISPER + 2)
    if numbers is None or not all(0 < side <= 1 << 12 for side in numbers[-2:]):
        return None
    at += 4 * len(numbers) + 4 * numbers[-1] * numbers[-2]
    end = _behind_vocabulary(file, at)
    return None if end is None else _Header(end, numbers[_WHISPER - 1] // 1000)


def _of_voice_detector(file: PositionedFile, at: int) -> _Header | None:
    """The model's name, three numbers of its version, window and context, the sides of each layer, four sides."""
    length = _numbers(file, at, 1)
    if length is None or not 0 < length[0] <= 64:
        return None
    at += 4 + length[0]
    numbers = _numbers(file, at, 6)
    if numbers is None or not 0 < numbers[5] <= 64:
        return None
    return _Header(at + 4 * (6 + 3 * numbers[5] + 4), 0)


def _of_gpt(count: int) -> Callable[[PositionedFile, int], _Header | None]:
    """`count` numbers, the first of which is the size of the vocabulary that follows."""

    def layout(file: PositionedFile, at: int) -> _Header | None:
        numbers = _numbers(file, at, count + 1)
        if numbers is None or numbers[0] != numbers[count]:
            return None
        end = _behind_vocabulary(file, at + 4 * count)
        return None if end is None else _Header(end, numbers[count - 1] // 1000)

    return layout


def _behind_vocabulary(file: PositionedFile, at: int) -> int | None:
    """The position behind a list of texts: their number, then each with its length."""
    count = _numbers(file, at, 1)
    if count is None or not 0 < count[0] <= MAX_TOKENS:
        return None
    start, held, position = at + 4, b"", 0
    for _ in range(count[0]):
        while position + 4 > len(held):
            behind = start + len(held)
            if behind >= file.size or len(held) > _HEADER:
                return None
            held += read(file, behind, min(_BLOCK, file.size - behind))
        length = int.from_bytes(held[position : position + 4], "little")
        if length > MAX_NAME:
            return None
        position += 4 + length
    return start + position


class _Line(NamedTuple):
    name: bytes
    shape: tuple[int, ...]
    type: int
    start: int


def _line(file: PositionedFile, at: int) -> _Line | None:
    """The line before a tensor's values; None if there is none at this place."""
    head = _numbers(file, at, 3)
    if head is None or not 0 <= head[0] <= 4 or not 1 <= head[1] <= MAX_NAME or head[2] < 0:
        return None
    sides = _numbers(file, at + 12, head[0])
    start = at + 12 + 4 * head[0] + head[1]
    if sides is None or start > file.size or any(side < 0 for side in sides):
        return None
    return _Line(read(file, start - head[1], head[1]), tuple(reversed(sides)), head[2], start)


def _tensors(file: PositionedFile, header: _Header) -> Iterator[TensorView]:
    at = header.end
    for _ in range(MAX_TENSORS):
        if at == file.size:
            return
        line = _line(file, at)
        if line is None:
            raise Truncated(file.path, f"no tensor begins at byte {at:,}: truncated or damaged, download it again")
        view, nbytes = _view(file, line, header)
        at = line.start + nbytes
        if at > file.size:
            raise Truncated(
                file.path,
                f"tensor {quoted(view.name)} ends at byte {at:,} of {file.size:,}: download it again",
            )
        yield view
    raise Malformed(file.path, f"holds more than {MAX_TENSORS:,} tensors: crafted to hang")


def _view(file: PositionedFile, line: _Line, header: _Header) -> tuple[TensorView, int]:
    name = line.name.decode("utf-8", "replace")
    check_name(file.path, name)
    if line.type not in blocks.TYPES:
        raise UnsupportedDtype(file.path, f"tensor {quoted(name)} has ggml type {line.type}, unknown here")
    type_ = blocks.TYPES[line.type]
    count = count_elements(file.path, name, line.shape)
    if line.shape and line.shape[-1] % type_.block:
        raise Malformed(file.path, f"tensor {quoted(name)} has rows of {line.shape[-1]:,} values, not whole blocks")
    if type_.dtype is None and (not line.shape or header.blocks != _LAYOUT_OF_BLOCKS):
        raise UnsupportedFormat(file.path, "holds blocks of an old layout: quantise it again with a newer program")
    nbytes = count // type_.block * type_.nbytes
    shape = line.shape[:1] if name.endswith(".bias") and line.shape[1:] == (1,) else line.shape  # of a convolution
    place = Place(file, line.start, shape, type_.dtype or blocks.CODES)
    view = blocks.view(name, place, type_, f"{file.path.name}@{line.start}+{nbytes}")
    return (replace(view, encoding=f"ggml {type_.name.lower()}") if view.encoding else view), nbytes
