"""The graph of an ONNX file, as far as it shows what its constants are for.

Format: `ModelProto`, `GraphProto`, `NodeProto` and `AttributeProto` of
https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from lineage.checkpoints.formats.onnx.tensors import Files, Stored, read_tensor
from lineage.checkpoints.io.quoting import quoted
from lineage.checkpoints.wire.protobuf import BYTES, VARINT, Span, check_depth, signed
from lineage.errors import Malformed, Truncated
from lineage.types.facts.exclusions import Exclusion, NotRead

GRAPH, OPSETS, FUNCTIONS = 7, 8, 25
_NODES, _INITIALIZERS, _SPARSE = 1, 5, 15
_FUNCTION_NODES = 7


@dataclass(slots=True)
class Node:
    """One operation: the names of the values that it reads and makes, its integers, the graphs inside it."""

    op: str = ""
    name: str = ""
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    integers: dict[str, int] = field(default_factory=dict)
    constant: Stored | None = None
    graphs: list[Span] = field(default_factory=list)

    def reads(self, position: int) -> str:
        """Name of the input at `position`, empty without one."""
        return self.inputs[position] if position < len(self.inputs) else ""


@dataclass(slots=True)
class Graph:
    """Nodes and constants of one graph; what it does not define itself it takes from `outer`.

    `readers` gives, for a value that is defined here, the nodes that read it, also in graphs inside this one, and as
    which of their inputs.
    """

    outer: Graph | None = None
    nodes: list[Node] = field(default_factory=list)
    constants: dict[str, Stored] = field(default_factory=dict)
    readers: dict[str, list[tuple[Graph, Node, int]]] = field(default_factory=lambda: defaultdict(list))
    inner: list[Graph] = field(default_factory=list)
    unread: list[tuple[str, Exclusion]] = field(default_factory=list)
    made: set[str] = field(default_factory=set)

    def defining(self, value: str) -> Graph | None:
        """The graph that defines a value: this one or one around it."""
        graph: Graph | None = self
        while graph is not None and value not in graph.constants and value not in graph.made:
            graph = graph.outer
        return graph

    def constant(self, value: str) -> Stored | None:
        """The constant of that name, here or in a graph around this one; None for what is computed."""
        graph = self.defining(value) if value else None
        return graph.constants.get(value) if graph is not None else None

    def all(self) -> Iterator[Graph]:
        """This graph and those inside it."""
        yield self
        for graph in self.inner:
            yield from graph.all()


def read_graphs(files: Files) -> list[Graph]:
    """Read the graph of a model and those of its functions. Raises CheckpointError."""
    found: list[Graph] = []
    has_graph = has_opset = False
    for entry in files.wire.fields(Span(0, files.file.size)):
        if entry.number == GRAPH and entry.kind == BYTES:
            found.append(_graph(files, entry.span, None, 0, _NODES))
            has_graph = True
        elif entry.number == FUNCTIONS and entry.kind == BYTES:
            found.append(_graph(files, entry.span, None, 0, _FUNCTION_NODES))
        has_opset = has_opset or entry.number == OPSETS
    if not has_graph or not has_opset:
        missing = "graph" if not has_graph else "operator set, which comes last"
        raise Truncated(files.file.path, f"has no {missing}: not an ONNX model, or truncated: download it again")
    return found


def _graph(files: Files, message: Span, outer: Graph | None, depth: int, nodes: int) -> Graph:
    check_depth(files.file, depth, "a graph inside a node")
    graph = Graph(outer)
    for entry in files.wire.fields(message):
        if entry.kind != BYTES:
            continue
        if entry.number == nodes:
            graph.nodes.append(_node(files, entry.span))
        elif entry.number == _INITIALIZERS and nodes == _NODES:
            _add_initializer(files, graph, entry.span)
        elif entry.number == _SPARSE and nodes == _NODES:
            graph.unread.append((f"sparse_initializer.{len(graph.unread)}", NotRead("sparse-tensor")))
    for node in graph.nodes:
        graph.made.update(node.outputs)
        if node.constant is not None and node.outputs:
            graph.constants[node.outputs[0]] = replace(node.constant, name=node.outputs[0])
    for node in graph.nodes:
        for position, value in enumerate(node.inputs):
            home = graph.defining(value)
            if home is not None:
                home.readers[value].append((graph, node, position))
    graph.inner = [_graph(files, span, graph, depth + 1, _NODES) for node in graph.nodes for span in node.graphs]
    return graph


def _add_initializer(files: Files, graph: Graph, message: Span) -> None:
    stored = read_tensor(files, message)
    if stored is None:
        return
    if stored.name in graph.constants:
        raise Malformed(files.file.path, f"two initializers are named {quoted(stored.name)}")
    graph.constants[stored.name] = stored


def _node(files: Files, message: Span) -> Node:
    node, wire, attributes = Node(), files.wire, []
    for entry in wire.fields(message):
        if entry.kind != BYTES:
            continue
        if entry.number == 1:
            node.inputs.append(wire.text(entry.span))
        elif entry.number == 2:
            node.outputs.append(wire.text(entry.span))
        elif entry.number == 3:
            node.name = wire.text(entry.span)
        elif entry.number == 4:
            node.op = wire.text(entry.span)
        elif entry.number == 5:
            attributes.append(entry.span)
    for span in attributes:
        _attribute(files, node, span)
    return node


def _attribute(files: Files, node: Node, message: Span) -> None:
    wire, name = files.wire, ""
    for entry in wire.fields(message):
        if entry.number == 1 and entry.kind == BYTES:
            name = wire.text(entry.span)
        elif entry.number == 3 and entry.kind == VARINT:
            node.integers[name] = signed(entry.value)
        elif entry.number == 5 and entry.kind == BYTES and node.op == "Constant":
            node.constant = read_tensor(files, entry.span)
        elif entry.number in {6, 11} and entry.kind == BYTES:
            node.graphs.append(entry.span)
