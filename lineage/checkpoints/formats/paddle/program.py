"""The program of a Paddle model, as far as it names its parameters and shows how matrices are used.

Format: `ProgramDesc`, `BlockDesc`, `VarDesc` and `OpDesc` of
https://github.com/PaddlePaddle/Paddle/blob/develop/paddle/fluid/framework/framework.proto.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lineage.checkpoints.io.bytes import PositionedFile
from lineage.checkpoints.wire.protobuf import BYTES, VARINT, Span, Wire

_TENSOR = 7  # `VarType.LOD_TENSOR`
# Operations that multiply by a matrix (in, out): the input that it is, and the attribute that says it is (out, in).
_PRODUCTS = {"matmul_v2": ("Y", "trans_y"), "matmul": ("Y", "transpose_Y"), "mul": ("Y", ""), "fc": ("W", "")}


@dataclass(slots=True)
class Program:
    """Names of the parameters, and of those that are matrices (in, out)."""

    parameters: set[str] = field(default_factory=set)
    turned: set[str] = field(default_factory=set)


def read_program(file: PositionedFile) -> Program:
    """Read the variables and operations of all blocks. Raises CheckpointError."""
    wire, program = Wire(file), Program()
    for block in wire.fields(Span(0, file.size)):
        if block.number != 1 or block.kind != BYTES:
            continue
        for entry in wire.fields(block.span):
            if entry.kind == BYTES and entry.number == 3:
                _variable(wire, program, entry.span)
            elif entry.kind == BYTES and entry.number == 4:
                _operation(wire, program, entry.span)
    return program


def _variable(wire: Wire, program: Program, message: Span) -> None:
    name, is_tensor, persists = "", False, False
    for entry in wire.fields(message):
        if entry.number == 1 and entry.kind == BYTES:
            name = wire.text(entry.span)
        elif entry.number == 2 and entry.kind == BYTES:
            is_tensor = any(e.number == 1 and e.value == _TENSOR for e in wire.fields(entry.span))
        elif entry.number == 3 and entry.kind == VARINT:
            persists = bool(entry.value)
    if persists and is_tensor:
        program.parameters.add(name)


def _operation(wire: Wire, program: Program, message: Span) -> None:
    kind, inputs, attributes = "", list[Span](), list[Span]()
    for entry in wire.fields(message):
        if entry.kind == BYTES and entry.number == 3:
            kind = wire.text(entry.span)
        elif entry.kind == BYTES and entry.number in {1, 4}:
            (inputs if entry.number == 1 else attributes).append(entry.span)
    if kind not in _PRODUCTS:
        return
    argument, turned = _PRODUCTS[kind]
    if not any(_flag(wire, span, turned) for span in attributes if turned):
        for span in inputs:
            texts = [(e.number, wire.text(e.span)) for e in wire.fields(span) if e.kind == BYTES]
            if (1, argument) in texts:
                program.turned.update(name for number, name in texts if number == 2)


def _flag(wire: Wire, attribute: Span, name: str) -> bool:
    """Whether an attribute of that name is true."""
    named = value = False
    for entry in wire.fields(attribute):
        if entry.number == 1 and entry.kind == BYTES:
            named = wire.text(entry.span) == name
        elif entry.number == 10 and entry.kind == VARINT:
            value = bool(entry.value)
    return named and value
