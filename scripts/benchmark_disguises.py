"""Measure what is seen through: disguised models, alone and with more done to them; and the null of unrelated ones.

    python scripts/benchmark_disguises.py --cache DIR --half calibration|score [--beginnings DIR]
        [--results docs/results.md]

DIR is the cache of `make_zoo.py --recipe hidden`. Each disguised model is asked about by `whois` as if it were the only
one, all models of the second zoo being known; a parent is right as benchmark_families.py has it. With the cache of
`make_zoo.py --recipe beginnings` pairs are compared that have little but an initialisation in common. The thresholds
are set on the calibration half (lineage/ancestry/pair/disguised.py, beneath.py); the score half is for reporting.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import disguises
import numpy as np
from benchmark.asked import Answer, Sketches, ask, index_of
from benchmark.beginnings import beginnings_text, called
from benchmark.families import Families, families_of_file
from benchmark.places import Names, judge
from benchmark.sketched import hidden
from benchmark.workers import spread
from numpy.typing import NDArray
from results import table, write_section
from zoo.hidden import hidden as recipes_of_all
from zoo.recipes import Recipe

from lineage import api
from lineage.ancestry import compare
from lineage.match.disguise import SUGGESTIVE, networks
from lineage.match.disguise import disguises as held_together
from lineage.sketch import read_sketch
from lineage.sketch.channel_paths import described_layers
from lineage.types import CheckpointSketch, Relative, TensorSketch
from lineage.types.facts.disguises import Beneath

_BENEATH: Mapping[str, tuple[str, ...]] = {
    "disguised": ("re-encoded",),
    "sft": ("fine-tuned",),
    "lora": ("fine-tuned", "continued-pretraining"),
    "quantized": ("quantized",),
    "pruned": ("pruned",),
    "continued": ("continued-pretraining", "fine-tuned"),
    "width": ("width-pruned", "re-encoded"),
}
_WAYS: Mapping[str, str] = {
    "permuted": "permuted", "rotated": "rotated", "rescaled": "rescaled, permuted", "hidden": "all that fits",
    "hidden-sft": "fine-tuned, then all", "w.hidden": "width pruned, then all", "h1.sft": "all, then fine-tuned",
    "h6.lora": "all, then LoRA", "h2.int8": "all, then int8", "h3.int4": "all, then int4",
    "h6.lora.int8": "all, LoRA, int8", "h4.half": "all, then half pruned",
    "h5.far": "all, then trained to cosine 0.8",
}  # fmt: skip
_BARS: Mapping[str, float] = {
    **dict.fromkeys(("permuted", "rotated", "rescaled", "hidden", "hidden-sft", "w.hidden"), 0.98),
    **dict.fromkeys(("h1.sft", "h6.lora", "h2.int8", "h3.int4", "h6.lora.int8"), 0.95),
    "h5.far": 0.85,
}
_REFERENCE = Path(__file__).resolve().parents[1] / "index"
_ENSEMBLE = "ani"
_OF_A_FAMILY = 15  # members of each family of which all pairs with another's are held together


@dataclass(frozen=True, slots=True)
class Seen:
    """One answer: whether the parent is named, named first and as disguised, the relation beneath, and the direction.

    Where several may be the parent, all are named with their probabilities: `is_named` if it is among them.
    """

    way: str
    is_first: bool
    is_named: bool
    is_disguised: bool
    beneath: bool | None
    points: str
    strangers: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables, and keep them where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True, metavar="DIR")
    parser.add_argument("--beginnings", type=Path, default=None, metavar="DIR", help="pairs of one initialisation")
    parser.add_argument("--half", choices=("calibration", "score"), required=True)
    parser.add_argument("--every", type=int, default=1, metavar="N", help="every N-th model, as many fewer pairs")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="processes (default: 2)")
    parser.add_argument("--explain", action="store_true", help="list every answer that is wrong")
    parser.add_argument("--results", type=Path, default=None, metavar="FILE", help="write the section of this page")
    options = parser.parse_args(arguments)
    truth = families_of_file(options.cache / "flat" / f"{options.half}.truth.json")
    everything = recipes_of_all()
    recipes = {name: recipe for name, recipe in everything.items() if name in truth.family}
    plain = {name for name in recipes if not _is_of_a_disguise(name, everything)}
    made = spread(_sketched, [(name, options.cache / name) for name in recipes], options.jobs)
    sketches = hidden(dict(made))
    seen = [*_seen(sketches, plain, truth, recipes, options)]
    parts = [
        f"## Disguises, {options.half} half",
        (
            f"By `python scripts/benchmark_disguises.py --half {options.half} --every {options.every}` "
            f"({os.cpu_count()} cores), {len(plain)} models known."
        ),
        found_table(seen),
        *missed(seen),
        map_text(sketches, recipes),
    ]
    print(*parts, sep="\n\n", flush=True)
    parts.append(null_text(sketches, truth, _OF_A_FAMILY // options.every, options.jobs))
    print("", parts[-1], sep="\n", flush=True)
    if options.beginnings is not None:
        alike = [*beginnings_text(called(options.beginnings, options.half, options.jobs))]
        print("", *alike, sep="\n\n")
        parts += alike
    if options.results is not None:
        write_section(options.results, f"benchmark_disguises {options.half}", "\n\n".join(parts))
    return 0


def _is_of_a_disguise(name: str, recipes: Mapping[str, Recipe]) -> bool:
    """Whether a model is in disguise, or was made from one that is."""
    recipe = recipes[name]
    return recipe.operator == "disguised" or any(_is_of_a_disguise(parent, recipes) for parent in recipe.parents)


def found_table(seen: Sequence[Seen]) -> str:
    """How often a disguised model is traced to its parent, the relation beneath is right, and the direction."""
    by_way: dict[str, list[Seen]] = defaultdict(list)
    for one in seen:
        by_way[one.way].append(one)
    rows = [_row(text, by_way[way]) for way, text in _WAYS.items() if by_way[way]]
    head = ["disguise", "parent right", "parent named", "called disguised", "word beneath", "direction"]
    return table([*head, "models of another family"], [*rows, _row("**all**", seen)])


def missed(seen: Sequence[Seen]) -> Iterator[str]:
    """The bars of the right parent that do not hold."""
    for way, bar in _BARS.items():
        right = [one.is_first for one in seen if one.way == way]
        if right and sum(right) < bar * len(right):
            yield f"MISSED {_WAYS[way]}: parent right {_share(right)}, the bar is {bar:.0%}"


def _row(text: str, seen: Sequence[Seen]) -> list[str]:
    told = [one.beneath for one in seen if one.beneath is not None]
    points = Counter(one.points for one in seen)
    return [
        text,
        _share([one.is_first for one in seen]),
        _share([one.is_named for one in seen]),
        _share([one.is_disguised for one in seen]),
        f"{sum(told)} of {len(told)}",
        ", ".join(f"{count} {point}" for point, count in sorted(points.items(), reverse=True)),
        str(sum(one.strangers for one in seen)),
    ]


def _share(right: Sequence[bool]) -> str:
    return f"{sum(right)} of {len(right)} ({100 * sum(right) / max(1, len(right)):.0f}%)"


def _sketched(task: tuple[str, Path]) -> tuple[str, CheckpointSketch]:
    name, folder = task
    return name, api.sketch(folder)


def _seen(
    sketches: Sketches,
    known: Collection[str],
    truth: Families,
    recipes: Mapping[str, Recipe],
    options: argparse.Namespace,
) -> Iterator[Seen]:
    names: Names = {
        one.id: frozenset(name for name, other in sketches.items() if other.id == one.id) for one in sketches.values()
    }
    asked = {name: frozenset({name}) for name in sorted(sketches.keys() - known)[:: options.every]}
    with tempfile.TemporaryDirectory() as scratch:
        index = index_of([sketches[name] for name in sketches if name in known], Path(scratch, "index"))
        for answer in ask(sketches, asked, index, options.jobs):
            one = _judged(answer, known, truth, names, recipes[answer.name])
            if options.explain and not (one.is_first and one.is_disguised and one.beneath is not False):
                kin = [(min(names[kin.model]), kin.relation) for kin in _kin(answer)]
                print(answer.name, answer.verdict, kin[:3], one, file=sys.stderr, flush=True)
            yield one


def _kin(answer: Answer) -> list[Relative]:
    place = answer.place
    return [*place.parents, *place.copies, *place.open, *place.siblings, *place.descendants]


def _up(answer: Answer) -> list[Relative]:
    return [*answer.place.parents, *answer.place.copies, *answer.place.open]


def _judged(answer: Answer, known: Collection[str], truth: Families, names: Names, recipe: Recipe) -> Seen:
    """One answer; where the parent is known to nobody, whatever it comes from is right."""
    judged = judge(answer, truth, names)
    kin = _kin(answer)
    words = [fact.relation for fact in (kin[0].basis if kin else ()) if isinstance(fact, Beneath)]
    operator = "width" if recipe.parents[0].endswith(".w") else recipe.operator
    right = truth.same(truth.accepted[answer.name]) & {*known} or truth.sources(answer.name)
    root, _, way = answer.name.partition(".")
    if operator == "width":  # some families have the same cut of their own
        right |= {f"{root}.width"}
    if way == "h4.half" and recipe.architecture.startswith(disguises.POST_NORM):
        right |= {f"{root}.half"}  # reordered alone, the halved is the same model before and after
    return Seen(
        way=way,
        is_first=bool(kin) and bool(names[kin[0].model] & right),
        is_named=any(names[one.model] & right for one in _up(answer)),
        is_disguised=bool(kin) and kin[0].relation == "disguised",
        beneath=words[0] in _BENEATH[operator] if words else None,
        points="wrong" if judged.over or judged.under else "right" if judged.is_said else "open",
        strangers=len(judged.strangers),
    )


# -- the map of neurons ----------------------------------------------------------------------------


def map_text(sketches: Sketches, recipes: Mapping[str, Recipe]) -> str:
    """How many pairs of neurons are right, of models that nothing but a disguise was done to."""
    right, pairs, of = 0, 0, 0
    for name, recipe in recipes.items():
        parent = recipe.parents[0] if recipe.parents else ""
        if recipe.operator != "disguised" or recipe.args["how"] == "rotated" or parent not in sketches:
            continue
        for held in held_together(sketches[name].neurons, sketches[parent].neurons):
            for layer in held.layers:
                order = _order(recipe, sketches[name], held.component[0], layer.layers[0])
                right += sum(order[ours] == theirs for ours, theirs in layer.pairs.tolist())
                pairs, of = pairs + len(layer.pairs), of + layer.of
    return (
        f"Map of neurons without training: {right:,} of {pairs:,} pairs right ({100 * right / max(1, pairs):.2f}%); "
        f"{100 * pairs / max(1, of):.1f}% of the neurons held found a partner."
    )


def _order(recipe: Recipe, sketch: CheckpointSketch, component: str, layer: int) -> NDArray[np.int64]:
    """Number in the parent of each neuron of a layer: the same permutation done to the numbers themselves."""
    described = described_layers([(t.name, t.shape, t.part) for t in sketch.tensors], component)
    if layer in described:
        channels = disguises.permuted({t.name: _of_channels(t) for t in sketch.tensors}, recipe.args["seed"])
        of_layer = channels[sketch.tensors[described[layer]].name]
        return np.asarray(of_layer.reshape(len(of_layer), -1).max(axis=1), np.int64)
    ups = [
        t for t in sketch.tensors
        if t.part.component == component and t.part.layer == layer and t.part.role.removeprefix("expert-") == "up"
    ]  # fmt: skip
    numbered = {t.name: _numbers(t) for t in sketch.tensors}
    moved = disguises.permuted(numbered, recipe.args["seed"])
    found, first = [], 0
    for up in ups:
        own = moved[up.name].max(axis=1 - _unit_axis(up)).astype(np.int64)
        found.append(own + first)
        first += len(own)
    return np.concatenate(found)


def _unit_axis(tensor: TensorSketch) -> int:
    return next((axis for axis, one in enumerate(tensor.part.axes) if not one.label.endswith("/residual")), 0)


def _numbers(tensor: TensorSketch) -> NDArray[np.float32]:
    """Each unit's number along the axis that is not the residual stream's; 0 outside the matrices of layers."""
    if len(tensor.shape) != 2 or tensor.part.layer is None:
        return np.zeros(tensor.shape, np.float32)
    axis = _unit_axis(tensor)
    numbers = np.expand_dims(np.arange(tensor.shape[axis], dtype=np.float32), 1 - axis)
    return np.broadcast_to(numbers, tensor.shape)


def _of_channels(tensor: TensorSketch) -> NDArray[np.float32]:
    """Each channel's number along the axis of those that a layer makes."""
    length = tensor.shape[0] if tensor.shape else 1
    return np.broadcast_to(
        np.arange(length, dtype=np.float32).reshape(-1, *(1 for _ in tensor.shape[1:])), tensor.shape
    )


