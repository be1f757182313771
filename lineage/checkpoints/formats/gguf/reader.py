"""One GGUF file, with the names and the order of rows that llama.cpp gives them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lineage.checkpoints.formats.gguf import blocks
from lineage.checkpoints.formats.gguf.facts import facts_of, split_of
from lineage.checkpoints.formats.gguf.header import MAGIC, TensorLine, parse_header
from lineage.checkpoints.io.bytes import PositionedFile
from lineage.checkpoints.io.views import Place
from lineage.checkpoints.reader import Contents
from lineage.types import TensorView

_STACKED = re.compile(r"(blk\.\d+\.ffn_(?:gate|up|down))_exps\.(weight|bias)")


class GgufReader:
    """One GGUF file: a header with metadata, then blocks of values.

    The names are llama.cpp's; `restored` brings them back once all files of a split model are joined, since only the
    first of them gives the architecture. A stack of experts is taken apart, as in older files and in Hugging Face's.
    """

    def recognises(self, head: bytes) -> bool:
        """The format has a magic string."""
        return head.startswith(MAGIC)

    def read(self, file: PositionedFile) -> Contents:
        """List the tensors in the order of their bytes."""
        header = parse_header(file)
        views = tuple(view for line in header.tensors for view in _views(file, line, header.big_endian))
        return Contents("gguf", views, facts=facts_of(header.metadata), split=split_of(header.metadata))


def _views(file: PositionedFile, line: TensorLine, big_endian: bool) -> Iterator[TensorView]:
    stacked = _STACKED.fullmatch(line.name)
    if stacked is None or len(line.shape) < 2:
        yield _view(file, line.name, line, big_endian)
        return
    count, shape = line.shape[0], line.shape[1:]
    nbytes = line.nbytes // count
    for expert in range(count):
        part = TensorLine(line.name, shape, line.type, line.start + expert * nbytes, nbytes)
        yield _view(file, f"{stacked[1]}.{expert}.{stacked[2]}", part, big_endian)


def _view(file: PositionedFile, name: str, line: TensorLine, big_endian: bool) -> TensorView:
    storage = f"{file.path.name}@{line.start}+{line.nbytes}"
    dtype = blocks.CODES if line.type.dtype is None else line.type.dtype
    place = Place(file, line.start, line.shape, dtype.newbyteorder(">") if big_endian else dtype)
    return blocks.view(name, place, line.type, storage, big_endian=big_endian)
