"""ONNX models: initializers, constants, quantised weights, from every graph of the file. Nothing is run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lineage.checkpoints.decode.non_weights import why_left_out
from lineage.checkpoints.formats.onnx.graph import Graph, read_graphs
from lineage.checkpoints.formats.onnx.names import is_anonymous, original, plain
from lineage.checkpoints.formats.onnx.nbits import block_weights
from lineage.checkpoints.formats.onnx.quantized import Weight, quantised_weights
from lineage.checkpoints.formats.onnx.recurrent import recurrent_weights
from lineage.checkpoints.formats.onnx.tensors import Files, Stored
from lineage.checkpoints.io.bytes import PositionedFile
from lineage.checkpoints.io.unique_names import Names
from lineage.checkpoints.io.views import check_name, count_elements
from lineage.checkpoints.reader import Contents
from lineage.checkpoints.wire.protobuf import Wire
from lineage.types import TensorView
from lineage.types.facts.exclusions import Exclusion

SCALE = "_scale"  # of values that the graph computes
# ir_version, a small number, and then a text (producer, domain, documentation), another number or the graph.
_SECOND = frozenset({0x12, 0x1A, 0x22, 0x28, 0x32, 0x3A, 0x42})
_VERSIONS = range(3, 64)


class OnnxReader:
    """One ONNX model; values may lie in files beside it."""

    def recognises(self, head: bytes) -> bool:
        """A protocol buffer has no magic string: recognised by its first two fields."""
        return len(head) > 2 and head[0] == 0x08 and head[1] in _VERSIONS and head[2] in _SECOND

    def read(self, file: PositionedFile) -> Contents:
        """List the weights, named as before the export where the graph shows it."""
        files = Files(file, Wire(file))
        graphs = [graph for outermost in read_graphs(files) for graph in outermost.all()]
        decoded = _Decoded(graphs)
        tensors: list[TensorView] = []
        left_out: list[tuple[str, Exclusion]] = []
        names = Names()
        for graph in graphs:
            left_out += graph.unread
            for stored in graph.constants.values():
                views = decoded.views(stored)
                if views is None:
                    if _is_number(file, stored):
                        continue
                    reason = why_left_out(stored.name)
                    if reason is not None:
                        left_out.append((plain(stored.name, len(stored.shape)), reason))
                        continue
                    views = [_plain_view(graph, stored)]
                for view in views:
                    name = names.distinct(view.name)
                    check_name(file.path, name)
                    tensors.append(replace(view, name=name))
        return Contents(
            "onnx", tuple(tensors), tuple(left_out), beside=sum(other.size for other in files.beside.values())
        )


class _Decoded:
    """The weights of all graphs that are not simply a constant as stored in the file, by place."""

    def __init__(self, graphs: list[Graph]) -> None:
        self._views: dict[str, list[TensorView]] = {}
        self._parts: set[str] = set()
        for graph in graphs:
            for stored, views in recurrent_weights(graph):
                self._views.setdefault(stored.storage, views)
            for parts, view in block_weights(graph):
                self._add(parts, view)
            for weight in quantised_weights(graph):
                name, turned = original(weight)
                self._add(weight.parts, weight.view(name, transposed=turned))

    def _add(self, parts: Sequence[Stored], view: TensorView) -> None:
        self._views.setdefault(parts[0].storage, [view])
        self._parts.update(part.storage for part in parts)

    def views(self, stored: Stored) -> list[TensorView] | None:
        """The weights that a constant was decoded into, given once; none for a scale; None for one used as stored."""
        if stored.storage in self._views:
            found, self._views[stored.storage] = self._views[stored.storage], []
            return found
        return [] if stored.storage in self._parts else None


def _plain_view(graph: Graph, stored: Stored) -> TensorView:
    weight = Weight(stored.name, stored, graph, stored.name)
    name, turned = original(weight)
    return weight.view(name, transposed=turned)


def _is_number(file: PositionedFile, stored: Stored) -> bool:
    """Whether a constant is a shape, an index, a factor or an input left empty, as found among the weights."""
    if stored.place is None:
        if len(stored.shape) != 1:
            count_elements(file.path, stored.name, stored.shape)
        return True
    if len(stored.shape) < 2 and stored.dtype.kind in "biu":
        return True
    return stored.count == 1 and (is_anonymous(stored.name) or stored.name.endswith(SCALE))
