"""Networks of one design side by side in one file, such as a detector's for each sampling rate."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Collection, Sequence

from lineage.anatomy.names import Named, Path, shared_prefix

_MOST = 8  # networks; if there are more of one design, they are layers, heads or members of an ensemble
_LEAST = 3  # matrices that make a network
_WORDS = re.compile(r"[a-z]+|[0-9]+[a-z]*", re.IGNORECASE)


def twins(tensors: Sequence[Named]) -> list[list[Named]]:
    """The networks that the tensors belong to, the largest first; a single one where they are not of one design.

    Networks of one design have tensors of equal names and numbers of axes behind prefixes that are variants of one
    name: `model` and `model_8k`, the two branches of an If. Prefixes that count (`layer1`, `layer2`) or that have no
    word in common (`H` and `C`, `actor` and `critic`) are parts of one network. Vectors that stand beside all of them
    go with the first.
    """
    paths = {t.name: _path(t) for t in tensors}
    skip = shared_prefix([paths[t.name] for t in tensors if len(t.shape) > 1])
    found: dict[str, list[Named]] = defaultdict(list)
    for tensor in tensors:
        found["".join(paths[tensor.name][skip : skip + 1])].append(tensor)
    beside = [prefix for prefix, members in found.items() if all(len(t.shape) < 2 for t in members)]
    vectors = [tensor for prefix in beside for tensor in found.pop(prefix)]
    if not 1 < len(found) <= _MOST:
        return [list(tensors)]
    designs = {frozenset((paths[t.name][skip + 1 :], len(t.shape)) for t in members) for members in found.values()}
    matrices = min((sum(len(t.shape) > 1 for t in members) for members in found.values()), default=0)
    if len(designs) > 1 or matrices < _LEAST or not _are_variants(found):
        return [list(tensors)]
    first, *others = sorted(found, key=lambda prefix: (-sum(math.prod(t.shape) for t in found[prefix]), prefix))
    return [[*found[first], *vectors], *(found[prefix] for prefix in others)]


def _path(tensor: Named) -> Path:
    return tuple(re.split(r"[./]", tensor.name))


def _are_variants(prefixes: Collection[str]) -> bool:
    """Whether names have a word in common and differ in more than their numbers."""
    words = [{word for word in _WORDS.findall(prefix.lower()) if not word.isdigit()} for prefix in prefixes]
    return len({frozenset(held) for held in words}) == len(prefixes) and bool(set.intersection(*words))
