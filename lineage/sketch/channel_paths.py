"""Which layer of a network reads the channels of which other one, from its inputs on.

A checkpoint does not say how its layers are connected. Here each is taken to read the last layer before it that makes
as many channels as it reads, in the order of their names; a layer that no earlier one fits waits for a later one. A
wrong guess loses a network from sight, and cannot make two networks similar.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from lineage.sketch.channel_norms import Norm, Norms
from lineage.types import Part

MOST_CHANNEL_LAYERS = 4  # of a network
LEAST_CHANNELS = 32  # of a layer whose channels are described
_MOST_COLOURS = 4  # channels of images and sounds
_MOST_VALUES = 1 << 24  # of a layer on the way: it is held in memory
_FEWEST = 3  # layers of a network
_CONVOLUTIONS = ("conv", "conv-transposed")
_DENSE = ("linear", "head")
CHANNEL_ROLES = (*_CONVOLUTIONS, *_DENSE)
_NUMBERS = re.compile(r"(\d{1,18})", re.ASCII)

Described = tuple[str, tuple[int, ...], Part]
"""Name, shape and part of a tensor."""


@dataclass(frozen=True, slots=True)
class Step:
    """A layer on the way from the inputs of a network: the place of its weight among the tensors given.

    `source` is the number of the layer whose channels it reads, None for the inputs. `is_described` says whether its
    channels are kept: those that read the inputs are not, since networks learn the same first filters. `norm` is the
    one behind it, if any.
    """

    place: int
    source: int | None
    is_described: bool
    norm: Norm | None


def channel_paths(tensors: Sequence[Described]) -> Mapping[str, Sequence[Step]]:
    """The layers of each network without a residual stream, as far as its described layers need them."""
    streams = {p.component for _, _, p in tensors if any(axis.label.endswith("/residual") for axis in p.axes)}
    networks: dict[str, list[int]] = defaultdict(list)
    for place, (_, _, part) in enumerate(tensors):
        if part.excluded is None and part.component not in streams:
            networks[part.component].append(place)
    found = {name: [*_path(tensors, places)] for name, places in sorted(networks.items())}
    return {name: path for name, path in found.items() if any(step.is_described for step in path)}


def described_layers(tensors: Sequence[Described], component: str) -> Mapping[int, int]:
    """The places of the weights of a network's described layers by the layers' numbers; empty for other components."""
    path = channel_paths(tensors).get(component, ())
    return {number: step.place for number, step in enumerate(path) if step.is_described}


def sides(name: str, shape: tuple[int, ...], part: Part) -> tuple[int, int]:
    """The axes of the channels that a layer makes and of those that it reads."""
    is_turned = part.role == "conv-transposed" or (name.endswith("kernel") and len(shape) == 2)
    return (1, 0) if is_turned else (0, 1)


def _is_layer(shape: tuple[int, ...], part: Part) -> bool:
    if min(shape, default=0) < 1 or math.prod(shape) > _MOST_VALUES:
        return False
    return (len(shape) > 2 and part.role in _CONVOLUTIONS) or (len(shape) == 2 and part.role in _DENSE)


def _path(tensors: Sequence[Described], places: Sequence[int]) -> Iterator[Step]:
    in_order = sorted(places, key=lambda one: _in_order(tensors[one][0]))
    layers = [_Layer.of(place, tensors[place]) for place in in_order if _is_layer(*tensors[place][1:])]
    if len(layers) < _FEWEST:
        return
    norms = Norms(tensors, places)
    first = _first(layers)
    made: dict[int, int] = {}  # channels to the last layer that makes them
    described = number = 0
    waiting = layers
    while waiting:
        later = []
        for layer in waiting:
            source = None if layer.place in first else made.get(layer.reads)
            if layer.is_depthwise and layer.place not in first:
                continue  # it leaves each channel in its place
            if source is None and layer.place not in first:
                later.append(layer)
                continue
            is_described = source is not None and layer.makes >= LEAST_CHANNELS
            yield Step(layer.place, source, is_described, norms.behind(layer.place, layer.makes))
            described += is_described
            if described == MOST_CHANNEL_LAYERS:
                return
            made[layer.makes], number = number, number + 1
        if len(later) == len(waiting):
            return
        waiting = later


@dataclass(frozen=True, slots=True)
class _Layer:
    place: int
    makes: int
    reads: int
    positions: int

    @classmethod
    def of(cls, place: int, described: Described) -> _Layer:
        name, shape, part = described
        out, into = sides(name, shape, part)
        return cls(place, shape[out], shape[into], math.prod(shape[2:]))

    @property
    def is_depthwise(self) -> bool:
        return self.reads == 1 and self.makes > 1


def _first(layers: Sequence[_Layer]) -> frozenset[int]:
    """The layers that read the inputs, by place: colours, else a single channel, else what no layer makes."""
    colours = [one.place for one in layers if 1 < one.reads <= _MOST_COLOURS and one.positions > 1]
    if colours:
        return frozenset(colours)
    made = {one.makes for one in layers}
    single = (one.place for one in layers if one.reads == 1 and one.positions > 1)
    other = (one.place for one in layers if one.reads not in made)
    return frozenset([place for place in (next(single, next(other, None)),) if place is not None])


def _in_order(name: str) -> list[tuple[int, int, str]]:
    """A key by which numbered names are in the order of their numbers."""
    return [(0, int(one), "") if one.isdigit() else (1, 0, one) for one in _NUMBERS.split(name)]
