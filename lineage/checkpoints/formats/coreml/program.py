"""The operations of an ML program, as far as they show what its constants are for.

Format: `Program`, `Function`, `Block`, `Operation` and `Argument` of
https://github.com/apple/coremltools/blob/main/mlmodel/format/MIL.proto.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from lineage.checkpoints.formats.coreml.values import Stored, Values
from lineage.checkpoints.wire.protobuf import BYTES, Span, check_depth

CONSTANT = "const"
_FUNCTIONS, _BLOCKS, _OPERATIONS = 2, 3, 3


@dataclass(slots=True)
class Operation:
    """One operation: its type, the name of its first output, and its arguments: constants, or names of values."""

    type: str = ""
    output: str = ""
    named: dict[str, str] = field(default_factory=dict)
    given: dict[str, Stored] = field(default_factory=dict)


@dataclass(slots=True)
class Block:
    """The operations of one function; `readers` gives those that read a value, and as which argument."""

    operations: list[Operation] = field(default_factory=list)
    constants: dict[str, Stored] = field(default_factory=dict)
    readers: dict[str, list[tuple[Operation, str]]] = field(default_factory=lambda: defaultdict(list))

    def argument(self, operation: Operation, name: str) -> Stored | None:
        """A constant argument, given in place or by name; None without one."""
        return operation.given.get(name) or self.constants.get(operation.named.get(name, ""))


def read_program(values: Values, message: Span) -> Iterator[Block]:
    """Read every function of a program. Raises CheckpointError."""
    wire = values.wire
    for function in wire.fields(message):
        if function.number != _FUNCTIONS or function.kind != BYTES:
            continue
        for body in _entries(values, function.span):
            for entry in wire.fields(body):
                if entry.number == _BLOCKS and entry.kind == BYTES:
                    for block in _entries(values, entry.span):
                        yield _block(values, block)


def _block(values: Values, message: Span) -> Block:
    block = Block()
    block.operations = list(_operations(values, message, 0))
    for operation in block.operations:
        constant = operation.given.get("val") if operation.type == CONSTANT else None
        if constant is not None:
            block.constants[operation.output] = constant
        for argument, value in operation.named.items():
            block.readers[value].append((operation, argument))
    return block


def _operations(values: Values, message: Span, depth: int) -> Iterator[Operation]:
    """Go through the operations of a block and of the blocks inside them."""
    check_depth(values.file, depth, "a block inside an operation")
    for entry in values.wire.fields(message):
        if entry.number != _OPERATIONS or entry.kind != BYTES:
            continue
        operation, inner, inputs, attributes = _operation(values, entry.span)
        for key, span in inputs:
            _argument(values, operation, key, span)
        for key, span in attributes:
            stored = values.read(operation.output, span)
            if stored is not None:
                operation.given[key] = stored
        yield operation
        for block in inner:
            yield from _operations(values, block, depth + 1)


_Parts = list[tuple[str, Span]]


def _operation(values: Values, message: Span) -> tuple[Operation, list[Span], _Parts, _Parts]:
    wire, operation = values.wire, Operation()
    inner: list[Span] = []
    inputs: _Parts = []
    attributes: _Parts = []
    for entry in wire.fields(message):
        if entry.kind != BYTES:
            continue
        if entry.number == 1:
            operation.type = wire.text(entry.span)
        elif entry.number == 3 and not operation.output:
            operation.output = _text(values, entry.span, 1)
        elif entry.number == 4:
            inner.append(entry.span)
        elif entry.number in {2, 5}:
            value = next((e.span for e in wire.fields(entry.span) if e.number == 2 and e.kind == BYTES), None)
            if value is not None:
                (inputs if entry.number == 2 else attributes).append((_text(values, entry.span, 1), value))
    return operation, inner, inputs, attributes


def _argument(values: Values, operation: Operation, key: str, message: Span) -> None:
    """The first binding of an argument: the name of a value, or a value."""
    binding = next((e.span for e in values.wire.fields(message) if e.number == 1 and e.kind == BYTES), None)
    if binding is None:
        return
    for entry in values.wire.fields(binding):
        if entry.kind == BYTES and entry.number == 1:
            operation.named[key] = values.wire.text(entry.span)
        elif entry.kind == BYTES and entry.number == 2:
            stored = values.read(operation.output, entry.span)
            if stored is not None:
                operation.given[key] = stored


def _entries(values: Values, message: Span) -> Iterator[Span]:
    """The value of a map entry."""
    return (entry.span for entry in values.wire.fields(message) if entry.number == 2 and entry.kind == BYTES)


def _text(values: Values, message: Span, number: int) -> str:
    found = (e.span for e in values.wire.fields(message) if e.number == number and e.kind == BYTES)
    return next((values.wire.text(span) for span in found), "")
