"""TFLite files written from the definition of the format: an unaligned FlatBuffer, and the tables that matter."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

TYPES = {
    "float32": 0, "float16": 1, "int32": 2, "uint8": 3, "int64": 4, "bool": 6, "int16": 7, "int8": 9, "float64": 10,
}  # fmt: skip


@dataclass
class Table:
    """Fields by number: (struct format, value) for a scalar, else a table, a vector or a text."""

    fields: Mapping[int, Any]


@dataclass
class Numbers:
    """A vector of numbers."""

    raw: bytes
    count: int


@dataclass
class Tables:
    """A vector of tables."""

    items: Sequence[Table]


def numbers(kind: str, values: Sequence[float]) -> Numbers:
    return Numbers(struct.pack(f"<{len(values)}{kind}", *values), len(values))


@dataclass
class _Builder:
    out: bytearray = field(default_factory=bytearray)
    waiting: list[tuple[int, Any]] = field(default_factory=list)

    def build(self, root: Table, identifier: bytes) -> bytes:
        self.out += bytes(4) + identifier
        self.waiting.append((0, root))
        while self.waiting:
            at, item = self.waiting.pop(0)
            self.out += bytes(-len(self.out) % 4)
            place = self._table(item) if isinstance(item, Table) else self._vector(item)
            struct.pack_into("<I", self.out, at, place - at)
        return bytes(self.out)

    def _table(self, table: Table) -> int:
        slots = max(table.fields, default=-1) + 1
        vtable = len(self.out)
        offsets, inline = [0] * slots, bytearray(4)
        later: list[tuple[int, Any]] = []
        for number, value in table.fields.items():
            scalar = isinstance(value, tuple)
            offsets[number] = len(inline)
            if not scalar:
                later.append((len(inline), value))
            inline += struct.pack(f"<{value[0]}", value[1]) if scalar else bytes(4)
        self.out += struct.pack(f"<{2 + slots}H", 4 + 2 * slots, len(inline), *offsets)
        start = len(self.out)
        struct.pack_into("<i", inline, 0, start - vtable)
        self.out += inline
        self.waiting += [(start + within, value) for within, value in later]
        return start

    def _vector(self, item: Any) -> int:
        start = len(self.out)
        if isinstance(item, str):
            self.out += struct.pack("<I", len(item.encode())) + item.encode() + b"\0"
        elif isinstance(item, Numbers):
            self.out += struct.pack("<I", item.count) + item.raw
        else:
            self.out += struct.pack("<I", len(item.items)) + bytes(4 * len(item.items))
            self.waiting += [(start + 4 + 4 * i, inner) for i, inner in enumerate(item.items)]
        return start


def flatbuffer(root: Table, identifier: bytes = b"TFL3") -> bytes:
    return _Builder().build(root, identifier)


def tensor(name: str, shape: Sequence[int], kind: int, buffer: int, **more: Any) -> Table:
    """A Tensor; `more` may hold quantization, sparsity and is_variable by name."""
    fields: dict[int, Any] = {0: numbers("i", shape), 1: ("b", kind), 2: ("I", buffer), 3: name}
    for key, value in more.items():
        fields[{"quantization": 4, "variable": 5, "sparsity": 6}[key]] = value
    return Table(fields)


def quantization(scale: Sequence[float], zero: Sequence[int], axis: int = 0) -> Table:
    return Table({2: numbers("f", scale), 3: numbers("q", zero), 6: ("i", axis)})


def dimension(size: int | None = None, segments: list[int] | None = None, indices: list[int] | None = None) -> Table:
    """A dense axis of that size, or a sparse one."""
    if size is not None:
        return Table({0: ("b", 0), 1: ("i", size)})
    lists = [Table({0: numbers("i", values)}) for values in (segments or [], indices or [])]
    return Table({0: ("b", 1), 2: ("B", 1), 3: lists[0], 4: ("B", 1), 5: lists[1]})


def operator(code: int, inputs: Sequence[int], outputs: Sequence[int]) -> Table:
    """An Operator; `code` is a place in the list of operator codes."""
    return Table({0: ("I", code), 1: numbers("i", inputs), 2: numbers("i", outputs)})


def tflite(
    tensors: Sequence[Table], buffers: Sequence[bytes], operators: Sequence[Table] = (), codes: Sequence[int | str] = ()
) -> bytes:
    """A model of one subgraph; buffer 0 is the empty one that the format wants. A custom operator goes by its name."""
    held = [Table({}), *(Table({0: Numbers(raw, len(raw))}) for raw in buffers)]
    graph = Table({0: Tables(tensors), 3: Tables(operators)})
    listed = [
        Table({0: ("b", 32), 1: code, 3: ("i", 32)})
        if isinstance(code, str)
        else Table({0: ("b", min(code, 127)), 3: ("i", code)})
        for code in codes
    ]
    return flatbuffer(Table({0: ("I", 3), 1: Tables(listed), 2: Tables([graph]), 4: Tables(held)}))


def write_tflite(folder: Path, arrays: Mapping[str, np.ndarray]) -> Path:
    path = folder / "net.tflite"
    tensors = [tensor(name, a.shape, TYPES[a.dtype.name], i + 1) for i, (name, a) in enumerate(arrays.items())]
    path.write_bytes(tflite(tensors, [a.tobytes() for a in arrays.values()]))
    return path