# -- the null ----------------------------------------------------------------------------------------


def null_text(sketches: Sketches, truth: Families, members: int, jobs: int) -> str:
    """Z of towers of two families, by layer, the real models of the shipped reference being of none of them.

    Of these themselves, models of different makers; members of an ensemble were trained apart. Whatever is called
    disguised there is false.
    """
    families: dict[str, list[str]] = defaultdict(list)
    for name, one in sketches.items():
        if one.neurons and len(families[truth.family[name]]) < members:
            families[truth.family[name]].append(name)
    tasks = [
        ([sketches[name] for name in families[one]], [sketches[name] for name in families[other]])
        for one, other in combinations(sorted(families), 2)
    ]
    real = _real()
    known = [one for own in real.values() for one in own]
    tasks += [(known, [sketches[name] for name in own]) for _, own in sorted(families.items())]
    tasks += [(real[one], real[other]) for one, other in combinations(sorted(real), 2)]
    parts = [*spread(_null, tasks, jobs)]
    zs, rs = (np.concatenate([part[k] for part in parts]) for k in (0, 1))
    pairs, false = (sum(part[k] for part in parts) for k in (2, 3))
    return (
        f"{pairs:,} unrelated pairs of models, {len(known)} real ones among them: {false} called disguised. z of "
        f"{len(zs):,} pairs of layers, the best order of each pair of models: mean {zs.mean():.2f}, sd {zs.std():.2f}, "
        f"largest {zs.max():.2f}; largest correlation of paired codes {rs.max():.2f}."
    )


