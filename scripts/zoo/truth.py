"""What is true of the zoo: nodes, typed edges and groups, written as truth.json beside the models.

    nodes   id, half, architecture, model_type, operator, parents, args, roots, depth, params, bytes, seconds,
            withheld
    edges   parent, child, relation, accept, operator, cue, components (null: all), weight, layer_weights, layer_map,
            expert_map, rank, scheme, cosine, through (the withheld models that the edge leaps over; [] otherwise);
            cosine is the median over the matrices, null where layers or components moved
    groups  same_seed, same_data: lists of ids of roots; roots: {half: {architecture: ids}}

Every edge goes from parent to child. `relation` is the word expected, `accept` lists words that are not wrong either.

What a model is made from is not always what it comes from: a run's later checkpoint comes from the one before it,
though both are trained from the run's start here (`origins`), and the quantised model that an adapter was trained on is
no parent of the original that it is merged into.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo.building import notes_of
from zoo.merges import layer_share
from zoo.recipes import Recipe, key, split
from zoo.surgery import LAYER, layer_key

Edge = dict[str, Any]

_TEXT_PARTS = ["text decoder", "embeddings", "head"]
_SIGHT = ["vision encoder", "projector"]

# operator: the word expected, other words that are not wrong, what tells the direction.
_WORDS: dict[str, tuple[str, tuple[str, ...], str]] = {
    "pretrained": ("shared-init", ("continued-pretraining",), "none"),
    "sft": ("fine-tuned", ("continued-pretraining",), "none"),
    "continued": ("continued-pretraining", ("fine-tuned",), "none"),
    "dpo": ("fine-tuned", (), "none"),
    "lora": ("adapter-merged", ("fine-tuned",), "none"),
    "healed": ("fine-tuned", ("continued-pretraining",), "none"),
    "qlora": ("adapter-merged", ("fine-tuned",), "none"),
    "averaged": ("merged", ("fine-tuned", "continued-pretraining"), "merge"),
    "root": ("continued-pretraining", ("fine-tuned",), "none"),
    "disguised": ("disguised", (), "none"),
    "noised": ("fine-tuned", ("re-encoded", "continued-pretraining"), "none"),
    "renamed": ("identical", ("re-encoded",), "none"),
    "transposed": ("identical", ("re-encoded", "disguised"), "none"),
    "copied": ("identical", (), "none"),
    "cast": ("re-encoded", (), "computable"),
    "quantized": ("quantized", (), "computable"),
    "pruned": ("pruned", (), "computable"),
    "width": ("width-pruned", (), "computable"),
    "heads": ("width-pruned", (), "computable"),
    "layers": ("depth-changed", (), "computable"),
    "extended": ("vocabulary-changed", (), "vocabulary growth"),
    "reordered": ("vocabulary-changed", (), "none"),
    "rebuilt": ("vocabulary-changed", (), "none"),
    "fresh": ("component-reused", ("vocabulary-changed", "fine-tuned"), "none"),
    "upcycled": ("expert-upcycled", (), "computable"),
    "mixed": ("expert-upcycled", ("merged",), "computable"),
    "ablated": ("fine-tuned", ("adapter-merged",), "computable"),
    "graft": ("component-reused", (), "none"),
    "grafted": ("component-reused", (), "merge"),
    "joined": ("component-reused", (), "merge"),
    "decoder": ("component-reused", (), "none"),
    "linear": ("merged", (), "merge"),
    "slerp": ("merged", (), "merge"),
    "task": ("merged", (), "merge"),
    "ties": ("merged", (), "merge"),
    "dare": ("merged", (), "merge"),
    "dare-ties": ("merged", (), "merge"),
    "passthrough": ("merged", ("depth-changed",), "merge"),
}
_ON_A_BASE = ("task", "ties", "dare", "dare-ties")  # the base is the first of the recipe's parents
# Of two words on a way, the one that says more about what the child is to its grandparent.
_STRONGEST = (
    "disguised", "merged", "expert-upcycled", "component-reused", "depth-changed", "width-pruned", "vocabulary-changed",
    "continued-pretraining", "pruned", "quantized", "adapter-merged", "fine-tuned", "re-encoded", "identical",
)  # fmt: skip


def write_truth(table: Mapping[str, Recipe], cache: Path) -> Path:
    """Write truth.json of those models of `table` that `cache` holds as their recipes are now."""
    there = {n: r for n, r in table.items() if _is_there(cache, n, key(r, table))}
    notes = {n: notes_of(cache, n) for n in there}
    edges = [edge for recipe in there.values() for edge in edges_of(recipe, cache, notes[recipe.id]["cosines"], there)]
    truth = {
        "nodes": [_node(r, there, notes[r.id], cache) for r in there.values()],
        "edges": edges + leaps(edges, {n for n, r in there.items() if r.withheld}),
        "groups": _groups(there),
    }
    path = cache / "truth.json"
    path.write_text(json.dumps(truth, indent=1) + "\n", encoding="utf-8")
    return path


def _is_there(cache: Path, name: str, digest: str) -> bool:
    return (cache / "recipes" / f"{name}.json").exists() and notes_of(cache, name)["key"] == digest


def _node(recipe: Recipe, table: Mapping[str, Recipe], notes: Mapping[str, Any], cache: Path) -> dict[str, Any]:
    roots = _roots_of(recipe, table)
    return {
        "id": recipe.id,
        "half": recipe.half,
        "architecture": recipe.architecture,
        "model_type": _config(cache, recipe.id)["model_type"],
        "operator": recipe.operator,
        "parents": list(recipe.parents),
        "args": dict(recipe.args),
        "roots": sorted(roots),
        "depth": _depth(recipe, table),
        "params": notes["params"],
        "bytes": notes["bytes"],
        "seconds": notes["seconds"],
        "withheld": recipe.withheld,
    }


def _config(cache: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((cache / name / "config.json").read_text(encoding="utf-8"))
    return found


def _roots_of(recipe: Recipe, table: Mapping[str, Recipe]) -> set[str]:
    """The trained roots that a model goes back to; none for an initialisation."""
    if recipe.operator in ("pretrained", "root"):
        return {recipe.id}
    return {root for parent in recipe.parents for root in _roots_of(table[parent], table)}


def _depth(recipe: Recipe, table: Mapping[str, Recipe]) -> int:
    """Steps from the nearest root: 0 for a root and for an initialisation."""
    if recipe.operator in ("init", "pretrained", "root"):
        return 0
    return 1 + max(_depth(table[p], table) for p in recipe.parents)


# -- edges -------------------------------------------------------------------------------------


def run_of(recipe: Recipe, table: Mapping[str, Recipe]) -> list[Recipe]:
    """The models of one training run, by their place on its way, the last before its running mean; [] if it is alone.

    They have the same parents and the same course, however early they stop.
    """
    if "steps" not in recipe.args:
        return []
    own = _course(recipe)
    run = [r for r in table.values() if r.operator == recipe.operator and _course(r) == own]
    return sorted(run, key=lambda r: (r.args.get("stop", r.args["steps"]), "ema" in r.args)) if len(run) > 1 else []


def _course(recipe: Recipe) -> tuple[Any, ...]:
    told = {k: v for k, v in recipe.args.items() if k not in ("stop", "ema", "stored")}
    return recipe.half, recipe.parents, json.dumps(told, sort_keys=True)


def origins(recipe: Recipe, table: Mapping[str, Recipe]) -> tuple[str, ...]:
    """The models that a model comes from."""
    if recipe.operator == "qlora":
        return recipe.parents[:1]
    run = [r for r in run_of(recipe, table) if "ema" not in r.args and not r.withheld]
    place = run.index(recipe) if recipe in run else 0
    return (run[place - 1].id,) if place else recipe.parents


def edges_of(recipe: Recipe, cache: Path, cosines: Sequence[float | None], table: Mapping[str, Recipe]) -> list[Edge]:
    """The edges into a model; `cosines` are those to its recipe's parents.

    A base to which differences were taken is an ancestor by way of the other parents, and no parent.
    """
    parents = origins(recipe, table)
    if not parents:
        return []
    relation, accept, cue = _WORDS[recipe.operator]
    if parents != recipe.parents[: len(parents)]:
        cosines = [None] * len(parents)
    return [
        {
            "parent": parent,
            "child": recipe.id,
            "relation": relation,
            "accept": list(accept),
            "operator": recipe.operator,
            "cue": cue,
            "components": _components(recipe, place),
            "weight": _weight(recipe, place),
            "layer_weights": _layer_weights(recipe, place, cache),
            "layer_map": _layer_map(recipe, place),
            "expert_map": _expert_map(recipe, place),
            "rank": recipe.args.get("rank"),
            "scheme": recipe.args.get("scheme") or recipe.args.get("dtype"),
            "cosine": None if _layer_map(recipe, place) or _components(recipe, place) else cosines[place],
            "through": [],
        }
        for place, parent in enumerate(parents)
        if place or recipe.operator not in _ON_A_BASE
    ]


def _components(recipe: Recipe, place: int) -> list[str] | None:
    if recipe.operator == "joined":
        return _TEXT_PARTS if place else _SIGHT
    if recipe.operator == "grafted":
        return ["vision encoder"] if place else ["projector", *_TEXT_PARTS]
    if recipe.operator in ("graft", "fresh"):
        return ["text decoder"]
    return _TEXT_PARTS if recipe.operator == "decoder" else None


def _weight(recipe: Recipe, place: int) -> float | None:
    """The share of a parent in a merge; of the base, what the others leave (TIES and DARE: as asked for)."""
    args = recipe.args
    if recipe.operator == "slerp":
        mean = sum(args["ends"]) / 2
        return float(mean if place else 1 - mean)
    if recipe.operator == "passthrough":
        return float(sum(p == place for p, _ in args["order"]) / len(args["order"]))
    weights = args.get("weights")
    if weights is None:
        return None
    if recipe.operator == "linear":
        return float(weights[place])
    return float(weights[place - 1]) if place else round(1 - float(sum(weights)), 6)


def _layer_weights(recipe: Recipe, place: int, cache: Path) -> list[float] | None:
    """Weights by layer of the child where they differ."""
    if recipe.operator == "passthrough":
        return [float(p == place) for p, _ in recipe.args["order"]]
    if recipe.operator != "slerp":
        return None
    pattern, layers = LAYER[recipe.architecture], _config(cache, recipe.id)[layer_key(recipe.architecture)]
    ends = (recipe.args["ends"][0], recipe.args["ends"][1])
    names = (pattern.replace(r"(\d+)", str(i)).replace("\\", "") for i in range(layers))
    shares = [layer_share(name, pattern, layers, ends) for name in names]
    return [round(s if place else 1 - s, 6) for s in shares]


def _layer_map(recipe: Recipe, place: int) -> list[list[int]] | None:
    """Pairs (layer of the child, layer of the parent) where layers were moved."""
    if recipe.operator == "layers":
        return [[new, old] for new, old in enumerate(recipe.args["order"])]
    if recipe.operator == "passthrough":
        return [[new, old] for new, (parent, old) in enumerate(recipe.args["order"]) if parent == place]
    return None


def _expert_map(recipe: Recipe, place: int) -> list[list[Any]] | None:
    """Pairs (expert of the child, part of the parent)."""
    if recipe.operator == "upcycled":
        return [[e, "mlp"] for e in range(recipe.args["experts"])]
    return [[place, "mlp"]] if recipe.operator == "mixed" else None


def leaps(edges: Sequence[Edge], withheld: set[str]) -> list[Edge]:
    """Edges from the parents of withheld models to their children, typed by the word that says most."""
    above: dict[str, list[Edge]] = defaultdict(list)
    for edge in edges:
        above[edge["child"]].append(edge)
    below = [edge for edge in edges if edge["parent"] in withheld]
    return [_leap(first, second) for second in below for first in above[second["parent"]]]


def _leap(first: Edge, second: Edge) -> Edge:
    strong, weak = sorted((first, second), key=lambda e: _STRONGEST.index(e["relation"]))
    kept = ("relation", "operator", "cue", "components", "weight", "layer_weights", "layer_map", "expert_map", "scheme")
    return {
        **second,
        **{name: strong[name] for name in kept},
        "accept": sorted({*strong["accept"], weak["relation"]} - {strong["relation"]}),
        "parent": first["parent"],
        "rank": None,
        "cosine": None,
        "through": [second["parent"]],
    }


def _groups(table: Mapping[str, Recipe]) -> dict[str, Any]:
    roots = [r for r in table.values() if r.operator in ("pretrained", "root") and "stop" not in r.args]
    seeds: dict[str, list[str]] = defaultdict(list)
    data: dict[str, list[str]] = defaultdict(list)
    for root in roots:
        seeds[root.parents[0] if root.parents else f"{root.args['kind']}/{root.args['init']}"].append(root.id)
        data[f"{root.architecture}/{root.args['data']}"].append(root.id)
    by_half: dict[str, dict[str, list[str]]] = {}
    for root in roots:
        by_half.setdefault(root.half, {}).setdefault(root.architecture, []).append(root.id)
    first = all(root.operator == "pretrained" for root in roots)
    return {"same_seed": [*seeds.values()], "same_data": [*data.values()], "roots": split() if first else by_half}
