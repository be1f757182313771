"""One array in NumPy's .npy format: its header, and the values behind it.

Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from lineage.checkpoints.io.bytes import ByteSource
from lineage.checkpoints.io.quoting import quoted
from lineage.checkpoints.io.views import Place, check_name, count_elements, strided
from lineage.errors import Malformed, Truncated, UnsupportedDtype
from lineage.types import TensorView
from lineage.types.facts.exclusions import NotAWeight

MAGIC = b"\x93NUMPY"
MAX_HEADER = 10_000  # bytes; NumPy's own limit
USUAL_HEADER = 128  # bytes that NumPy writes for a small shape
TEXT = NotAWeight("text-or-dates")
_WIDEST = {"f": 8, "c": 16}  # long double has another layout on every machine
_NO_NUMBERS = "USMm"  # text, bytes, dates, spans

# The header is a Python literal; these three fields are all it may hold, and are read without evaluating it.
_DESCR = re.compile(r"""['"]descr['"]\s*:\s*(?:['"]([^'"]*)['"]|(\[))""")
_ORDER = re.compile(r"""['"]fortran_order['"]\s*:\s*(True|False)""")
_SHAPE = re.compile(r"""['"]shape['"]\s*:\s*\(([\dL,\s]*)\)""")

OBJECTS: dict[str, np.dtype[Any]] = dict.fromkeys(("O", "|O"), np.dtype(object))
"""The type of Python objects, whose pickle lies behind the header."""
NO_TYPES: Mapping[str, np.dtype[Any]] = {}


@dataclass(frozen=True, slots=True)
class Header:
    """What the header of an array says; `data_start` is the position of the values behind the first byte of it."""

    dtype: np.dtype[Any]
    fortran: bool
    shape: tuple[int, ...]
    data_start: int

    @property
    def has_numbers(self) -> bool:
        """Whether the values are numbers, not text or dates."""
        return self.dtype.kind not in _NO_NUMBERS

    @property
    def nbytes(self) -> int:
        """Size of the values, as far as the header can be trusted."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def stop(self) -> int:
        """Position behind the last value."""
        return self.data_start + self.nbytes


def parse_header(
    path: Path, name: str, first: Callable[[int], bytes], types: Mapping[str, np.dtype[Any]] = NO_TYPES
) -> Header:
    """Parse a header; `first(n)` gives the first n bytes of the array, fewer if it is shorter.

    `types` are further types of the writer besides NumPy's, by their names in a header. Raises Truncated,
    Malformed, UnsupportedDtype.
    """
    check_name(path, name)
    head = first(USUAL_HEADER)
    if len(head) < 12:
        raise Truncated(path, f"array {quoted(name)} ends inside its header: download it again")
    if not head.startswith(MAGIC) or head[6] not in (1, 2, 3):
        raise Malformed(path, f"array {quoted(name)} is not a .npy file of version 1 to 3")
    width = 2 if head[6] == 1 else 4
    start = 8 + width
    length = int.from_bytes(head[8:start], "little")
    if length > MAX_HEADER:
        raise Malformed(path, f"array {quoted(name)} has a header of {length:,} bytes, more than {MAX_HEADER:,}")
    head = head if start + length <= len(head) else first(start + length)
    if start + length > len(head):
        raise Truncated(path, f"array {quoted(name)} ends inside its header: download it again")
    text = head[start : start + length].decode("latin-1")
    descr, order, shape = _DESCR.search(text), _ORDER.search(text), _SHAPE.search(text)
    if descr is None or order is None or shape is None:
        raise Malformed(path, f"array {quoted(name)} has a header without descr, fortran_order and shape")
    sides = [side.strip(" \t\r\n").rstrip("L") for side in shape[1].split(",") if side.strip()]
    if not all(side.isdigit() and len(side) < 20 for side in sides):
        raise Malformed(path, f"array {quoted(name)} has an invalid shape: {quoted(shape[1])}")
    dtype = types.get(descr[1]) or _dtype(path, name, descr[1])
    return Header(dtype, order[1] == "True", tuple(int(side) for side in sides), start + length)


def array_view(name: str, header: Header, source: ByteSource) -> TensorView:
    """View the array that fills `source`. Raises Truncated if it ends before, Malformed if more lies behind."""
    count_elements(source.path, name, header.shape)
    check_size(name, header, source)
    place = Place(source, header.data_start, header.shape, header.dtype)
    return strided(name, place, _strides(header), f"{source.path.name}/{name}")


def check_size(name: str, header: Header, source: ByteSource) -> None:
    """Refuse values that end before the header says, and bytes behind them."""
    have = source.size - header.data_start
    if header.nbytes > have:
        raise Truncated(
            source.path, f"array {quoted(name)} needs {header.nbytes:,} bytes, has {have:,}: download it again"
        )
    if header.nbytes < have:
        raise Malformed(source.path, f"{have - header.nbytes:,} unexpected bytes after array {quoted(name)}")


def _dtype(path: Path, name: str, descr: str | None) -> np.dtype[Any]:
    if descr is None:
        raise UnsupportedDtype(path, f"array {quoted(name)} holds records, not plain numbers")
    if descr in {"O", "|O"}:
        raise UnsupportedDtype(path, f"array {quoted(name)} holds Python objects, which are a pickle: never loaded")
    if re.fullmatch(r"[<>|=]?[biufcUSMm]\d{0,9}(\[\w+\])?|\?", descr) is None:
        raise UnsupportedDtype(
            path, f"array {quoted(name)} has dtype {quoted(descr)}, which says no number type: save it as safetensors"
        )
    try:
        dtype = np.dtype(descr)
    except (TypeError, ValueError) as error:
        raise UnsupportedDtype(path, f"array {quoted(name)} has dtype {quoted(descr)}, unknown here") from error
    if dtype.itemsize > _WIDEST.get(dtype.kind, dtype.itemsize):
        raise UnsupportedDtype(path, f"array {quoted(name)} holds long doubles, which differ between machines")
    return dtype


def _strides(header: Header) -> tuple[int, ...]:
    """Strides in elements of row-major or column-major order."""
    if header.fortran:
        return tuple(accumulate(header.shape[:-1], int.__mul__, initial=1)) if header.shape else ()
    return tuple(math.prod(header.shape[axis + 1 :]) for axis in range(len(header.shape)))
