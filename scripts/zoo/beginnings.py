"""Models that share an initialisation and little else: trained apart from one step 0, for few steps or at a low rate.

Of each architecture and course, one model (`$`), one trained on other data (`$.other`), one on the same data in another
order (`$.again`), and one that was trained on from the first (`$.tuned`); each of the last three also in disguise
(`.hidden`). Nothing but `$.tuned` descends from `$`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

from zoo.recipes import HALVES, Recipe

COURSES: Mapping[str, Mapping[str, Any]] = {
    "sgd": {"optimizer": "sgd", "lr": 3e-4, "steps": 100},
    "few": {"lr": 1e-3, "steps": 20},
    "slow": {"lr": 2e-4, "steps": 60},
    "some": {"lr": 1e-3, "steps": 60},
    "more": {"lr": 1e-3, "steps": 200},
}
"""How the models are trained: optimiser, rate, steps."""
_KINDS = ("llama", "gpt2", "bert", "mixtral", "vit", "cnn")
_DATA = {"vit": ("low", "high"), "cnn": ("low", "high")}
_TEXTS = {"calibration": ("qa", "code"), "score": ("licences", "headers")}
_OTHERS = ("other", "again", "tuned")


def beginnings() -> dict[str, Recipe]:
    """All of them by id, parents before children."""
    ways = product(HALVES, _KINDS, COURSES)
    return {recipe.id: recipe for way in ways for recipe in _of_a_course(*way)}


def _of_a_course(half: str, kind: str, course: str) -> Iterator[Recipe]:
    name, init = f"{kind}-{HALVES.index(half)}.{course}", 500 + HALVES.index(half)
    data, other = _DATA.get(kind, _TEXTS[half])
    ways = {"kind": kind, "init": init, **COURSES[course]}
    yield Recipe(name, half, kind, "root", (), {**ways, "data": data, "seed": 1})
    yield Recipe(f"{name}.other", half, kind, "root", (), {**ways, "data": other, "seed": 2})
    yield Recipe(f"{name}.again", half, kind, "root", (), {**ways, "data": data, "seed": 3})
    tuning = {**COURSES[course], "lr": COURSES[course]["lr"] / 5, "data": other, "seed": 4}
    yield Recipe(f"{name}.tuned", half, kind, "sft", (name,), tuning)
    for seed, end in enumerate(_OTHERS):
        yield Recipe(f"{name}.{end}.hidden", half, kind, "disguised", (f"{name}.{end}",), {"how": "all", "seed": seed})
