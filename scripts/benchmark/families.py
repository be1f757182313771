"""What is known of a folder of families: which model comes from which, and what else a judge accepts as a parent."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import networkx as nx

from benchmark.truth import Ends

_SUFFIX = ".safetensors"


@dataclass(frozen=True, slots=True)
class Families:
    """The truth about the models of one folder, by name; zoo/flat.py explains the terms.

    `words` are by (parent, child), the expected one first. `parents` has the direct parents of each child, `above` all
    models that it comes from, `accepted` and `lenient` what is right, or may pass, as a parent of it. `copies` has with
    each model those of the same values, itself among them. `alike` are pairs that have nothing but an initialisation in
    common. `weights` are shares of merges, by (parent, child). `moving` are the families whose roots were trained at a
    full learning rate to the end.
    """

    family: Mapping[str, str]
    words: Mapping[Ends, tuple[str, ...]]
    parents: Mapping[str, frozenset[str]]
    above: Mapping[str, frozenset[str]]
    accepted: Mapping[str, frozenset[str]]
    lenient: Mapping[str, frozenset[str]]
    copies: Mapping[str, frozenset[str]]
    alike: frozenset[frozenset[str]]
    operator: Mapping[str, str]
    weights: Mapping[Ends, float]
    moving: frozenset[str]

    def same(self, names: Iterable[str]) -> frozenset[str]:
        """The models of `names` and all copies of them."""
        return frozenset().union(*(self.copies[name] for name in names))

    def sources(self, name: str) -> frozenset[str]:
        """All models that may be reported as ancestors of `name`: those that lead to it, accepted parents, copies."""
        return self.same(self.above[name] | self.accepted[name] | self.lenient[name] | {name}) - {name}

    def descendants(self, name: str) -> frozenset[str]:
        """All models that may be reported as descendants of `name`: those it or a copy of it leads to, and copies."""
        own = self.copies[name]
        return self.same({name, *(other for other, above in self.above.items() if above & own)}) - {name}

    def is_disguised(self, name: str) -> bool:
        """Whether it was made to hide where it comes from: permuted or rotated as a whole."""
        return any(self.words[parent, name][0] == "disguised" for parent in self.parents[name])

    def is_unrelated(self, a: str, b: str) -> bool:
        """Whether the two are of different families."""
        return self.family[a] != self.family[b]


def read_families(folder: Path) -> Families:
    """The truth about `folder`: `truth.json` in it, or `NAME.truth.json` beside it.

    Raises SystemExit where there is none, or where a model that it names is not in the folder.
    """
    places = (folder / "truth.json", folder.with_name(f"{folder.name}.truth.json"))
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise SystemExit(f"{folder}: has neither truth.json in it nor {places[1].name} beside it")
    found = families_of_file(path)
    if missing := [name for name in found.family if not (folder / f"{name}{_SUFFIX}").is_file()]:
        raise SystemExit(f"{folder}: {missing[0]}{_SUFFIX} is not there, and {path.name} names it")
    return found


def families_of_file(path: Path) -> Families:
    """The truth in a file in the form of zoo/flat.py. Raises SystemExit for one in another form."""
    told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if "families" not in told:
        raise SystemExit(f"{path}: is no truth about families: benchmark_lineage.py reads that of the first zoo")
    return families_of(told)


def families_of(told: Mapping[str, Any]) -> Families:
    """The truth as zoo/flat.py writes it; copies, operators and weights that are not given are empty."""
    family = {name: one for one, names in told["families"].items() for name in names}
    words = {(parent, child): tuple(word.split("|")) for parent, child, word in told["edges"]}
    descent: nx.DiGraph[str] = nx.DiGraph([*words])
    descent.add_nodes_from(family)
    parents = {name: frozenset(descent.predecessors(name)) for name in family}
    accepted = {name: parents[name] | set(told.get("acceptable_parents", {}).get(name, ())) for name in family}
    copies: dict[str, set[str]] = defaultdict(set)
    for a, b in told.get("copies", ()):
        copies[a].add(b)
        copies[b].add(a)
    return Families(
        family=family,
        words=words,
        parents=parents,
        above={name: frozenset(nx.ancestors(descent, name)) for name in family},
        accepted=accepted,
        lenient={name: accepted[name] | set(told.get("lenient_parents", {}).get(name, ())) for name in family},
        copies={name: frozenset({name, *copies[name]}) for name in family},
        alike=frozenset(map(frozenset, told.get("shared_init", ()))),
        operator={name: told.get("operator", {}).get(name, _operator(parents[name], name, words)) for name in family},
        weights={
            (parent, child): weight
            for child, weights in told.get("merge_weights", {}).items()
            for parent, weight in weights.items()
        },
        moving=frozenset(told.get("still_moving", ())),
    )


def _operator(parents: frozenset[str], name: str, words: Mapping[Ends, tuple[str, ...]]) -> str:
    """How a model was made, where only its edges show it."""
    return min((words[parent, name][0] for parent in parents), default="root")
