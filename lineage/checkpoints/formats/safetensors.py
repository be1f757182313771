"""The safetensors format, with a header parser of our own.

The library's NumPy reader knows neither bf16 nor fp8; its header is simple. Format and reasons:
https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import re
from typing import Any

from lineage.checkpoints.decode.non_weights import set_aside
from lineage.checkpoints.io import strict_json
from lineage.checkpoints.io.bytes import PositionedFile, read
from lineage.checkpoints.io.dtypes import SAFETENSORS
from lineage.checkpoints.io.quoting import quoted
from lineage.checkpoints.io.views import EMPTY, Place, check_name, count_elements, dense, packed, without_elements
from lineage.checkpoints.numbers import require_count
from lineage.checkpoints.reader import Contents
from lineage.errors import Malformed, Truncated, UnsupportedDtype
from lineage.types import TensorView
from lineage.types.facts.exclusions import UnreadType
from lineage.written_reasons import written

# The format allows 100,000,000 bytes. A tensor takes about 130 bytes of header, so that this holds a quarter
# of a million tensors, twice what the largest public mixtures of experts have, and parsed it stays under 1 GB.
MAX_HEADER = 32 << 20
PREFIX = 8
MAX_DTYPE = 120  # characters of one that is named
_LETTERS = re.compile(rb"[ -~]{8}")
MLX = "mlx"  # what MLX writes for `format` in the metadata


class SafetensorsReader:
    """One safetensors file: 8 bytes of little-endian header length, a JSON header, then the values."""

    def recognises(self, head: bytes) -> bool:
        """The header is a JSON object that begins right after its length; eight letters are not a length."""
        return head[PREFIX : PREFIX + 1] == b"{" and _LETTERS.match(head) is None

    def read(self, file: PositionedFile) -> Contents:
        """List the tensors in the order of their bytes."""
        length = _header_length(file)
        header = strict_json.parse_object(file.path, read(file, PREFIX, length), "its header")
        metadata = _checked_metadata(file, header.pop("__metadata__", {}))
        require_count(file.path, len(header))
        # What was parsed goes as entries are made of it, and takes several times their memory.
        entries = sorted((_Entry(file, name, header.pop(name)) for name in [*header]), key=lambda e: e.offsets)
        _check_cover(file, entries, file.size - PREFIX - length)
        empty = {*without_elements(file.path, {entry.name: entry.shape for entry in entries})}
        known = [entry for entry in entries if entry.stored is not None]
        if entries and not known:
            raise UnsupportedDtype(file.path, f"tensor {quoted(entries[0].name)} has {written(entries[0].unknown)}")
        tensors, left_out = set_aside([entry.view(PREFIX + length) for entry in known if entry.name not in empty])
        odd = [entry for entry in entries if entry.stored is None]
        left_out += tuple((entry.name, entry.unknown) for entry in odd)
        left_out += tuple((entry.name, EMPTY) for entry in entries if entry.name in empty)
        format_ = MLX if metadata.get("format") == MLX else "safetensors"
        return Contents(format_, tensors, left_out, unread=tuple((one.unknown, one.count) for one in odd))


_NONE = UnreadType("")  # of an entry whose type is known


class _Entry:
    """One checked line of the header."""

    __slots__ = ("count", "file", "name", "offsets", "shape", "stored", "unknown")

    def __init__(self, file: PositionedFile, name: str, fields: Any) -> None:
        self.file = file
        self.name = name
        check_name(file.path, name)
        if not isinstance(fields, dict) or not {"dtype", "shape", "data_offsets"} <= set(fields):
            raise Malformed(file.path, f"tensor {quoted(name)} needs dtype, shape and data_offsets")
        self.stored = SAFETENSORS.get(fields["dtype"]) if isinstance(fields["dtype"], str) else None
        self.unknown = _NONE if self.stored is not None else UnreadType(str(fields["dtype"])[:MAX_DTYPE])
        self.shape = _sizes(file, name, fields["shape"])
        offsets = _sizes(file, name, fields["data_offsets"])
        if len(offsets) != 2 or offsets[0] > offsets[1]:
            raise Malformed(file.path, f"tensor {quoted(name)} has no [begin, end] in data_offsets")
        self.offsets = (offsets[0], offsets[1])
        self.count = 0 if 0 in self.shape else count_elements(file.path, name, self.shape)
        bits = self.count * self.stored.bits if self.stored is not None else 8 * (offsets[1] - offsets[0])
        if bits != 8 * (offsets[1] - offsets[0]):
            raise Malformed(
                file.path,
                f"tensor {quoted(name)} of {bits:,} bits has offsets {offsets[1] - offsets[0]:,} bytes apart",
            )

    def view(self, data_start: int) -> TensorView:
        """The tensor; only of one whose type is known."""
        assert self.stored is not None
        start = data_start + self.offsets[0]
        place = Place(self.file, start, self.shape, self.stored.dtype)
        storage = f"{self.file.path.name}@{start}+{self.offsets[1] - self.offsets[0]}"
        if self.stored.bits < 8:
            return packed(self.name, place, self.stored.bits, storage)
        return dense(self.name, place, storage)


def _header_length(file: PositionedFile) -> int:
    if file.size < PREFIX:
        raise Truncated(file.path, f"{file.size} bytes are too few for a safetensors file: download it again")
    length = int.from_bytes(read(file, 0, PREFIX), "little")
    if length > MAX_HEADER:
        raise Malformed(
            file.path,
            f"its header claims {length:,} bytes, more than {MAX_HEADER:,}: damaged, or crafted to fill memory",
        )
    if PREFIX + length > file.size:
        raise Truncated(
            file.path, f"header promises {PREFIX + length:,} bytes, the file has {file.size:,}: download it again"
        )
    return length


def _checked_metadata(file: PositionedFile, metadata: Any) -> dict[str, str]:
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise Malformed(file.path, "__metadata__ of its header must map strings to strings")
    return metadata


def _sizes(file: PositionedFile, name: str, sizes: Any) -> tuple[int, ...]:
    """Check a JSON list of non-negative 64-bit integers; True is not an integer here."""
    if not isinstance(sizes, list) or not all(type(size) is int and 0 <= size < 1 << 63 for size in sizes):
        raise Malformed(file.path, f"tensor {quoted(name)} has a shape or offsets that are not sizes")
    return tuple(sizes)


def _check_cover(file: PositionedFile, entries: list[_Entry], have: int) -> None:
    """The tensors must cover the data exactly: no overlap, no hole, nothing behind (nowhere to hide a second file)."""
    end = 0
    for entry in entries:
        begin = entry.offsets[0]
        if begin != end:
            fault = "overlaps the one before it" if begin < end else f"leaves a hole of {begin - end:,} bytes before it"
            raise Malformed(file.path, f"tensor {quoted(entry.name)} {fault}")
        end = entry.offsets[1]
    if end > have:
        raise Truncated(
            file.path, f"header promises {end:,} bytes of tensors, the file has {have:,}: download it again"
        )
    if end < have:
        raise Malformed(file.path, f"{have - end:,} unexpected bytes after the last tensor")
