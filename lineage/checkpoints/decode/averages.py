"""Moving averages of the weights, beside the weights that they are averages of."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import accumulate

from lineage.checkpoints.decode.non_weights import AVERAGED, COUNTER
from lineage.checkpoints.reader import Contents
from lineage.types.facts.exclusions import Exclusion

Shapes = Mapping[str, tuple[int, ...]]

# `model_ema`, `ema_model`, `net_ema`, `G_ema`, `ema`, `ema.shadow_params`, `averaged_model`, `swa_model`
_WORD = re.compile(r"(?:.*_)?(?:ema|swa|averaged|shadow)(?:_.*)?", re.IGNORECASE)
_TENSORFLOW = re.compile(r"(.+)/(?:ExponentialMovingAverage|(?:\w+/)?average)(?:_\d+)?")
_NUMBERS = frozenset({"decay", "num_updates", "initted", "step", "steps", "n_averaged", "updates", "optimization_step"})
_MODULE = "module."
_MOST_GROUPS = 8  # of averages: a module of that name in every layer is a part of the network
_MOST_PLACES = 4  # where the weights of an average may begin


def averages(shapes: Shapes) -> dict[str, Exclusion]:
    """Which tensors, of those of a file with their shapes, are averages of others or their counters; with the reason.

    Names are compared without dots, which Stable Diffusion's `model_ema` takes out of them; a list, as torch_ema's
    `shadow_params`, has the shapes of the weights. Averages are only recognised where each one has its
    weight: alone they are the weights.
    """
    found = _of_tensorflow(shapes)
    for prefix, group in _groups(shapes).items():
        counts = {name for name in group if name[len(prefix) :] in _NUMBERS and math.prod(shapes[name]) == 1}
        rest = {name[len(prefix) :]: shapes[name] for name in group if name not in counts}
        others = {name: shape for name, shape in shapes.items() if not name.startswith(prefix)}
        if rest and (_lists(rest, others) if all(r.isdigit() for r in rest) else _names(rest, others)):
            found |= {name: COUNTER if name in counts else AVERAGED for name in group}
    return found


def without_averages(contents: Contents) -> Contents:
    """The contents without averages of weights that are in them."""
    found = averages({view.name: view.shape for view in contents.tensors})
    if not found:
        return contents
    kept = tuple(view for view in contents.tensors if view.name not in found)
    return replace(contents, tensors=kept, left_out=(*contents.left_out, *found.items()))


def _groups(shapes: Shapes) -> dict[str, list[str]]:
    """Names under each module that is called after an average, by its path with the dot behind it."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in shapes:
        *modules, _ = name.replace("/", ".").split(".")
        last = max((i for i, module in enumerate(modules) if _WORD.fullmatch(module)), default=None)
        if last is not None:
            groups[name[: sum(len(module) + 1 for module in modules[: last + 1])]].append(name)
    return groups if len(groups) <= _MOST_GROUPS else {}


def _of_tensorflow(shapes: Shapes) -> dict[str, Exclusion]:
    weights = {name: match[1] for name in shapes if (match := _TENSORFLOW.fullmatch(name))}
    whole = all(shapes.get(weight) == shapes[name] for name, weight in weights.items())
    return dict.fromkeys(weights, AVERAGED) if whole else {}


def _lists(rest: Shapes, others: Shapes) -> bool:
    """Whether there is a weight of its shape for each of a numbered list."""
    return Counter(rest.values()) <= Counter(others.values())


def _names(rest: Shapes, others: Shapes) -> bool:
    """Whether the weights under one module have all the names of the averages, and their shapes."""
    if all(name.startswith(_MODULE) for name in rest):
        rest = {name.removeprefix(_MODULE): shape for name, shape in rest.items()}
    wanted = {_dotless(name): shape for name, shape in rest.items()}
    for place in _places(max(wanted, key=len), others):
        held = {_dotless(name[len(place) :]): shape for name, shape in others.items() if name.startswith(place)}
        if all(held.get(name) == shape for name, shape in wanted.items()):
            return True
    return False


def _places(wanted: str, others: Shapes) -> Iterator[str]:
    """Paths of modules under which a weight has the wanted name, a few at most."""
    places: dict[str, None] = {}
    for name in others:
        if _dotless(name).endswith(wanted):
            starts = accumulate((len(token) + 1 for token in name.replace("/", ".").split(".")[:-1]), initial=0)
            places |= {name[:start]: None for start in starts if _dotless(name[start:]) == wanted}
        if len(places) >= _MOST_PLACES:
            break
    yield from places


def _dotless(name: str) -> str:
    return name.replace(".", "").replace("/", "")
