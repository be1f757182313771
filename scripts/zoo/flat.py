"""The second zoo for a scorer: each half as a flat folder of .safetensors files, and its truth beside it.

    flat/HALF/ID.safetensors, flat/HALF.truth.json with
    families            {family: ids}: all that goes back to one root, to its twin, or shares a component with it
    edges               [parent, child, "word|word"]: the word expected first, then those that are not wrong
    operator            {id: how it was made}
    acceptable_parents  {id: ids} right as well: copies of itself and of its parents; the models of the same run before
                        it and the run's start, for a checkpoint, an average of checkpoints and the running mean; for an
                        adapter trained on a quantised model, that and what it was quantised from, and for the
                        one merged into the quantised model also the one merged into the original
    lenient_parents     {id: ids} that a judge may let pass: what differs from a parent by rounding or by noise alone;
                        what the parents of a merge come from; the other of two merged adapters; the run's mean
    merge_weights       {id: {parent: weight}} of merges; of the base, what the others leave
    still_moving        families whose roots were trained at a full learning rate to the end
    copies              pairs of one set of values: renamed, transposed, re-encoded without a change
    shared_init         pairs with nothing in common but the step 0 of their roots
    same_data           lists of roots on one data set
    withheld            ids that are in no folder; edges leap over them

Only whole families are written; a family is whole when all its models lie in the cache.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from zoo.building import notes_of, open_model
from zoo.practice import TRAINED, family_of
from zoo.recipes import HALVES, Recipe
from zoo.truth import edges_of, leaps, origins, run_of

Pairs = list[tuple[str, str]]
_EXACT = frozenset({"renamed", "transposed", "copied"})


def write_flat(table: Mapping[str, Recipe], whole: Iterable[str], cache: Path) -> str:
    """Write both halves of the families in `whole`; return how much there is."""
    families = set(whole)
    said = []
    for half in HALVES:
        here = {n: r for n, r in table.items() if r.half == half and family_of(n) in families}
        shown = [n for n, r in here.items() if not r.withheld]
        folder = cache / "flat" / half
        folder.mkdir(parents=True, exist_ok=True)
        for name in shown:
            _place(cache / name / "model.safetensors", folder / f"{name}.safetensors")
        part = cache / "flat" / f"{half}.truth.part"
        part.write_text(json.dumps(_truth(here, cache), indent=1) + "\n", encoding="utf-8")
        part.replace(cache / "flat" / f"{half}.truth.json")
        said.append(f"{half} {len(shown)} models of {len({family_of(n) for n in shown})} families")
    return ", ".join(said)


def _place(source: Path, target: Path) -> None:
    if target.exists() and target.stat().st_mtime_ns == source.stat().st_mtime_ns:
        return
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _truth(table: Mapping[str, Recipe], cache: Path) -> dict[str, Any]:
    withheld = {n for n, r in table.items() if r.withheld}
    edges = [e for n, r in table.items() for e in edges_of(r, cache, notes_of(cache, n)["cosines"], table)]
    edges = [e for e in edges + leaps(edges, withheld) if not {e["parent"], e["child"]} & withheld]
    parents: dict[str, list[str]] = defaultdict(list)
    for edge in edges:
        parents[edge["child"]].append(edge["parent"])
    families: dict[str, list[str]] = defaultdict(list)
    for name in table.keys() - withheld:
        families[family_of(name)].append(name)
    copies = _copies(table, cache)
    data: dict[str, list[str]] = defaultdict(list)
    for name, recipe in table.items():
        if recipe.operator == "root" and "stop" not in recipe.args:
            data[f"{recipe.architecture}/{recipe.args['data']}/{recipe.args.get('words', '')}"].append(name)
    return {
        "families": {f: sorted(names) for f, names in sorted(families.items())},
        "edges": [[e["parent"], e["child"], "|".join([e["relation"], *e["accept"]])] for e in edges],
        "operator": {n: _said(r, table) for n, r in table.items() if not r.withheld},
        "acceptable_parents": _listed(table, parents, copies, withheld, _acceptable),
        "lenient_parents": _listed(table, parents, copies, withheld, _lenient),
        "merge_weights": _weights(edges),
        "still_moving": sorted(
            family_of(n) for n, r in table.items() if n == family_of(n) and r.args["schedule"] == "constant"
        ),
        "copies": copies,
        "shared_init": _shared(table, withheld),
        "same_data": [names for names in data.values() if len(names) > 1],
        "withheld": sorted(withheld),
    }


def _weights(edges: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for edge in edges:
        if edge["weight"] is not None:
            found[edge["child"]][edge["parent"]] = edge["weight"]
    return dict(found)


def _said(recipe: Recipe, table: Mapping[str, Recipe]) -> str:
    """How a model was made, and from what unless that is plain training."""
    own = " ".join([recipe.operator, *(str(recipe.args[k]) for k in ("scheme", "dtype") if k in recipe.args)])
    if recipe.operator == "root":
        return "checkpoint of a root" if "stop" in recipe.args else "root"
    own = "ema" if "ema" in recipe.args else own
    plain = TRAINED | {"root"}
    above = table[recipe.parents[-1 if recipe.operator == "qlora" else 0]].operator
    if recipe.operator == "qlora":
        return "qlora merged into the " + ("original" if len(recipe.parents) > 1 else "dequantised")
    return own if above in plain else f"{own} of {above}"


# -- parents that are right as well ------------------------------------------------------------


def _listed(
    table: Mapping[str, Recipe], parents: Mapping[str, list[str]], copies: Pairs, withheld: set[str], rule: Any
) -> dict[str, list[str]]:
    listed = {n: rule(r, table, parents, copies) - {n, *parents.get(n, ())} - withheld for n, r in table.items()}
    return {n: sorted(ids) for n, ids in listed.items() if ids and n not in withheld}


def _acceptable(
    recipe: Recipe, table: Mapping[str, Recipe], parents: Mapping[str, list[str]], copies: Pairs
) -> set[str]:
    found: set[str] = set()
    run = run_of(recipe, table)
    if run:
        found |= {r.id for r in run if "ema" not in r.args and run.index(r) < run.index(recipe)} | {*recipe.parents}
    if recipe.operator == "averaged":
        found |= {r.id for r in run_of(table[recipe.parents[0]], table)} | {*table[recipe.parents[0]].parents}
    if recipe.operator == "qlora":
        found |= {*recipe.parents}
        if len(recipe.parents) == 1:
            found |= {*table[recipe.parents[0]].parents, *_other_merged(recipe, table)}
    return found | _same({recipe.id, *found, *parents.get(recipe.id, ())}, copies)


def _lenient(recipe: Recipe, table: Mapping[str, Recipe], parents: Mapping[str, list[str]], copies: Pairs) -> set[str]:
    direct = _acceptable(recipe, table, parents, copies) | {*parents.get(recipe.id, ())}
    near = {r.id for r in table.values() if r.operator in ("cast", "noised") and r.parents[0] in direct}
    near |= {table[p].parents[0] for p in direct if table[p].operator in ("cast", "noised")}
    if len(recipe.parents) > 1 and recipe.operator != "qlora":
        near |= {above for p in recipe.parents for above in origins(table[p], table)}
    if recipe.operator == "qlora":
        near |= {*_other_merged(recipe, table)}
    near |= {r.id for r in run_of(recipe, table) if "ema" in r.args}
    averages = [r for r in table.values() if r.operator == "averaged" and recipe.id in r.parents]
    return near | {r.id for r in averages} | _same(near, copies)


def _other_merged(recipe: Recipe, table: Mapping[str, Recipe]) -> list[str]:
    """The same adapter merged elsewhere."""
    same = (r for r in table.values() if r.operator == "qlora" and r.args["seed"] == recipe.args["seed"])
    return [r.id for r in same if r.parents[-1] == recipe.parents[-1] and r.id != recipe.id]


def _same(names: Iterable[str], copies: Pairs) -> set[str]:
    of = set(names)
    return {b for pair in copies for a, b in (pair, pair[::-1]) if a in of}


# -- pairs -------------------------------------------------------------------------------------


def _copies(table: Mapping[str, Recipe], cache: Path) -> Pairs:
    """All pairs of models that hold one set of values."""
    first: dict[str, str] = {}
    for name, recipe in table.items():
        exact = recipe.operator in _EXACT or (recipe.operator == "cast" and _unchanged(recipe, cache))
        first[name] = first[recipe.parents[0]] if exact else name
    groups: dict[str, list[str]] = defaultdict(list)
    for name, one in first.items():
        groups[one].append(name)
    return [pair for names in groups.values() for pair in combinations(sorted(names), 2)]


def _unchanged(recipe: Recipe, cache: Path) -> bool:
    a, b = (open_model(cache, name).arrays for name in (recipe.id, recipe.parents[0]))
    return all(np.array_equal(a[n], b[n]) for n in a)


def _shared(table: Mapping[str, Recipe], withheld: set[str]) -> Pairs:
    """Pairs of models whose roots are different runs from one step 0."""
    runs: dict[str, set[tuple[Any, ...]]] = {}
    for name, recipe in table.items():
        args = recipe.args
        own = {(args["kind"], args["init"], args["seed"], args["data"])} if recipe.operator == "root" else set()
        runs[name] = own.union(*(runs[p] for p in recipe.parents))
    return [
        (a, b)
        for a, b in combinations(sorted(table.keys() - withheld), 2)
        if not runs[a] & runs[b] and {r[:2] for r in runs[a]} & {r[:2] for r in runs[b]}
    ]
