"""One Core ML model: an ML program with its weights beside it, a neural network, or a pipeline of them.

Format: https://github.com/apple/coremltools/blob/main/mlmodel/format/Model.proto.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from lineage.checkpoints.formats.coreml.layers import layer_weights
from lineage.checkpoints.formats.coreml.program import read_program
from lineage.checkpoints.formats.coreml.values import Values
from lineage.checkpoints.formats.coreml.weights import weights
from lineage.checkpoints.io.bytes import PositionedFile
from lineage.checkpoints.io.unique_names import Names
from lineage.checkpoints.io.views import check_name
from lineage.checkpoints.reader import Contents
from lineage.checkpoints.wire.protobuf import BYTES, Span, Wire, check_depth
from lineage.errors import Truncated, UnsupportedFormat
from lineage.types import TensorView
from lineage.types.facts.exclusions import Exclusion, NotRead

UNREAD = NotRead("coreml-compressed")
_PROGRAM, _NETWORKS, _OTHER_KINDS = 502, frozenset({303, 403, 500}), range(200, 3000)
_PIPELINES = {200: 1, 201: 1, 202: None}  # field of a pipeline, and the field in it that holds a pipeline in turn
# A version, a description in it an input, in it a name. A SavedModel has no text there, an ONNX model none so deep.
_SIZE = rb"[\x80-\xff]{0,4}[\x00-\x7f]"
_FIRST_FIELDS = re.compile(rb"\x08[\x01-\x1f]\x12" + (_SIZE + rb"\x0a") * 2 + _SIZE + rb"[\x20-\x7e]", re.DOTALL)

Found = tuple[TensorView | None, str]


class CoremlReader:
    """One model.mlmodel; the weights of an ML program lie in a folder beside it."""

    def recognises(self, head: bytes) -> bool:
        """A protocol buffer has no magic string: recognised by its first fields, up to the name of the first input."""
        return _FIRST_FIELDS.match(head) is not None

    def read(self, file: PositionedFile) -> Contents:
        """List the weights in the order of the operations. Raises UnsupportedFormat for anything but a network."""
        wire = Wire(file)
        values = Values(file, wire)
        names, tensors, left_out = Names(), list[TensorView](), list[tuple[str, Exclusion]]()
        seen: set[str] = set()
        for view, name in _model(values, Span(0, file.size), 0):
            if view is None:
                left_out.append((name, UNREAD))
            elif view.storage not in seen:  # functions of one program share their weights
                seen.add(view.storage)
                check_name(file.path, view.name)
                tensors.append(replace(view, name=names.distinct(view.name)))
        return Contents("coreml", tuple(tensors), tuple(left_out), beside=sum(b.size for b in values.blobs.values()))


def _model(values: Values, message: Span, depth: int) -> Iterator[Found]:
    """The weights of a `Model`, and of the models inside a pipeline."""
    check_depth(values.file, depth, "a pipeline inside a pipeline")
    kind = 0
    for entry in values.wire.fields(message):
        if entry.number in _OTHER_KINDS:
            kind = entry.number
        if entry.kind != BYTES:
            continue
        if entry.number == _PROGRAM:
            for block in read_program(values, entry.span):
                yield from weights(block)
        elif entry.number in _NETWORKS:
            yield from layer_weights(values.wire, entry.span)
        elif entry.number in _PIPELINES:
            yield from _pipeline(values, entry.span, _PIPELINES[entry.number], depth)
    if kind == 0 and depth == 0:
        raise Truncated(values.file.path, "has a description, but no model behind it: download it again")
    if depth == 0 and kind not in {_PROGRAM, *_NETWORKS, *_PIPELINES}:
        raise UnsupportedFormat(values.file.path, "is a Core ML model, but not a neural network")


def _pipeline(values: Values, message: Span, inner: int | None, depth: int) -> Iterator[Found]:
    for entry in values.wire.fields(message):
        if entry.number == 1 and entry.kind == BYTES:
            if inner is not None:
                yield from _pipeline(values, entry.span, None, depth)
            else:
                yield from _model(values, entry.span, depth + 1)
