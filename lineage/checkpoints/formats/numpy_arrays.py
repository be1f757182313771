"""NumPy .npy files, and .npz archives of them; pickled dictionaries of arrays inside are read without running them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from lineage.checkpoints.decode.non_weights import set_aside
from lineage.checkpoints.formats.equinox import TYPES, has_leaves, read_leaves
from lineage.checkpoints.formats.npy import MAGIC, OBJECTS, TEXT, Header, array_view, parse_header
from lineage.checkpoints.formats.pickles.reader import read_arrays
from lineage.checkpoints.io.archive import Archive
from lineage.checkpoints.io.bytes import ByteSource, PositionedFile, Window
from lineage.checkpoints.io.quoting import quoted
from lineage.checkpoints.reader import Contents
from lineage.errors import UnsupportedDtype, UnsupportedFormat
from lineage.types import TensorView
from lineage.types.facts.exclusions import Exclusion

SUFFIX = ".npy"


class NpyReader:
    """One array in a file of its own, named after the file; several behind each other are leaves of Equinox."""

    def recognises(self, head: bytes) -> bool:
        """The format has a magic string."""
        return head.startswith(MAGIC)

    def read(self, file: PositionedFile) -> Contents:
        """Give the array as the only tensor, or the leaves."""
        name = file.path.stem
        header = parse_header(file.path, name, file.head, OBJECTS | TYPES)
        if header.dtype.hasobject:
            return _pickled(file, name, header)
        if has_leaves(file):
            return read_leaves(file)
        header = parse_header(file.path, name, file.head)
        if not header.has_numbers:
            raise UnsupportedDtype(file.path, "holds text or dates, not numbers")
        tensors, left_out = set_aside([array_view(name, header, file)])
        return Contents("npy", tensors, left_out)


def read_npz(archive: Archive) -> Contents:
    """List the arrays of an .npz archive, named after their members; text is left out."""
    path = archive.file.path
    views: list[TensorView] = []
    others: list[tuple[str, Exclusion]] = []
    for member in archive.names:
        if not member.endswith(SUFFIX):
            continue
        name = member.removesuffix(SUFFIX)
        header = parse_header(path, name, partial(archive.head, member), OBJECTS)
        if header.dtype.hasobject:
            held = _pickled(archive.source(member), name, header)
            views += [replace(view, name=f"{name}.{view.name}") for view in held.tensors]
            others += [(f"{name}.{other}", reason) for other, reason in held.left_out]
        elif header.has_numbers:
            views.append(array_view(name, header, archive.source(member)))
        else:
            others.append((name, TEXT))
    tensors, left_out = set_aside(views)
    return Contents("npz", tensors, (*left_out, *others))


def _pickled(source: ByteSource, name: str, header: Header) -> Contents:
    """The arrays of the Python objects whose pickle lies behind a header."""
    try:
        return read_arrays(Window(source, header.data_start, source.size - header.data_start), "npy")
    except UnsupportedFormat as error:
        reason = f"array {quoted(name)} holds Python objects, and no arrays of numbers among them"
        raise UnsupportedDtype(source.path, reason) from error
