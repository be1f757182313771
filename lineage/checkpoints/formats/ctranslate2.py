"""CTranslate2's model.bin: named variables, some of them int8 or int16 with a scale beside them.

Format: `ModelSpec._serialize` in https://github.com/OpenNMT/CTranslate2/blob/master/python/ctranslate2/specs/model_spec.py,
read as src/models/model.cc reads it. Matrices are (out, in); query, key and value are one above the other.
"""

from __future__ import annotations

import re
import struct
from dataclasses import replace
from math import prod
from typing import Any

import ml_dtypes
import numpy as np

from lineage.checkpoints.decode.row_scales import divided
from lineage.checkpoints.io.bytes import PositionedFile, read
from lineage.checkpoints.io.quoting import quoted
from lineage.checkpoints.io.views import Place, check_name, count_elements, dense
from lineage.checkpoints.reader import Contents
from lineage.errors import Malformed, Truncated, UnsupportedDtype, UnsupportedFormat
from lineage.types import TensorView
from lineage.types.facts.exclusions import Exclusion, NotAWeight, NotRead

MAX_VARIABLES = 1 << 18
SCALE, ZERO = "_scale", "_zero"
SETTING, SCALES = NotAWeight("setting"), NotAWeight("quantisation-scales")
PACKED = NotRead("awq-codes")
_IN_ONE = 8  # 4-bit codes in an int32
_VERSIONS = range(4, 7)  # before 4 the type of a value followed from its size alone
_SPEC = re.compile(rb"[A-Z]\w{0,58}\x00")
_COUNTED = re.compile(r"_(\d+)(?=\.|$)")
_TYPES: tuple[np.dtype[Any], ...] = (
    np.dtype("<f4"), np.dtype(np.int8), np.dtype("<i2"), np.dtype("<i4"), np.dtype("<f2"), np.dtype(ml_dtypes.bfloat16),
)  # fmt: skip


class Ctranslate2Reader:
    """One model.bin."""

    def recognises(self, head: bytes) -> bool:
        """A small version, then the name of a specification with its length and a closing zero: "TransformerSpec"."""
        if len(head) < 8 or not 1 <= int.from_bytes(head[:4], "little") <= 64:
            return False
        name = head[6 : 6 + int.from_bytes(head[4:6], "little")]
        return name.endswith(b"\x00") and _SPEC.fullmatch(name) is not None

    def read(self, file: PositionedFile) -> Contents:
        """List the variables in the order of the file. Raises UnsupportedFormat for versions before 4 (2020)."""
        cursor = _Cursor(file)
        version = cursor.number("<I")
        if version not in _VERSIONS:
            raise UnsupportedFormat(file.path, f"is of CTranslate2's version {version}: convert the model again")
        cursor.text()
        cursor.number("<I")
        count = cursor.number("<I")
        if count > MAX_VARIABLES:
            raise Malformed(file.path, f"claims {count:,} variables: damaged, or crafted to fill memory")
        variables: dict[str, TensorView] = {}
        for _ in range(count):
            view = _variable(cursor)
            if view.name in variables:
                raise Malformed(file.path, f"two variables are named {quoted(view.name)}")
            variables[view.name] = view
        for _ in range(2 * min(cursor.number("<I"), MAX_VARIABLES)):
            cursor.text()  # aliases: other names of variables
        if cursor.position != file.size:
            raise Malformed(file.path, f"{file.size - cursor.position:,} unexpected bytes after the last variable")
        return _contents(variables)


class _Cursor:
    """Reads numbers and texts one after the other."""

    def __init__(self, file: PositionedFile) -> None:
        self.file = file
        self.position = 0

    def take(self, length: int) -> int:
        """The position of the next `length` bytes. Raises Truncated."""
        at = self.position
        self.position += length
        if self.position > self.file.size:
            raise Truncated(
                self.file.path,
                f"byte {self.position:,} is needed, the file has {self.file.size:,}: download it again",
            )
        return at

    def number(self, code: str) -> int:
        size = struct.calcsize(code)
        return int(struct.unpack(code, read(self.file, self.take(size), size))[0])

    def text(self) -> str:
        length = self.number("<H")
        return read(self.file, self.take(length), length).rstrip(b"\x00").decode("utf-8", "replace")


def _variable(cursor: _Cursor) -> TensorView:
    path, name = cursor.file.path, cursor.text()
    check_name(path, name)
    shape = tuple(cursor.number("<I") for _ in range(cursor.number("<B")))
    kind, nbytes = cursor.number("<B"), cursor.number("<I")
    if kind >= len(_TYPES):
        raise UnsupportedDtype(path, f"variable {quoted(name)} has type {kind}, unknown here")
    if count_elements(path, name, shape) * _TYPES[kind].itemsize != nbytes:
        raise Malformed(path, f"variable {quoted(name)} of shape {shape} has {nbytes:,} bytes")
    start = cursor.take(nbytes)
    return dense(name, Place(cursor.file, start, shape, _TYPES[kind]), f"{path.name}@{start}+{nbytes}")


def _contents(variables: dict[str, TensorView]) -> Contents:
    tensors, left_out, unread = list[TensorView](), list[tuple[str, Exclusion]](), 0
    for name, view in variables.items():
        scale = variables.get(name + SCALE)
        if any(name.endswith(end) and name.removesuffix(end) in variables for end in (SCALE, ZERO)):
            left_out.append((name, SCALES))
        elif view.dtype.kind == "i" and not view.shape:
            left_out.append((name, SETTING))
        elif view.dtype == np.int32 and scale is not None:
            left_out.append((name, PACKED))
            unread += _IN_ONE * prod(view.shape)
        elif view.dtype.kind == "i" and scale is not None and scale.shape in {(), (1,), view.shape[:1]}:
            decoded = divided(view, scale, f"ctranslate2 {view.dtype.name}")
            tensors.append(replace(decoded, name=_name(name)))
        else:
            tensors.append(replace(view, name=_name(name)))
    return Contents("ctranslate2", tuple(tensors), tuple(left_out), unread=((PACKED, unread),) if unread else ())


def _name(name: str) -> str:
    """The name with dots and numbered layers as torch has them: "encoder/layer_0/ffn" is "encoder.layer.0.ffn"."""
    return _COUNTED.sub(r".\1", name.replace("/", "."))
