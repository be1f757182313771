"""NumPy .npy files, and .npz archives of them, without pickle.

Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from lineage.checkpoints.archive import Archive
from lineage.checkpoints.bytes import ByteSource, PositionedFile
from lineage.checkpoints.optimizer import set_aside
from lineage.checkpoints.reader import Contents
from lineage.checkpoints.views import Place, check_name, count_elements, strided
from lineage.checkpoints.wording import quoted
from lineage.errors import Malformed, Truncated, UnsupportedDtype
from lineage.types import TensorView

MAGIC = b"\x93NUMPY"
MAX_HEADER = 10_000  # bytes; NumPy's own limit
USUAL_HEADER = 128  # bytes that NumPy writes for a small shape
SUFFIX = ".npy"
_WIDEST = {"f": 8, "c": 16}  # long double has another layout on every machine
_NO_NUMBERS = "USMm"  # text, bytes, dates, spans

# The header is a Python literal; these three fields are all it may hold, and are read without evaluating it.
_DESCR = re.compile(r"""['"]descr['"]\s*:\s*(?:['"]([^'"]*)['"]|(\[))""")
_ORDER = re.compile(r"""['"]fortran_order['"]\s*:\s*(True|False)""")
_SHAPE = re.compile(r"""['"]shape['"]\s*:\s*\(([\dL,\s]*)\)""")


class NpyReader:
    """One array in a file of its own; the tensor is named after the file."""

    def recognises(self, head: bytes) -> bool:
        """The format has a magic string."""
        return head.startswith(MAGIC)

    def read(self, file: PositionedFile) -> Contents:
        """Give the array as the only tensor."""
        name = file.path.stem
        header = _parse(file.path, name, file.head)
        if header.dtype.kind in _NO_NUMBERS:
            raise UnsupportedDtype(file.path, "holds text or dates, not numbers")
        tensors, left_out = set_aside([_view(name, header, file)])
        return Contents("npy", tensors, left_out)


def read_npz(archive: Archive) -> Contents:
    """List the arrays of an .npz archive, named after their members; text is left out, objects are refused."""
    path = archive.file.path
    views: list[TensorView] = []
    text: list[tuple[str, str]] = []
    for member in archive.names:
        if not member.endswith(SUFFIX):
            continue
        name = member.removesuffix(SUFFIX)
        header = _parse(path, name, partial(archive.head, member))
        if header.dtype.kind in _NO_NUMBERS:
            text.append((name, "text or dates, not numbers"))
        else:
            views.append(_view(name, header, archive.source(member)))
    tensors, left_out = set_aside(views)
    return Contents("npz", tensors, (*left_out, *text))


@dataclass(frozen=True, slots=True)
class _Header:
    dtype: np.dtype[Any]
    fortran: bool
    shape: tuple[int, ...]
    data_start: int


def _parse(path: Path, name: str, first: Callable[[int], bytes]) -> _Header:
    """Parse the header; `first(n)` gives the first n bytes of the array file, fewer if it is shorter."""
    check_name(path, name)
    head = first(USUAL_HEADER)
    if len(head) < 12:
        raise Truncated(path, f"array {quoted(name)} ends inside its header: download it again")
    if not head.startswith(MAGIC) or head[6] not in (1, 2, 3):
        raise Malformed(path, f"array {quoted(name)} is no .npy file of version 1 to 3")
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
        raise Malformed(path, f"array {quoted(name)} has a shape that is none: {quoted(shape[1])}")
    return _Header(_dtype(path, name, descr[1]), order[1] == "True", tuple(int(side) for side in sides), start + length)


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


def _view(name: str, header: _Header, source: ByteSource) -> TensorView:
    need = count_elements(source.path, name, header.shape) * header.dtype.itemsize
    have = source.size - header.data_start
    if need > have:
        raise Truncated(source.path, f"array {quoted(name)} needs {need:,} bytes, has {have:,}: download it again")
    if need < have:
        raise Malformed(source.path, f"{have - need:,} bytes behind array {quoted(name)} belong to none")
    place = Place(source, header.data_start, header.shape, header.dtype)
    return strided(name, place, _strides(header), f"{source.path.name}/{name}")


def _strides(header: _Header) -> tuple[int, ...]:
    """Strides in elements of row-major or column-major order."""
    if header.fortran:
        return tuple(accumulate(header.shape[:-1], int.__mul__, initial=1)) if header.shape else ()
    return tuple(math.prod(header.shape[axis + 1 :]) for axis in range(len(header.shape)))
