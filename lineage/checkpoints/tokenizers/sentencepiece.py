"""The .model file of sentencepiece: a protocol buffer, whose list of pieces is read in one pass over its bytes.

Format: https://github.com/google/sentencepiece/blob/master/src/sentencepiece_model.proto. A piece's id is its place.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lineage.checkpoints.tokenizers.entries import MAX_TOKENS, Entries
from lineage.checkpoints.wire.protobuf import BYTES, FIXED32, FIXED64, VARINT
from lineage.errors import Malformed, Truncated

_PIECE, _TRAINER = 1, 2  # fields of the model
_TEXT, _TYPE = 1, 3  # fields of a piece
_MODEL_TYPE = 3  # field of the trainer's settings
_NORMAL, _BYTE = 1, 6
_ALGORITHMS = {1: "Unigram", 2: "BPE", 3: "WordLevel", 4: "characters"}


def looks_like_sentencepiece(head: bytes) -> bool:
    """Whether a file begins with a piece whose text comes first, as every writer of this format begins it."""
    return len(head) > 4 and head[0] == 0x0A and 3 < head[1] < 0x80 and head[2] == 0x0A and head[3] < head[1]


def read_sentencepiece(path: Path, content: bytes) -> Entries:
    """List the pieces; those of a type of their own, bytes apart, count as marked. Raises Truncated, Malformed."""
    texts: list[str] = []
    marked: set[int] = set()
    algorithm = 1
    for number, kind, _, start, stop in _fields(path, content, 0, len(content)):
        if number == _PIECE and kind == BYTES:
            text, piece = _piece(path, content, start, stop)
            if piece not in (_NORMAL, _BYTE):
                marked.add(len(texts))
            texts.append(text)
            if len(texts) > MAX_TOKENS:
                raise Malformed(path, f"holds more than {MAX_TOKENS:,} pieces: crafted to fill memory")
        elif number == _TRAINER and kind == BYTES:
            for field, _, setting, _, _ in _fields(path, content, start, stop):
                algorithm = setting if field == _MODEL_TYPE else algorithm
    return Entries(
        path, "sentencepiece", texts, list(range(len(texts))), marked,
        algorithm=_ALGORITHMS.get(algorithm), spelling="sentencepiece",
    )  # fmt: skip


def _piece(path: Path, content: bytes, start: int, stop: int) -> tuple[str, int]:
    """Text and type of a piece. Nearly all are laid out as text, score and, if it is not the usual one, type."""
    held = content[start:stop]
    end = 2 + held[1] if len(held) > 6 and held[0] == 0x0A and held[1] < 0x80 else len(held)
    rest = held[end:]
    if len(rest) == 5 and rest[0] == 0x15:
        return _decoded(path, held[2:end], start), _NORMAL
    if len(rest) == 7 and rest[0] == 0x15 and rest[5] == 0x18 and rest[6] < 0x80:
        return _decoded(path, held[2:end], start), rest[6]
    text, piece = b"", _NORMAL
    for number, kind, value, begin, end in _fields(path, content, start, stop):
        if number == _TEXT and kind == BYTES:
            text = content[begin:end]
        elif number == _TYPE and kind == VARINT:
            piece = value
    return _decoded(path, text, start), piece


def _decoded(path: Path, text: bytes, start: int) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        raise Malformed(path, f"the piece at byte {start:,} is not UTF-8: the file is damaged") from error


def _fields(path: Path, content: bytes, at: int, stop: int) -> Iterator[tuple[int, int, int, int, int]]:
    """Number, wire type, integer, start and stop of each field. `protobuf.Wire` reads files too large for memory."""
    while at < stop:
        tag, at = _varint(path, content, at, stop)
        kind, value = tag & 7, 0
        if kind == VARINT:
            value, end = _varint(path, content, at, stop)
        elif kind == BYTES:
            size, at = _varint(path, content, at, stop)
            end = at + size
        elif kind in (FIXED32, FIXED64):
            end = at + (4 if kind == FIXED32 else 8)
        else:
            raise Malformed(path, f"byte {at:,} has no field of a known kind: damaged, or another format")
        if end > stop:
            raise Truncated(path, f"a field reaches to byte {end:,}, what holds it ends at {stop:,}: download it again")
        yield tag >> 3, kind, value, at, end
        at = end


def _varint(path: Path, content: bytes, at: int, stop: int) -> tuple[int, int]:
    if at < stop and (byte := content[at]) < 0x80:
        return byte, at + 1  # nearly all are of one byte
    value = shift = 0
    while at < stop:
        byte = content[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise Malformed(path, f"the number at byte {at:,} has no end: the file is damaged")
    raise Truncated(path, f"ends within a number at byte {at:,}: download it again")
