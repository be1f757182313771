"""Shapes of TensorFlow's tensors.

Format: https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/framework/tensor_shape.proto
"""

from __future__ import annotations

from collections.abc import Iterator

from lineage.checkpoints.wire.protobuf import BYTES, Field, Wire


def sides(wire: Wire, shape: Field) -> Iterator[int]:
    """The sides in a TensorShapeProto as they are written: unsigned, 0 where a size is missing."""
    for dimension in wire.fields(shape.span):
        if dimension.number == 2 and dimension.kind == BYTES:
            yield next((side.value for side in wire.fields(dimension.span) if side.number == 1), 0)
