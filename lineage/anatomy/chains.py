"""Layers that feed one another, inferred from numbered names and matching sizes."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from lineage.anatomy.names import Named, Path

_NUMBERED = re.compile(r"^(.*?)([0-9]{1,8})$")


@dataclass(frozen=True, slots=True)
class Layer:
    """The weight of one layer: how many units it makes and reads, and on which storage axis.

    Further axes are kernel positions.
    """

    tensor: Named
    makes: int
    reads: int
    out_axis: int


@dataclass(frozen=True, slots=True)
class Links:
    """The axes that chains settle: `made` and `read` give the label by tensor name."""

    made: Mapping[str, str]
    read: Mapping[str, str]


def chain_links(layers: Sequence[Layer]) -> Links:
    """Labels for the units between consecutive layers of every chain.

    Layers form a chain if their module paths differ only in one last number and each makes as many
    units as the next one reads (or the next reads a flattened multiple, which settles the made side
    alone). If one step does not fit, nothing is settled: numbers also count parallel branches.
    For the same reason a row of equal square layers settles nothing.
    """
    families: dict[tuple[Path, str], list[tuple[int, Layer]]] = defaultdict(list)
    for layer in layers:
        numbered = _NUMBERED.match(layer.tensor.last)
        if numbered:
            families[(layer.tensor.parent, numbered[1])].append((int(numbered[2]), layer))
    made: dict[str, str] = {}
    read: dict[str, str] = {}
    for (parent, stem), members in families.items():
        ordered = sorted(members, key=lambda member: (member[0], member[1].tensor.name))
        if not _is_chain(ordered):
            continue
        for (number, before), (_, after) in pairwise(ordered):
            label = ".".join((*parent, f"{stem}{number}")) + "/units"
            made[before.tensor.name] = label
            if before.makes == after.reads:
                read[after.tensor.name] = label
    return Links(made, read)


def _is_chain(ordered: Sequence[tuple[int, Layer]]) -> bool:
    layers = [layer for _, layer in ordered]
    if len(layers) < 2 or len({number for number, _ in ordered}) < len(ordered):
        return False
    if all(layer.makes == layer.reads for layer in layers):
        return False
    return all(_feeds(before, after) for before, after in pairwise(layers))


def _feeds(before: Layer, after: Layer) -> bool:
    if before.makes == after.reads:
        return True
    # A dense layer after a convolution reads every channel at every place that is left.
    flattened = len(before.tensor.shape) > 2 and len(after.tensor.shape) == 2
    return flattened and before.makes > 1 and after.reads % before.makes == 0
