"""The nodes of a TensorFlow graph, as far as they show what its constants are for.

Format: `GraphDef`, `NodeDef`, `AttrValue` and `FunctionDef` of
https://github.com/tensorflow/tensorflow/tree/master/tensorflow/core/framework. The names of operations and the order of
their inputs: https://github.com/tensorflow/tensorflow/tree/master/tensorflow/core/ops.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from lineage.checkpoints.formats.tf.constants import Constant, read_constant
from lineage.checkpoints.io.bytes import PositionedFile
from lineage.checkpoints.io.quoting import quoted
from lineage.checkpoints.wire.protobuf import BYTES, Field, Span, Wire, signed
from lineage.errors import Malformed, Truncated

_NODES, _LIBRARY = 1, 2
_FUNCTIONS, _FUNCTION_NODES = 1, 3
_TEXT, _INTEGER, _FLAG, _TENSOR = 2, 3, 5, 8  # fields of a value of an attribute
# What hands its first input on with its values where they were.
IDENTITIES = frozenset({"Identity", "Enter", "RefEnter", "StopGradient", "PreventGradient", "CheckNumerics"})
MAX_IDENTITIES = 8  # between a node and the range that it reads
_VARIABLE = re.compile(r"/(?:read|ReadVariableOp(?:_\d+)?)(?:/resource)?(?:/_\d+__cf__\d+)?$")


@dataclass(slots=True)
class Node:
    """One operation: its name, what it does, the nodes that it reads, and where its attributes lie."""

    name: str = ""
    op: str = ""
    inputs: list[str] = field(default_factory=list)
    attributes: list[Span] = field(default_factory=list)


Use = tuple[Node, int]
"""A node, and as which of its inputs it reads something."""


@dataclass(slots=True)
class Graph:
    """Nodes and constants by name, in the order of the file; `readers` are the uses of each node."""

    wire: Wire
    nodes: dict[str, Node] = field(default_factory=dict)
    constants: dict[str, Constant] = field(default_factory=dict)
    readers: dict[str, list[Use]] = field(default_factory=lambda: defaultdict(list))

    def uses(self, name: str, passed: Collection[str]) -> list[Use]:
        """What reads a node, also behind nodes that hand it on, which `passed` names."""
        found: list[Use] = []
        seen, waiting = {name}, [name]
        while waiting:
            for node, position in self.readers.get(waiting.pop(), ()):
                if position or node.op not in passed:
                    found.append((node, position))
                elif node.name not in seen:
                    seen.add(node.name)
                    waiting.append(node.name)
        return found

    def is_variable(self, name: str) -> bool:
        """Whether a constant was a variable before the graph was frozen, which the node that read it shows."""
        if _VARIABLE.search(name):
            return True
        return any(node.op == "Identity" and node.name == f"{name}/read" for node, _ in self.readers.get(name, ()))

    def constant(self, value: str) -> tuple[str, Constant] | None:
        """The constant that a node reads under `value`, with its own name; None for what is computed."""
        name = node_of(value)
        for _ in range(MAX_IDENTITIES):
            node = self.nodes.get(name)
            if node is None or node.op not in IDENTITIES or not node.inputs:
                break
            name = node_of(node.inputs[0])
        return (name, self.constants[name]) if name in self.constants else None

    def flag(self, node: Node, name: str) -> bool:
        """Whether an attribute is true."""
        return any(bool(entry.value) for entry in self._values(node, name) if entry.number == _FLAG)

    def text(self, node: Node, name: str) -> str:
        """A text among the attributes, empty without it."""
        found = (e.span for e in self._values(node, name) if e.number == _TEXT and e.kind == BYTES)
        return next((self.wire.text(span) for span in found), "")

    def integer(self, node: Node, name: str, default: int) -> int:
        """A whole number among the attributes."""
        found = (signed(entry.value) for entry in self._values(node, name) if entry.number == _INTEGER)
        return next(found, default)

    def tensor(self, node: Node) -> Constant | None:
        """The tensor that a constant has as its value."""
        found = (e.span for e in self._values(node, "value") if e.number == _TENSOR and e.kind == BYTES)
        return next((read_constant(self.wire, span) for span in found), None)

    def _values(self, node: Node, name: str) -> Iterator[Field]:
        """The fields of the value of an attribute."""
        for span in node.attributes:
            entries = [entry for entry in self.wire.fields(span) if entry.kind == BYTES]
            if any(entry.number == 1 and self.wire.text(entry.span) == name for entry in entries):
                for entry in entries:
                    if entry.number == 2:
                        yield from self.wire.fields(entry.span)


def node_of(value: str) -> str:
    """The node that makes a value: "a/b:1" is the second of "a/b"."""
    return value.partition(":")[0]


def read_graphs(file: PositionedFile) -> list[Graph]:
    """Read the graph of a file and those of its functions. Raises Truncated, Malformed."""
    wire = Wire(file)
    main, found = Graph(wire), list[Graph]()
    for entry in wire.fields(Span(0, file.size)):
        if entry.kind != BYTES:
            continue
        if entry.number == _NODES:
            _add(main, entry.span)
        elif entry.number == _LIBRARY:
            found += [_function(wire, each.span) for each in wire.fields(entry.span) if each.number == _FUNCTIONS]
    for graph in (main, *found):
        _connect(graph)
    missing = next((value for value in main.readers if value not in main.nodes), None)
    if missing is not None:
        raise Truncated(file.path, f"a node reads {quoted(missing)}, which is missing: download it again")
    return [main, *found]


def _function(wire: Wire, message: Span) -> Graph:
    graph = Graph(wire)
    for entry in wire.fields(message):
        if (entry.number, entry.kind) == (_FUNCTION_NODES, BYTES):
            _add(graph, entry.span)
    return graph


def _add(graph: Graph, message: Span) -> None:
    node, wire = Node(), graph.wire
    for entry in wire.fields(message):
        if entry.kind != BYTES:
            continue
        if entry.number == 1:
            node.name = wire.text(entry.span)
        elif entry.number == 2:
            node.op = wire.text(entry.span)
        elif entry.number == 3:
            node.inputs.append(wire.text(entry.span))
        elif entry.number == 5:
            node.attributes.append(entry.span)
    if node.name in graph.nodes:
        raise Malformed(wire.source.path, f"two nodes are named {quoted(node.name)}")
    graph.nodes[node.name] = node
    constant = graph.tensor(node) if node.op == "Const" else None
    if constant is not None:
        graph.constants[node.name] = constant


def _connect(graph: Graph) -> None:
    for node in graph.nodes.values():
        data = (value for value in node.inputs if not value.startswith("^"))  # others say only what comes first
        for position, value in enumerate(data):
            graph.readers[node_of(value)].append((node, position))
