"""Fit what parts descent from a shared initialisation, and count how often each cue of direction is right.

    python scripts/fit_relations.py --zoo DIR --index DIR [--write lineage/ancestry/pair/calibration.toml]

Only the calibration half of the trained zoo is read; its sketches are taken from the index (missing ones are added).

Descent: logistic regression on correlations of matrices and of gains over pairs of models with one trained root each:
of one root (or ancestor and descendant) against two roots of one initialisation. Pairs of the same two roots share
the weight of one, since they are one draw. With gains, only pairs that have drifted take part: the others are
decided anyway, and would turn the fit into one of how much is left.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from lineage import api
from lineage.ancestry.pair.calibration import TABLE, Count, DescentModel
from lineage.ancestry.pair.comparison import examine
from lineage.ancestry.pair.direction import CUES
from lineage.ancestry.pair.drift import Drift, drift
from lineage.ancestry.pair.relations import is_significant
from lineage.store import SqliteIndex
from lineage.types import CheckpointSketch

HALF = "calibration"
RIDGE = 0.01
DRIFTED = 0.9  # correlation of matrices below which the question is open
MARGIN = 1.0  # of log-odds, above the most descent-like pair of one initialisation
MARGIN_ALONE = 0.5  # the same without gains: where there are gains, an initialisation itself is recognised by them
UNDECIDED = np.log(1 / 2)  # log-odds of descent from which a shared initialisation is no longer said
PUT_TOGETHER = frozenset(
    {"linear", "slerp", "task", "ties", "dare", "dare-ties", "passthrough", "joined", "grafted", "graft", "mixed"}
)
TUNED = ("sft", "dpo", "healed")

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two models, how far apart they are, whether one trained model stands behind both, and their two roots."""

    apart: Drift
    derived: bool
    roots: tuple[str, str]


def sketches(zoo: Path, index: Path, nodes: Sequence[dict[str, Any]]) -> dict[str, CheckpointSketch]:
    """The sketch of every node by its id."""
    for event in api.ingest([zoo / node["id"] for node in nodes], index):
        if event.event == "failed":
            raise SystemExit(f"{event.path}: {event.error}")
    with SqliteIndex.open(index) as opened:
        loaded = [(record, opened.load(record.id)) for record in opened.models()]
    by_name = {Path(alias).name: sketch for record, sketch in loaded for alias in (record.name, *record.aliases)}
    return {node["id"]: by_name[node["id"]] for node in nodes}


def pairs(nodes: Sequence[dict[str, Any]], known: dict[str, CheckpointSketch]) -> Iterator[Pair]:
    """Related pairs of models of one trained root each, and of these with the initialisations."""
    parents = {node["id"]: node for node in nodes}
    single = [n for n in nodes if n["id"] in known and len(n["roots"]) <= 1 and not _is_put_together(n, parents)]
    for one, other in combinations(single, 2):
        roots = tuple(sorted((*one["roots"], *other["roots"])))
        starts = {_start(node, parents) for node in (one, other)}
        if len(starts) > 1 or not roots:
            continue
        matched, changes, _ = examine(known[one["id"]], known[other["id"]])
        apart = drift(matched, changes, matched.components.keys())
        if apart is not None and is_significant(matched.overall):
            yield Pair(apart, len(roots) == 2 and roots[0] == roots[1], (roots[0], roots[-1]))


def _start(node: dict[str, Any], nodes: dict[str, dict[str, Any]]) -> str:
    """The initialisation that a model goes back to."""
    while node["parents"] and node["parents"][0] in nodes:
        node = nodes[node["parents"][0]]
    return str(node["id"])


def _is_put_together(node: dict[str, Any], nodes: dict[str, dict[str, Any]]) -> bool:
    return node["operator"] in PUT_TOGETHER or any(_is_put_together(nodes[p], nodes) for p in node["parents"])


