"""Matrices of 2, 4 or 8 bits in blocks along the inputs: the MatMulNBits node of ONNX Runtime.

Codes are (out, blocks, bytes of a block), lowest bits first; `(code - zero) * scale`, with one scale and one zero point
a block, the zero point 2**(bits - 1) if there is none.
Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.MatMulNBits
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from lineage.checkpoints.decode.affine import dequantised
from lineage.checkpoints.decode.rearranged import first_columns
from lineage.checkpoints.formats.onnx.graph import Graph, Node
from lineage.checkpoints.formats.onnx.names import is_anonymous, plain, scope_of
from lineage.checkpoints.formats.onnx.tensors import Stored
from lineage.types import AnyArray, TensorView

_BITS = {2, 4, 8}
_ENDING = re.compile(r"(_Q\d+(G\d+)?|_quant(ized)?|_q)$")


def block_weights(graph: Graph) -> Iterator[tuple[list[Stored], TensorView]]:
    """Go through the block-wise matrices of one graph: the constants that each is made of, and the matrix (out, in)."""
    for node in graph.nodes:
        if node.op == "MatMulNBits":
            view = _matrix(graph, node)
            if view is not None:
                yield [stored for at in (1, 2, 3) if (stored := graph.constant(node.reads(at))) is not None], view


def _matrix(graph: Graph, node: Node) -> TensorView | None:
    codes, scales, zeros = (graph.constant(node.reads(at)) for at in (1, 2, 3))
    rows, columns, block = (node.integers.get(key, 0) for key in ("N", "K", "block_size"))
    bits = node.integers.get("bits", 4)
    if codes is None or scales is None or codes.place is None or scales.place is None or bits not in _BITS:
        return None
    if min(rows, columns, block) <= 0 or block * bits % 8 or codes.bits != 8:
        return None
    blocks = -(-columns // block)
    if codes.count != rows * blocks * block * bits // 8 or scales.count != rows * blocks:
        return None
    zero = _zeros(zeros, rows, blocks, bits) if node.reads(3) else _middle(rows, blocks, bits)
    if zero is None:
        return None
    base = _ENDING.sub("", codes.name)
    name = f"{scope_of(node)}.weight" if is_anonymous(base) and scope_of(node) else plain(base, 2)
    numbers = _codes(codes, (rows, blocks * block), bits).view(name)
    scale = scales.reshaped((rows, blocks)).view(name)
    matrix = dequantised(numbers, scale, zero, f"onnx int{bits} groups of {block}", block)
    return first_columns(matrix, columns)


def _codes(stored: Stored, shape: tuple[int, int], bits: int) -> Stored:
    """Bytes seen as codes of `bits` each, in that shape."""
    assert stored.place is not None
    place = replace(stored.place, shape=shape, dtype=np.dtype(np.uint8))
    return replace(stored, shape=shape, dtype=np.dtype(np.uint8), bits=bits, place=place)


def _zeros(stored: Stored | None, rows: int, blocks: int, bits: int) -> TensorView | None:
    """Zero points, packed like the codes and each row filled up to whole bytes, or as many numbers as scales."""
    if stored is None or stored.place is None:
        return None
    if stored.dtype.kind == "f" and stored.count == rows * blocks:
        return stored.reshaped((rows, blocks)).view("zero")
    row_bytes = -(-blocks * bits // 8)
    if stored.bits != 8 or stored.count != rows * row_bytes:
        return None
    return first_columns(_codes(stored, (rows, row_bytes * 8 // bits), bits).view("zero"), blocks)


def _middle(rows: int, blocks: int, bits: int) -> TensorView:
    def band(start: int, stop: int) -> AnyArray:
        return np.full((stop - start, blocks), 1 << (bits - 1), np.uint8)

    return TensorView("zero", (rows, blocks), np.dtype(np.uint8), band, "")
