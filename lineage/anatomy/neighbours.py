"""Which layer a bias, a gain or a slope goes with."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping

from lineage.anatomy.chains import Layer
from lineage.anatomy.names import Named, Path, is_number

_LAST_NUMBER = re.compile(r"([0-9]{1,8})(?:_?bn)?$", re.IGNORECASE)


class Neighbours:
    """The layers of a network, found by their own module, by their place, and by their number and size."""

    def __init__(self, layers: Mapping[Path, Layer]) -> None:
        self._own = layers
        self._places: dict[Path, list[tuple[int, str]]] = defaultdict(list)
        self._alike: dict[tuple[Path, str, int], Path | None] = {}  # None where there are several
        for module, layer in layers.items():
            if is_number(layer.tensor.last):
                self._places[layer.tensor.parent].append((int(layer.tensor.last), layer.tensor.last))
            if number := _number_at_end(layer.tensor):
                for length in {layer.makes, layer.reads}:
                    key = (layer.tensor.parent, number, length)
                    self._alike[key] = None if key in self._alike else module
        for places in self._places.values():
            places.sort()

    def of(self, tensor: Named) -> Layer | None:
        """The layer that a vector goes with, or None.

        Its own module's; in a numbered sequence the one before it (features.1 follows features.0);
        else the only one in the same module with its number and its length (bn1 goes with conv1).
        """
        if tensor.module in self._own or not tensor.module:
            return self._own.get(tensor.module)
        if is_number(tensor.last):
            places = self._places.get(tensor.parent, [])
            at = bisect_left(places, (int(tensor.last), ""))
            return self._own[(*tensor.parent, places[at - 1][1])] if at else None
        number = _number_at_end(tensor)
        alike = self._alike.get((tensor.parent, number, tensor.shape[0])) if number else None
        return None if alike is None else self._own[alike]


def _number_at_end(tensor: Named) -> str:
    match = _LAST_NUMBER.search(tensor.last)
    return match[1] if match else ""
