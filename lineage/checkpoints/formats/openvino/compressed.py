"""Weights that a graph computes from codes: Constant -> Convert -> [Subtract] -> Multiply -> [Reshape].

Sources: `MarkDequantization` of OpenVINO, and the weight compression of NNCF, which write these.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from lineage.checkpoints.decode.affine import dequantised, granularity
from lineage.checkpoints.formats.openvino.constants import Constant
from lineage.checkpoints.formats.openvino.graph import Graph
from lineage.types import AnyArray, TensorView


@dataclass(frozen=True, slots=True)
class Scaled:
    """Codes with their scale and zero point, of as many axes each, which the layer `product` multiplies.

    `shape` is that of the weight; along the first axis `run` codes share a scale.
    """

    codes: Constant
    scale: Constant
    zero: Constant | None
    product: str
    shape: tuple[int, ...]
    run: int = 1

    def merged(self) -> Scaled:
        """The same with the first two axes as one, groups and their outputs."""
        codes, scale, zero = (
            _merged(part) if part is not None else None for part in (self.codes, self.scale, self.zero)
        )
        assert codes is not None
        assert scale is not None
        return replace(
            self, codes=codes, scale=scale, zero=zero, shape=codes.shape, run=codes.shape[0] // scale.shape[0]
        )


def scaled(graph: Graph, held: Mapping[str, Constant], identity: str) -> Scaled | None:
    """The codes of a constant that is converted and then multiplied by another one; None where it is not."""
    codes = held[identity]
    at = _reader(graph, identity, "Convert")
    minus = _reader(graph, at[0], "Subtract") if at is not None else None
    if codes.is_float or at is None or (minus is not None and minus[1] != 0):
        return None
    zero = _constant_behind(graph, held, minus[0], 1) if minus is not None else None
    times = _reader(graph, minus[0] if minus is not None else at[0], "Multiply")
    scale = _constant_behind(graph, held, times[0], 1 - times[1]) if times is not None and times[1] < 2 else None
    if times is None or scale is None or (zero is None) != (minus is None):
        return None
    if not _fits(codes, scale) or (zero is not None and not _fits(codes, zero)):
        return None
    rank = len(codes.shape)
    return Scaled(
        codes, _ranked(scale, rank), _ranked(zero, rank) if zero is not None else None, times[0],
        _shape(graph, times[0], codes),
    )  # fmt: skip


def values_of(found: Scaled, name: str) -> TensorView:
    """View the numbers."""
    codes, scale = found.codes.view(name), found.scale.view(name)
    zero = found.zero.view(name) if found.zero is not None else None
    in_groups = f"groups of {codes.shape[-1]}"  # which the graph puts side by side
    words = granularity(codes.shape, scale.shape, found.run) if found.shape == codes.shape else in_groups
    view = dequantised(codes, scale, zero, f"openvino {found.codes.kind} {words}", found.run)
    if found.shape == view.shape:
        return view

    def rows(start: int, stop: int) -> AnyArray:
        return view.rows(start, stop).reshape(stop - start, *found.shape[1:])

    return replace(view, shape=found.shape, rows=rows)


def _reader(graph: Graph, identity: str, kind: str) -> tuple[str, int] | None:
    """The only reader of a layer, and its port, if it is of that kind."""
    found = graph.only_reader(identity)
    return found if found is not None and found[0] in graph.layers and graph.layers[found[0]].type == kind else None


def _constant_behind(graph: Graph, held: Mapping[str, Constant], layer: str, port: int) -> Constant | None:
    """The constant that a layer reads at a port, as it is or converted."""
    source = graph.inputs.get(layer, {}).get(port, "")
    if source in graph.layers and graph.layers[source].type == "Convert":
        source = graph.inputs.get(source, {}).get(0, "")
    return held.get(source)


def _shape(graph: Graph, product: str, codes: Constant) -> tuple[int, ...]:
    """The shape that the graph gives to the product, if that has the same rows."""
    reshape = _reader(graph, product, "Reshape")
    shape = tuple(graph.layers[reshape[0]].output) if reshape is not None and reshape[1] == 0 else ()
    is_same = all(side > 0 for side in shape) and math.prod(shape) == codes.count
    return shape if is_same and shape[:1] == codes.shape[:1] else codes.shape


def _fits(codes: Constant, part: Constant) -> bool:
    """Whether a part broadcasts to the codes along whole axes."""
    sides = (1,) * (len(codes.shape) - len(part.shape)) + part.shape
    return len(sides) == len(codes.shape) and all(
        side in {1, length} for side, length in zip(sides, codes.shape, strict=True)
    )


def _ranked(part: Constant, rank: int) -> Constant:
    return part.shaped((1,) * (rank - len(part.shape)) + part.shape)


def _merged(part: Constant) -> Constant:
    return part.shaped((part.shape[0] * part.shape[1], *part.shape[2:]))
