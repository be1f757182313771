"""TensorFlow's tensor bundle: an index that names every tensor, and data files that hold them.

Format: tensorflow/core/util/tensor_bundle/tensor_bundle.h and tensorflow/core/protobuf/tensor_bundle.proto; the object
graph beside the tensors of TensorFlow 2: tensorflow/core/protobuf/trackable_object_graph.proto.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lineage.checkpoints.decode.kernel_layout import Layout, torch_layout
from lineage.checkpoints.decode.non_weights import AVERAGED, METRIC, OPTIMIZER, why_left_out
from lineage.checkpoints.decode.rearranged import turned
from lineage.checkpoints.formats.tf.shapes import sides
from lineage.checkpoints.formats.tf.sstable import entries
from lineage.checkpoints.formats.tf.types import NO_NUMBERS, TEXT, TYPES
from lineage.checkpoints.io.byte_sources import Memory, Recent
from lineage.checkpoints.io.bytes import PositionedFile, Window
from lineage.checkpoints.io.quoting import quoted
from lineage.checkpoints.io.unique_names import Names
from lineage.checkpoints.io.views import Place, check_name, count_elements
from lineage.checkpoints.reader import Contents
from lineage.checkpoints.wire.protobuf import BYTES, VARINT, Span, Wire
from lineage.errors import Malformed, NoWeights, Truncated, UnsupportedDtype
from lineage.types import TensorView
from lineage.types.facts.exclusions import Exclusion, NotAWeight, NotRead

SUFFIX = ".index"
OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
SLICED = NotRead("sliced-variable")
TWICE = NotAWeight("saved-twice")
MAX_SHARDS = 100_000
MAX_GRAPH = 64 << 20  # bytes of the object graph
_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
_SLOT = "/.OPTIMIZER_SLOT/"
_AVERAGE = "/ExponentialMovingAverage"


class BundleReader:
    """The index of one checkpoint; its data files lie beside it."""

    def recognises(self, head: bytes) -> bool:
        """The first key is empty, its value the header of the bundle: number of shards, version."""
        return head[:2] == b"\0\0" and head[3:4] == b"\x08" and b"\x1a" in head[3:16]

    def read(self, file: PositionedFile) -> Contents:
        """List the variables under their own names, without those of the optimizer."""
        bundle = _Bundle(file)
        own = bundle.full_names()
        named = [(own.get(entry.key, entry.key.removesuffix(_VALUE)), entry) for entry in bundle.entries]
        shapes = {name: entry.shape for name, entry in named}
        repeated, names = _Repeated(bundle.entries), Names()
        tensors: list[TensorView] = []
        left_out: list[tuple[str, Exclusion]] = []
        for name, entry in named:
            check_name(file.path, name)
            reason = _why_left_out(entry, name) or repeated.why_left_out(entry, name)
            if reason is not None:
                left_out.append((name, reason))
            else:
                view = bundle.view(entry, torch_layout(name, entry.shape, shapes))
                tensors.append(replace(view, name=names.distinct(view.name)))
        return Contents("tensorflow", tuple(tensors), tuple(left_out), beside=bundle.nbytes)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One line of the index: BundleEntryProto."""

    key: str
    kind: int
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    checksum: bytes
    sliced: bool


