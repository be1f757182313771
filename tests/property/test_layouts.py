"""What a model is does not hang on how it is stored; what is found in an index does not hang on who came first."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lineage.ancestry import graph, whois
from lineage.sketch.layouts import content_key, same_weights
from lineage.store import SqliteIndex
from lineage.types import CheckpointSketch, Lineage
from tests.relaid import converted, numbered, turned
from tests.small_models import tuned
from tests.synthetic import Arrays, encoder, sketch

BASE = encoder(5, 2)
LEFT, RIGHT = tuned(BASE, 6, 0.15), tuned(BASE, 7, 0.15)
FAMILY: dict[str, Arrays] = {
    "base": BASE,
    "base numbered": numbered(BASE),
    "base turned": turned(BASE),
    "base converted": converted(BASE),
    "left": LEFT,
    "left below, converted": converted(tuned(LEFT, 8, 0.1)),
    "right, numbered": numbered(RIGHT),
    "right below, turned": turned(tuned(RIGHT, 9, 0.1)),
}


@cache
def sketched(name: str) -> CheckpointSketch:
    return sketch(FAMILY[name], name=name)


@settings(max_examples=15)
@given(st.data())
def test_names_and_orientation_are_not_content(data):
    names = data.draw(st.permutations(range(len(BASE))))
    chosen = data.draw(st.sets(st.sampled_from(sorted(BASE))))
    stored = {
        f"tensor {place:02}": np.ascontiguousarray(array.T) if name in chosen else array
        for place, (name, array) in sorted(zip(names, BASE.items(), strict=True))
    }
    copy = sketch(stored)
    assert content_key(copy) == content_key(sketched("base"))
    assert same_weights(copy, sketched("base"))
    name = data.draw(st.sampled_from(sorted(stored)))
    moved = stored | {name: stored[name] * np.float32(1.001)}
    assert not same_weights(sketch(moved), sketched("base"))


def facts(lineage: Lineage) -> tuple[set[frozenset[str]], set[tuple[frozenset[frozenset[str]], str, bool]]]:
    """The names of each node, and edges between such nodes."""
    names = {node.id: frozenset((node.name, *node.aliases)) for node in lineage.nodes}
    edges = {(frozenset((names[e.parent], names[e.child])), e.relation, e.directed) for e in lineage.edges}
    return set(names.values()), edges


@settings(max_examples=5)
@given(st.permutations(sorted(FAMILY)))
def test_the_order_of_ingest_changes_nothing(order):
    with tempfile.TemporaryDirectory() as folder, SqliteIndex.create(Path(folder, "index")) as index:
        for name in order:
            index.add(sketched(name), "0.0.test")
        index.finish_run()
        nodes, edges = facts(graph([index]))
        asked = whois(sketch(numbered(tuned(RIGHT, 11, 0.05)), name="asked"), [index])
    copies = frozenset(name for name in FAMILY if name.startswith("base"))
    left, below = frozenset({"left"}), frozenset({"left below, converted"})
    right, beyond = frozenset({"right, numbered"}), frozenset({"right below, turned"})
    assert nodes == {copies, left, below, right, beyond}
    joined = [(copies, left), (left, below), (copies, right), (right, beyond)]
    assert edges == {(frozenset(ends), "fine-tuned", False) for ends in joined}
    nearest, *farther = (one.model for one in asked.place.open)
    assert nearest == sketched("right, numbered").id
    assert farther == [min(sketched(name).id for name in copies)]
    assert asked.place.open[0].relation == "fine-tuned"
