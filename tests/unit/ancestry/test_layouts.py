"""Copies in several layouts are one node, whatever is laid out as one of them is read as the others are."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from operators import cast

from lineage.ancestry import compare, decompose, fitting, graph, whois
from lineage.ancestry.layouts import in_one_layout
from lineage.sketch.layouts import names_of
from lineage.store import SqliteIndex
from lineage.types import CheckpointSketch, Lineage
from tests.relaid import LAYOUTS, converted, numbered, renamed, turned
from tests.small_models import tuned
from tests.synthetic import encoder, sketch

BASE = encoder(5, 2)
CHILD = tuned(BASE, 6, 0.1)
BELOW = tuned(CHILD, 7, 0.1)
OTHER = tuned(BASE, 8, 0.1)


def index(folder: Path, models: Iterable[CheckpointSketch]) -> SqliteIndex:
    made = SqliteIndex.create(folder / "index")
    for model in models:
        made.add(model, "0.0.test")
    return made


def edges(lineage: Lineage) -> set[tuple[str, str, str, bool]]:
    names = {node.id: node.name for node in lineage.nodes}
    return {(names[e.parent], names[e.child], e.relation, e.directed) for e in lineage.edges}


@pytest.mark.parametrize("layout", LAYOUTS)
class TestACopyInAnotherLayout:
    def test_is_identical_and_never_tuned(self, layout):
        one, other = sketch(BASE, name="one"), sketch(LAYOUTS[layout](BASE), name="other")
        for found in (compare(one, other), compare(other, one)):
            word = "identical" if layout in ("renamed", "numbered") else "re-encoded"
            assert (found.verdict, found.relation, found.direction) == ("identical", word, "undirected")
            assert {component.relation for component in found.components} == {word}
            assert found.evidence.r == pytest.approx(1.0)

    def test_is_a_copy_for_whois(self, layout, tmp_path):
        relaid = LAYOUTS[layout]
        with index(tmp_path, [sketch(BASE, name="base"), sketch(CHILD, name="child")]) as home:
            found = whois(sketch(relaid(BASE), name="asked"), [home])
            child = whois(sketch(relaid(OTHER), name="asked"), [home])
        assert found.verdict == "identical"
        assert [one.model_name for one in found.place.copies] == ["base"]
        assert {one.relation for one in found.ancestors} <= {"identical", "re-encoded"}
        assert [one.model_name for one in found.place.open] == ["child"]
        assert child.verdict == "related"

    def test_tells_how_its_children_read(self, layout, tmp_path):
        relaid = LAYOUTS[layout]
        below = sketch(relaid(BELOW), name="below")
        models = [sketch(BASE, name="base"), sketch(relaid(BASE), name="copy"), sketch(CHILD, name="child"), below]
        with index(tmp_path, models) as home:
            found = graph([home])
            merge = {name: (CHILD[name] + OTHER[name]) / 2 for name in BASE}
            home.add(sketch(relaid(OTHER), name="other"), "0.0.test")
            parts = decompose(sketch(merge, name="merge"), [home])
        assert len(found.nodes) == 3
        assert {frozenset(edge[:2]) for edge in edges(found)} == {
            frozenset((next(n.name for n in found.nodes if n.copies or n.aliases), "child")),
            frozenset(("child", "below")),
        }
        assert {edge[2] for edge in edges(found)} == {"fine-tuned"}
        assert parts is not None
        assert {part.model_name for part in parts.parts} == {"child", "other"}


def test_a_node_keeps_the_names_of_every_layout(tmp_path):
    models = [sketch(relaid(BASE), name=relaid.__name__) for relaid in (dict, renamed, turned)]
    with index(tmp_path, models) as home:
        (node,) = graph([home]).nodes
        assert {node.name, *node.aliases} == {"dict", "renamed", "turned"}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_relatives_in_other_layouts_are_joined_though_no_copy_tells_how_they_read(layout, tmp_path):
    models = [
        sketch(BASE, name="base"),
        sketch(LAYOUTS[layout](CHILD), name="child"),
        sketch(encoder(9, 2), name="far"),
    ]
    with index(tmp_path, models) as home:
        found = edges(graph([home]))
    assert {frozenset(edge[:2]) for edge in found} == {frozenset(("base", "child"))}
    assert not any(directed for *_, directed in found)


def test_a_cast_in_another_layout_has_a_direction_and_its_siblings_have_none(tmp_path):
    narrow = sketch({n: a.astype(np.float32) for n, a in cast("bfloat16")(BASE).items()}, name="cast")
    models = [sketch(turned(BASE), name="base"), narrow, sketch(CHILD, name="child")]
    with index(tmp_path, models) as home:
        found = edges(graph([home]))
    assert ("base", "cast", "re-encoded", True) in found
    assert not any("child" in edge[:2] and edge[3] for edge in found)


def test_a_new_layout_of_a_known_model_draws_the_graph_again(tmp_path):
    hidden = sketch(converted(CHILD), name="hidden")
    below = sketch(converted(BELOW), name="below")
    with index(tmp_path, [sketch(BASE, name="base"), hidden, below]) as home:
        before = graph([home])
        home.add(sketch(numbered(BASE), name="numbered"), "0.0.test")
        home.add(sketch(converted(BASE), name="converted"), "0.0.test")
        assert edges(graph([home], known=before)) == edges(graph([home]))


def test_an_index_without_copies_is_left_as_it_is():
    models = [sketch(BASE), sketch(numbered(CHILD))]
    assert all(read is model for read, model in zip(in_one_layout([[one] for one in models]), models, strict=True))


def test_the_layout_that_fits_has_most_names_in_common():
    layouts = [sketch(relaid(BASE)) for relaid in (renamed, dict, numbered)]
    assert names_of(fitting(sketch(CHILD), layouts)) == names_of(layouts[1])