class _Bundle:
    """A parsed index, and its data files, each opened when it is needed."""

    def __init__(self, file: PositionedFile) -> None:
        self._file = file
        self._shards = 1
        self._big_endian = False
        self._data: dict[int, PositionedFile] = {}
        self._recent = Recent()
        self.entries: list[_Entry] = []
        self._graph: _Entry | None = None
        self._read()

    @property
    def nbytes(self) -> int:
        """Size of the data files that were opened."""
        return sum(file.size for file in self._data.values())

    def view(self, entry: _Entry, layout: Layout) -> TensorView:
        """View a variable, its axes as torch has them. Raises CheckpointError."""
        path, name = self._file.path, layout.name
        if entry.kind not in TYPES:
            raise UnsupportedDtype(path, f"tensor {quoted(name)} has data type {entry.kind}, unknown here")
        dtype: np.dtype[Any] = np.dtype(TYPES[entry.kind])
        need = count_elements(path, name, entry.shape) * dtype.itemsize
        if need != entry.size:
            raise Malformed(path, f"tensor {quoted(name)} needs {need:,} bytes, the index says {entry.size:,}")
        data = self._located(entry, name)
        place = Place(data, entry.offset, layout.shape, dtype.newbyteorder(">") if self._big_endian else dtype)
        return turned(name, place, layout.strides, f"{data.path.name}@{entry.offset}+{need}", self._recent)

    def full_names(self) -> Mapping[str, str]:
        """The variable's own name for each key that only gives its path through the objects of a program."""
        graph = self._graph
        if graph is None or graph.size > MAX_GRAPH:
            return {}
        data = self._located(graph, OBJECT_GRAPH)
        # A text of one element: its length as a varint, a checksum of the lengths, then the text itself.
        head = Wire(Window(data, graph.offset, graph.size))
        length, at = head.varint(0, graph.size)
        if at + 4 + length != graph.size:
            return {}
        window = Window(data, graph.offset + at + 4, length)
        return dict(_full_names(Wire(window), Span(0, length)))

    def _read(self) -> None:
        for key, value in entries(self._file):
            wire = Wire(Memory(self._file.path, value))
            if not key:
                self._read_header(wire, len(value))
            elif key[0] != 0:  # keys of slices begin with a zero byte
                entry = _entry(wire, len(value), key.decode("utf-8", "replace"))
                if entry.key == OBJECT_GRAPH:
                    self._graph = entry
                else:
                    self.entries.append(entry)

    def _read_header(self, wire: Wire, size: int) -> None:
        for field in wire.fields(Span(0, size)):
            if field.number == 1:
                self._shards = field.value
            elif field.number == 2:
                self._big_endian = field.value == 1
        if not 0 < self._shards <= MAX_SHARDS:
            raise Malformed(self._file.path, f"claims {self._shards:,} data files: the file is damaged")

    def _located(self, entry: _Entry, name: str) -> PositionedFile:
        """The data file of an entry, which must hold it whole."""
        data = self._shard(entry.shard)
        if entry.offset < 0 or entry.offset + entry.size > data.size:
            raise Truncated(
                data.path,
                f"tensor {quoted(name)} ends at byte {entry.offset + entry.size:,} of {data.size:,}: download it again",
            )
        return data

    def _shard(self, number: int) -> PositionedFile:
        if not 0 <= number < self._shards:
            raise Malformed(self._file.path, f"names data file {number:,} of {self._shards:,}")
        if number not in self._data:
            prefix = self._file.path.name.removesuffix(SUFFIX)
            name = f"{prefix}.data-{number:05d}-of-{self._shards:05d}"
            folder = self._file.folder
            if not folder.holds(name):
                raise NoWeights(self._file.path, f"data file {quoted(name)} is missing: download it, too")
            self._data[number] = folder.open(name)
        return self._data[number]


class _Repeated:
    """Recognises variables that another one stands for: saved twice, or averaged over training."""

    def __init__(self, entries: Sequence[_Entry]) -> None:
        self._keys = {entry.key for entry in entries}
        self._seen: set[tuple[str, int, tuple[int, ...], bytes]] = set()

    def why_left_out(self, entry: _Entry, name: str) -> Exclusion | None:
        if entry.key.endswith(_AVERAGE) and entry.key.removesuffix(_AVERAGE) in self._keys:
            return AVERAGED
        content = name, entry.kind, entry.shape, entry.checksum
        if entry.checksum and content in self._seen:
            return TWICE
        self._seen.add(content)
        return None


def _entry(wire: Wire, size: int, key: str) -> _Entry:
    numbers: dict[int, int] = {}
    shape: tuple[int, ...] = ()
    checksum, sliced = b"", False
    for field in wire.fields(Span(0, size)):
        if field.kind == VARINT:
            numbers[field.number] = field.value
        elif field.number == 2 and field.kind == BYTES:
            shape = tuple(sides(wire, field))
        elif field.number == 6:
            checksum = wire.bytes(field.span)
        elif field.number == 7:
            sliced = True
    kind, shard, offset, length = (numbers.get(number, 0) for number in (1, 3, 4, 5))
    return _Entry(key, kind, shape, shard, offset, length, checksum, sliced)


def _why_left_out(entry: _Entry, name: str) -> Exclusion | None:
    if _SLOT in entry.key:
        return OPTIMIZER
    if entry.kind in NO_NUMBERS:
        return TEXT
    if entry.sliced:
        return SLICED
    if "metrics" in entry.key.split("/"):
        return METRIC
    # The path to a variable may lead through the optimizer that trains it: its own name says more.
    return why_left_out(name)


def _full_names(wire: Wire, graph: Span) -> Iterator[tuple[str, str]]:
    """Checkpoint key and full name of every attribute of a TrackableObjectGraph."""
    for node in wire.fields(graph):
        for attribute in wire.fields(node.span) if (node.number, node.kind) == (1, BYTES) else ():
            if (attribute.number, attribute.kind) != (2, BYTES):
                continue
            texts = {f.number: wire.text(f.span) for f in wire.fields(attribute.span) if f.kind == BYTES}
            if texts.get(2) and texts.get(3):
                yield texts[3], texts[2]
