"""The weights of an IR: its constants, under the names that they had before the conversion."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from lineage.checkpoints.decode.non_weights import why_left_out
from lineage.checkpoints.formats.openvino.compressed import Scaled, scaled, values_of
from lineage.checkpoints.formats.openvino.constants import TEXT, TYPES, Constant, constant
from lineage.checkpoints.formats.openvino.graph import Graph, read_graphs
from lineage.checkpoints.formats.openvino.names import Reading, named
from lineage.checkpoints.io.bytes import PositionedFile
from lineage.checkpoints.io.unique_names import Names
from lineage.checkpoints.reader import Contents
from lineage.errors import NoWeights
from lineage.types import TensorView
from lineage.types.facts.exclusions import Exclusion, NotAWeight, NotRead

INTEGERS = NotAWeight("integers-of-graph")
CODES = NotRead("codes-without-range")
MANY = 1024  # codes that are more than these and that no scale is found for are weights that are not read
_BEGINS = re.compile(rb"\s*(?:<\?xml|<net\b)")
_GROUPED = {"GroupConvolution", "GroupConvolutionBackpropData"}
_CHANGES = {"Convert", "Reshape"}  # what may stand between a constant and what reads it

Unread = tuple[str, Exclusion, int]
"""The name of a constant that is not a weight or not read, the reason, and how many weights it stands for."""


class OpenvinoReader:
    """An IR: NAME.xml with NAME.bin beside it."""

    def recognises(self, head: bytes) -> bool:
        """XML; its first element shows that it is an IR."""
        return _BEGINS.match(head) is not None

    def read(self, file: PositionedFile) -> Contents:
        """List the weights, compressed ones as the numbers that they stand for. Raises CheckpointError."""
        graphs = read_graphs(file)
        values = file.beside(".xml", ".bin")
        if values is None:
            raise NoWeights(file.path, "its values are missing: keep the .bin of the same name beside it")
        tensors: list[TensorView] = []
        unread: list[Unread] = []
        names = Names()
        for found in (found for graph in graphs for found in _weights(graph, values)):
            if not isinstance(found, TensorView):
                unread.append(found)
            elif (reason := why_left_out(found.name)) is not None:
                unread.append((found.name, reason, 0))
            else:
                tensors.append(replace(found, name=names.distinct(found.name)))
        return Contents(
            "openvino",
            tuple(tensors),
            tuple((name, reason) for name, reason, _ in unread),
            beside=values.size,
            unread=tuple((reason, count) for _, reason, count in unread if count),
        )


def _weights(graph: Graph, values: PositionedFile) -> Iterator[TensorView | Unread]:
    """What the constants of one graph are: weights, or not; shapes, axes and single factors are skipped."""
    held = {identity: constant(layer, values) for identity, layer in graph.layers.items() if layer.type == "Const"}
    compressed = {identity: found for identity in held if (found := scaled(graph, held, identity)) is not None}
    parts = {part.start for one in compressed.values() for part in (one.scale, one.zero) if part is not None}
    for identity, one in held.items():
        if one.start in parts or 0 in one.shape or one.kind == TEXT:
            continue
        if identity in compressed:
            yield _dequantised(graph, compressed[identity])
        elif one.is_float and one.count > 1:
            yield _plain(one, _reading(graph, identity))
        elif TYPES[one.kind].bits <= 8 and one.kind != "boolean" and one.count > MANY:
            yield one.name, CODES, one.count
        elif not one.is_float and len(one.shape) > 1:
            yield one.name, INTEGERS, 0


def _plain(held: Constant, reading: Reading) -> TensorView:
    name, turned = named(held.name, len(held.shape), reading)
    return held.shaped(_of_model(held.shape, reading)).view(name, transposed=turned)


def _dequantised(graph: Graph, found: Scaled) -> TensorView:
    reading = _reading(graph, found.product)
    if reading.type in _GROUPED and found.shape == found.codes.shape and len(found.shape) > 3:
        found = found.merged()
    name, _ = named(found.codes.name, len(found.shape), reading)
    return values_of(found, name)


def _of_model(shape: Sequence[int], reading: Reading) -> tuple[int, ...]:
    """The shape that a weight has in the model: groups in the outputs, biases without the axes of what they go to."""
    if reading.type in _GROUPED and reading.port == 1 and len(shape) > 3:
        return (shape[0] * shape[1], *shape[2:])
    longer = [side for side in shape if side > 1]
    return tuple(longer) if reading.is_elementwise and len(longer) == 1 else tuple(shape)


def _reading(graph: Graph, identity: str) -> Reading:
    """What reads the values of a layer, behind conversions and changes of shape."""
    for _ in range(4):
        found = graph.only_reader(identity)
        layer = graph.layers.get(found[0]) if found is not None else None
        if found is None or layer is None:
            break
        if layer.type not in _CHANGES or found[1] != 0:
            return Reading(layer.type, layer.name, found[1], layer.data.get("transpose_b") == "true")
        identity = found[0]
    return Reading("", "", 0, turns=False)