def _real() -> dict[str, list[CheckpointSketch]]:
    """The models of the shipped reference that have neurons, by maker."""
    found: dict[str, list[CheckpointSketch]] = defaultdict(list)
    for path in sorted((_REFERENCE / "catalogue").glob("*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        sketch = read_sketch(_REFERENCE / "sketches" / record["sketch"])
        if sketch.neurons:
            family = str(record["family"])
            found[family if family.startswith(_ENSEMBLE) else family.partition("-")[0]].append(sketch)
    return found


def _null(
    task: tuple[Sequence[CheckpointSketch], Sequence[CheckpointSketch]],
) -> tuple[NDArray[np.float64], NDArray[np.float64], int, int]:
    zs, rs, pairs, false = list[float](), list[float](), 0, 0
    for a in task[0]:
        for b in task[1]:
            pairs += 1
            of_channels = any(one.keyed == "input" for one in a.neurons)
            if of_channels or float((networks(a) @ networks(b).T).max()) > SUGGESTIVE:  # no others are looked at
                false += any(c.relation == "disguised" for c in compare(a, b).components)
            for found in held_together(a.neurons, b.neurons):
                zs += [layer.z for layer in found.layers]
                rs.append(found.r)
    return np.array(zs), np.array(rs), pairs, false


if __name__ == "__main__":
    sys.exit(main())