def fit(found: Sequence[Pair], with_vectors: bool) -> DescentModel:
    """Log-odds of descent by ridge logistic regression (Newton's method), and the bounds of the decision."""
    chosen = [p for p in found if not with_vectors or (p.apart.vectors is not None and _is_open(p))]
    groups = Counter((p.derived, p.roots) for p in chosen)
    weights = np.array([1 / groups[p.derived, p.roots] for p in chosen])
    columns = [[1.0, p.apart.matrices, *([p.apart.vectors] if with_vectors else [])] for p in chosen]
    x, y = np.array(columns, np.float64), np.array([p.derived for p in chosen], np.float64)
    solved = _logistic(x, y, weights)
    highest = float((x @ solved)[y == 0].max())
    constant, matrices, *vectors = (float(c) for c in solved)
    margin = MARGIN if with_vectors else MARGIN_ALONE
    return DescentModel(constant, matrices, vectors[0] if vectors else 0.0, highest + margin, float(UNDECIDED))


def _is_open(pair: Pair) -> bool:
    return not pair.derived or pair.apart.matrices < DRIFTED


def _logistic(x: Values, y: Values, weights: Values) -> Values:
    penalty = np.diag([1e-9, *[RIDGE] * (x.shape[1] - 1)])
    solved = np.zeros(x.shape[1])
    for _ in range(100):
        chance = 1 / (1 + np.exp(-x @ solved))
        gradient = x.T @ (weights * (y - chance)) - penalty @ solved
        solved = solved + np.linalg.solve((x.T * (weights * chance * (1 - chance))) @ x + penalty, gradient)
    return solved


def fine_tuned_r(edges: Sequence[dict[str, Any]]) -> float:
    """The largest cosine of a continued pretraining below that of every fine-tune.

    The gap above it, which holds no model, is given to the word that claims less.
    """
    light = min(e["cosine"] for e in edges if e["operator"] in TUNED and e["cosine"] is not None)
    heavy = [e["cosine"] for e in edges if e["operator"] == "continued" and e["cosine"] is not None]
    return float(max(cosine for cosine in heavy if cosine < light))


def count(edges: Sequence[dict[str, Any]], known: dict[str, CheckpointSketch]) -> dict[str, Count]:
    """How often each cue names the child right, wrong, or says nothing, on edges from one trained parent."""
    counts: dict[str, Counter[str]] = {name: Counter() for name in CUES}
    for edge in edges:
        if edge["operator"] in (*PUT_TOGETHER, "pretrained", "copied"):
            continue
        of = examine(known[edge["child"]], known[edge["parent"]])
        for name, cue in CUES.items():
            said = cue(of)
            right = None if said is None else said.direction == "child"
            counts[name]["silent" if right is None else "right" if right else "wrong"] += 1
    return {name: Count(c["right"], c["wrong"], c["silent"]) for name, c in counts.items() if c["right"] + c["wrong"]}


def written(by_vectors: DescentModel, by_matrices: DescentModel, bound: float, cues: dict[str, Count]) -> str:
    """The table as TOML."""
    lines = ["# Written by scripts/fit_relations.py from the calibration half of the trained zoo. Do not edit.", ""]
    for name, one in (("by_vectors", by_vectors), ("by_matrices", by_matrices)):
        fields = ("constant", "matrices", "vectors", "derived_at", "shared_at")
        lines += [f"[descent.{name}]", *(f"{field} = {getattr(one, field):.3f}" for field in fields), ""]
    lines += ["[tuning]", f"fine_tuned_r = {bound:.3f}", "", "[cues]"]
    lines += [f"{n} = {{ right = {c.right}, wrong = {c.wrong}, silent = {c.silent} }}" for n, c in cues.items()]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Fit, print the table, write it where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--zoo", type=Path, required=True)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--write", type=Path, help=f"the table to replace ({TABLE} of the package)")
    options = parser.parse_args()
    data = json.loads((options.zoo / "truth.json").read_text(encoding="utf-8"))
    nodes = [node for node in data["nodes"] if node["half"] == HALF]
    known = sketches(options.zoo, options.index, [node for node in nodes if not node["withheld"]])
    edges = [edge for edge in data["edges"] if {edge["parent"], edge["child"]} <= known.keys()]
    with threadpool_limits(limits=1, user_api="blas"):
        found = list(pairs(nodes, known))
        by_vectors, by_matrices = fit(found, True), fit(found, False)
        bound = fine_tuned_r(edges)
        table = written(by_vectors, by_matrices, bound, count(edges, known))
    print(table, end="")
    if options.write is not None:
        options.write.write_text(table, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
