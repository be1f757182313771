"""Networks that are not transformers, or not known here: axes from names, sizes and links."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lineage.anatomy.axes import NOTHING, Axes, fixed_axis
from lineage.anatomy.chains import Layer, Links, chain_links
from lineage.anatomy.kinds import kinds_of
from lineage.anatomy.lengths import ends_of, hidden_lengths
from lineage.anatomy.names import RECURRENT, Named, Path, is_number, shared_prefix
from lineage.anatomy.neighbours import Neighbours
from lineage.checkpoints.decode.biases import bias_length
from lineage.types import Axis

_FIRST_NUMBER = re.compile(r"(?<=[A-Za-z_])([0-9]{1,8})(?![0-9d])")  # not the 2 of conv2d


@dataclass(frozen=True, slots=True)
class Network:
    """What is known of a network as a whole.

    `tensors` (without the prefix that all share) and `kinds` are by tensor name, `layers` by module;
    `links` are settled by chains, `hidden` are the lengths of hidden units.
    """

    tensors: Mapping[str, Named]
    kinds: Mapping[str, str]
    layers: Mapping[Path, Layer]
    neighbours: Neighbours
    links: Links
    hidden: frozenset[int]

    def axes(self, name: str) -> Axes:
        """The axes of one tensor, in storage order."""
        tensor, kind = self.tensors[name], self.kinds[name]
        if not tensor.shape:
            return NOTHING, NOTHING
        if RECURRENT.match(tensor.leaf):
            return self._recurrent_axes(tensor)
        if len(tensor.shape) == 1:
            return self._vector_axis(tensor, kind), NOTHING
        if kind == "token-embedding":
            return fixed_axis("tokens"), self._by_length(tensor.shape[1])
        layer = self.layers.get(tensor.module)
        if layer is None or layer.tensor.name != name:
            return fixed_axis("unknown"), fixed_axis("unknown")
        made, read = self._made(layer), self._read(layer)
        return (made, read) if layer.out_axis == 0 else (read, made)

    def _made(self, layer: Layer) -> Axis:
        label = self.links.made.get(layer.tensor.name)
        return Axis(label, exchangeable=True) if label else self._by_length(layer.makes)

    def _read(self, layer: Layer) -> Axis:
        label = self.links.read.get(layer.tensor.name)
        return Axis(label, exchangeable=True) if label else self._by_length(layer.reads)

    def _by_length(self, length: int) -> Axis:
        return Axis(f"length:{length}", exchangeable=length in self.hidden)

    def _recurrent_axes(self, tensor: Named) -> Axes:
        # The gate blocks share one order of units, and the state is read by the rows that make it:
        # relabelling one of these axes alone is not a symmetry.
        gates = fixed_axis("gates")
        if len(tensor.shape) == 1:
            return gates, NOTHING
        reads_input = tensor.leaf.startswith("weight_ih") and len(tensor.shape) == 2
        return gates, self._by_length(tensor.shape[1]) if reads_input else fixed_axis("state")

    def _vector_axis(self, tensor: Named, kind: str) -> Axis:
        length = tensor.shape[0]
        layer = self.neighbours.of(tensor)
        if layer is None:
            return self._by_length(length) if kind in ("norm", "activation") else fixed_axis("unknown")
        if layer.makes == length:
            return self._made(layer)
        return self._read(layer) if layer.reads == length and kind == "norm" else fixed_axis("unknown")


def survey(tensors: Sequence[Named], by_length: bool) -> Network:
    """Survey the tensors of a network.

    `by_length` lets axes that no name links be grouped by length; leave it off for the remaining tensors of
    a model whose other parts are known: they are not a whole network.
    """
    bare = _without_shared_prefix(tensors)
    kinds = kinds_of(bare)
    shapes = {t.name: t.shape for t in tensors}
    layers = {t.module: layer for t in bare if (layer := _layer(t, kinds[t.name], bias_length(t.name, shapes)))}
    links = chain_links(list(layers.values()))
    ends = ends_of([*layers.values(), *_recurrent_inputs(bare)], links, _states(bare), _tables(bare, kinds))
    hidden = hidden_lengths(ends) if by_length else frozenset()
    return Network({t.name: t for t in bare}, kinds, layers, Neighbours(layers), links, hidden)


def layer_number(module: Path) -> int | None:
    """The number of a layer: the first index that stands alone in the path, else the first within a name."""
    alone = next((int(token) for token in module if is_number(token)), None)
    if alone is not None:
        return alone
    within = next((match for token in module if (match := _FIRST_NUMBER.search(token))), None)
    return int(within[1]) if within else None


def _without_shared_prefix(tensors: Sequence[Named]) -> tuple[Named, ...]:
    skip = shared_prefix([t.module for t in tensors])
    return tuple(Named(t.name, t.shape, t.module[skip:], t.leaf) for t in tensors)


def _layer(tensor: Named, kind: str, bias: int | None) -> Layer | None:
    """A bias is as long as the layer has units, which shows which axis is first where names do not."""
    if kind not in ("linear", "conv", "conv-transposed", "head"):
        return None
    is_turned = kind == "conv-transposed" or (tensor.leaf == "kernel" and len(tensor.shape) == 2)
    in_first = is_turned or tensor.shape[0] != bias == tensor.shape[1]
    out_axis = 1 if in_first else 0
    return Layer(tensor, tensor.shape[out_axis], tensor.shape[1 - out_axis], out_axis)


def _recurrent_inputs(tensors: Sequence[Named]) -> list[Layer]:
    """Input matrices of recurrent layers, as readers: their gate rows are not units of any layer."""
    return [Layer(t, 0, t.shape[1], 0) for t in tensors if t.leaf.startswith("weight_ih") and len(t.shape) == 2]


def _states(tensors: Sequence[Named]) -> list[int]:
    return [t.shape[1] for t in tensors if t.leaf.startswith("weight_hh") and len(t.shape) == 2]


def _tables(tensors: Sequence[Named], kinds: Mapping[str, str]) -> list[tuple[int, int]]:
    return [(t.shape[0], t.shape[1]) for t in tensors if kinds[t.name] == "token-embedding"]
