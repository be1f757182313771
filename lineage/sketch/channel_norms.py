"""The norm behind a layer of channels, whose gains and running variances scale what the layer makes."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lineage.anatomy.names import Path, is_number, take_apart
from lineage.types import Part

_GAINS = ("weight", "gamma", "scale")
_OFFSETS = ("bias", "beta", "offset")
_VARIANCES = ("running_var", "moving_variance")
_NUMBER_AT_END = re.compile(r"([0-9]{1,8})(?:_?bn)?$", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class Norm:
    """The places of a norm's gains, running variances and offsets among the tensors given; None for what it has not."""

    gain: int | None
    variance: int | None
    offset: int | None


class Norms:
    """The norms of one component, by where they stand beside its layers."""

    def __init__(self, tensors: Sequence[tuple[str, tuple[int, ...], Part]], places: Sequence[int]) -> None:
        named = take_apart([(tensors[place][0], tensors[place][1]) for place in places])
        self._modules = {place: one.module for place, one in zip(places, named, strict=True)}
        self._beside: dict[tuple[Path, int], dict[Path, dict[str, int]]] = defaultdict(lambda: defaultdict(dict))
        self._layers: dict[Path, set[Path]] = defaultdict(set)
        for place, one in zip(places, named, strict=True):
            if len(one.shape) == 1 and tensors[place][2].role == "norm":
                self._beside[one.parent, one.shape[0]][one.module][one.name.rpartition(".")[2]] = place
            elif len(one.shape) > 1:
                self._layers[one.parent].add(one.module)

    def behind(self, place: int, channels: int) -> Norm | None:
        """The norm of so many channels behind the layer of that weight: by its number, or as the only one beside it."""
        module = self._modules[place]
        norms = self._beside.get((module[:-1], channels), {})
        alike = [one for one in norms if _is_next(module, one)]
        if not alike and len(norms) == len(self._layers[module[:-1]]) == 1:
            alike = [*norms]
        return _norm(norms[alike[0]]) if len(alike) == 1 else None


def _is_next(layer: Path, norm: Path) -> bool:
    """Whether a norm has the number of a layer beside it (conv1, bn1), or the next one in a sequence (0, 1)."""
    if not (layer and norm):
        return False
    if is_number(layer[-1]) and is_number(norm[-1]):
        return int(norm[-1]) == int(layer[-1]) + 1
    own, other = _NUMBER_AT_END.search(layer[-1]), _NUMBER_AT_END.search(norm[-1])
    return own is not None and other is not None and own[1] == other[1]


def _norm(leaves: Mapping[str, int]) -> Norm:
    gain, variance, offset = (
        next((leaves[leaf] for leaf in of if leaf in leaves), None) for of in (_GAINS, _VARIANCES, _OFFSETS)
    )
    return Norm(gain, variance, offset)
