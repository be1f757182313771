"""Equinox: the leaves of a model as .npy arrays one after the other, perhaps after a line of JSON with its settings.

Nothing names the leaves, so that they are called `leaf.0`, `leaf.1` and so on, in the order of the model's fields.
Source: `tree_serialise_leaves` of https://github.com/patrick-kidger/equinox/blob/main/equinox/_serialisation.py; the
line of JSON: https://docs.kidger.site/equinox/examples/serialisation.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import ml_dtypes
import numpy as np

from lineage.checkpoints.formats.npy import MAGIC, TEXT, Header, array_view, check_size, parse_header
from lineage.checkpoints.io.bytes import ByteSource, PositionedFile, Window, read
from lineage.checkpoints.io.strict_json import parse_object
from lineage.checkpoints.io.views import count_elements
from lineage.checkpoints.reader import Contents, Facts
from lineage.errors import Malformed
from lineage.types import TensorView
from lineage.types.facts.exclusions import Exclusion, NotAWeight

MAX_LEAVES = 1 << 18
MAX_SETTINGS = 64 << 10  # bytes of the line of JSON
WHOLE = NotAWeight("integers-or-truth-values")
SETTING = NotAWeight("single-number")
# JAX has one type of two bytes that NumPy has no name for.
TYPES: dict[str, np.dtype[Any]] = dict.fromkeys(("<V2", "|V2"), np.dtype(ml_dtypes.bfloat16))


def has_leaves(file: PositionedFile) -> bool:
    """Whether the array that a file begins with has another one behind it. Raises CheckpointError for no array."""
    stop = parse_header(file.path, file.path.stem, file.head, TYPES).stop
    return stop < file.size and _begins_array(file, stop)


def settings_end(file: PositionedFile) -> int | None:
    """Where the first array begins in a file that begins with a line of settings; None if it does not."""
    line = file.head(MAX_SETTINGS).find(b"\n" + MAGIC)  # whose first byte is in no JSON behind a line feed
    return line + 1 if line >= 0 else None


def read_leaves(file: PositionedFile, start: int = 0) -> Contents:
    """List the arrays from byte `start` on; what lies before is the line of settings. Raises CheckpointError."""
    settings = parse_object(file.path, read(file, 0, start), "its line of settings") if start else {}
    tensors: list[TensorView] = []
    left_out: list[tuple[str, Exclusion]] = []
    number = 0
    while start < file.size:
        name = f"leaf.{number}"
        if number == MAX_LEAVES:
            raise Malformed(file.path, f"holds more than {MAX_LEAVES:,} arrays: damaged, or crafted to hang")
        if number and not _begins_array(file, start):
            raise Malformed(file.path, f"{file.size - start:,} unexpected bytes after array 'leaf.{number - 1}'")
        rest = Window(file, start, file.size - start)
        header = parse_header(file.path, name, partial(_head, rest), TYPES)
        array = Window(file, start, min(header.stop, rest.size))
        reason = _why_left_out(header)
        if reason is None:
            tensors.append(array_view(name, header, array))
        else:
            if header.nbytes:
                count_elements(file.path, name, header.shape)
            check_size(name, header, array)
            left_out.append((name, reason))
        start, number = start + header.stop, number + 1
    return Contents("equinox", tuple(tensors), tuple(left_out), Facts(settings))


def _head(source: ByteSource, length: int) -> bytes:
    return read(source, 0, min(length, source.size))


def _begins_array(file: PositionedFile, at: int) -> bool:
    """Whether an array begins there, as far as the file goes."""
    return MAGIC.startswith(read(file, at, min(len(MAGIC), file.size - at)))


def _why_left_out(header: Header) -> Exclusion | None:
    if not header.has_numbers:
        return TEXT
    if header.dtype.kind in "biu":
        return WHOLE
    return SETTING if not header.shape else None
