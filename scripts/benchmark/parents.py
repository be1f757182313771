"""Parents that were hard to find: of merges, with their weights, and of models whose shape was changed."""

from __future__ import annotations

from collections import Counter, defaultdict

from benchmark.figure import Figure, share_of
from benchmark.said import Said, has_parent
from benchmark.truth import Truth

_SHAPES = {
    "expert-upcycled": "MoE-upcycled",
    "width-pruned": "width-pruned",
    "vocabulary-changed": "vocabulary changed",
    "depth-changed": "depth changed",
}
_BARS = {"linear of up to 4": (0.95, 0.01), "dare": (0.9, None), "dare-ties": (0.9, None), "ties": (0.9, None)}


def merge_figures(said: Said, truth: Truth) -> list[Figure]:
    """For each kind of merge: parents found, wrong parents named, mean absolute error of the weights."""
    kinds = _kinds(truth)
    found: dict[str, list[float | None]] = defaultdict(list)
    for ends, true in truth.edges.items():
        if ends[1] in kinds and true["weight"] is not None:
            edge = said.get(ends)
            error = None if edge is None or edge.weight is None else abs(edge.weight - true["weight"])
            found[kinds[ends[1]]].append(error)
    false = Counter(
        kinds.get(child, "none") for (parent, child), edge in said.items()
        if edge.weight is not None and (parent, child) not in truth.edges
    )  # fmt: skip
    figures = []
    for kind, rows in sorted(found.items()):
        errors = [error for error in rows if error is not None]
        mean = sum(errors) / len(errors) if errors else None
        least, most = _BARS.get(kind, (None, None))
        measured = f"{len(errors)} of {len(rows)}; {false[kind]}; {'-' if mean is None else f'{mean:.4f}'}"
        held = None if least is None else len(errors) >= least * len(rows) and (most is None or (mean or 0.0) <= most)
        bar = "" if least is None else f"found >= {least}" + ("" if most is None else f", error <= {most}")
        figures.append(Figure(f"merge, {kind}: parents found; named wrongly; mean weight error", measured, bar, held))
    return [*figures, Figure("models that are no merge, given merge parents", f"{false['none']} parents", "0")]


def _kinds(truth: Truth) -> dict[str, str]:
    """Each merge with its kind."""
    parents = Counter(child for _, child in truth.edges)
    kinds = {child: true["operator"] for (_, child), true in truth.edges.items() if true["weight"] is not None}
    return {
        child: f"{kind} of up to 4" if kind == "linear" and parents[child] <= 4 else str(kind)
        for child, kind in kinds.items()
    }


def shape_figures(said: Said, truth: Truth) -> list[Figure]:
    """Parents of models whose shape was changed: found, and pointed at; and their layers."""
    figures = []
    for relation, name in _SHAPES.items():
        edges = [ends for ends, true in truth.edges.items() if true["relation"] == relation]
        hits = sum(has_parent(said, ends) for ends in edges)
        figures.append(share_of(f"parent right: {name}", hits, len(edges), 0.95))
    return [*figures, *_layer_figures(said, truth)]


def _layer_figures(said: Said, truth: Truth) -> list[Figure]:
    """Layers of children that are mapped to the true layer of the true parent and to no other."""
    claimed: dict[str, set[tuple[str, int, int]]] = defaultdict(set)
    for (parent, child), edge in said.items():
        claimed[child] |= {(parent, layer, origin) for layer, origin in edge.layer_map or ()}
    counts: dict[str, list[bool]] = {"depth-changed": [], "passthrough": []}
    for (parent, child), true in truth.edges.items():
        if true["layer_map"] is not None:
            kind = "passthrough" if true["operator"] == "passthrough" else "depth-changed"
            for layer, origin in true["layer_map"]:
                counts[kind].append({c for c in claimed[child] if c[1] == layer} == {(parent, layer, origin)})
    names = {"depth-changed": "layers dropped or doubled", "passthrough": "passthrough merges"}
    return [share_of(f"layer maps, {names[k]}: layers right", sum(hits), len(hits), 0.95) for k, hits in counts.items()]
