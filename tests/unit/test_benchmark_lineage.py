"""The benchmark counts what it says it counts, on graphs small enough to count by hand."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from benchmark import ablations, real
from benchmark.accusations import graph_figures, shared_init_pairs, unrelated_pairs
from benchmark.coverage import risks
from benchmark.edges import MISSED, NONE, adjusted_rand, by_operator, confusion, edge_figures, explain
from benchmark.figure import Figure, share_of, upper_bound
from benchmark.hidden import hidden_figures
from benchmark.many import many
from benchmark.parents import merge_figures, shape_figures
from benchmark.pictures import draw
from benchmark.said import is_right, said_edges
from benchmark.speed import add_one, fill
from benchmark.truth import Truth, Zoo, truth_of

from lineage.ancestry import graph
from lineage.store import SqliteIndex
from lineage.types import Edge, Lineage, Node, Relation

CHECKPOINTS = Path(__file__).parents[1] / "fixtures" / "zoo" / "checkpoints"


def model(name: str, *parents: str, roots: tuple[str, ...] = (), withheld: bool = False, operator: str = "sft"):
    return {"id": name, "parents": list(parents), "roots": list(roots), "withheld": withheld, "operator": operator}


def true_edge(parent: str, child: str, relation: str = "fine-tuned", **fields: Any) -> dict[str, Any]:
    plain = {"accept": [], "operator": "sft", "cue": "none", "weight": None, "layer_map": None, "cosine": 0.9}
    return {"parent": parent, "child": child, "relation": relation, "through": []} | plain | fields


# Two initialisations; of the first two roots, one with a child and a grandchild; a merge of root and child.
MODELS = [
    model("init"),
    model("root", "init", roots=("root",)),
    model("other", "init", roots=("other",)),
    model("child", "root", roots=("root",)),
    model("grandchild", "child", roots=("root",)),
    model("merge", "root", "child", roots=("root",)),
    model("strange init"),
    model("stranger", "strange init", roots=("stranger",)),
]
EDGES = [
    true_edge("init", "root", "shared-init"),
    true_edge("init", "other", "shared-init"),
    true_edge("root", "child", accept=["continued-pretraining"]),
    true_edge("child", "grandchild", "depth-changed", operator="layers", layer_map=[[0, 0], [1, 0]]),
    true_edge("root", "merge", "merged", operator="linear", weight=0.25),
    true_edge("child", "merge", "merged", operator="linear", weight=0.75),
    true_edge("strange init", "stranger", "shared-init"),
]


def zoo(models: list[dict[str, Any]] = MODELS, edges: list[dict[str, Any]] = EDGES) -> Zoo:
    return Zoo({one["id"]: dict(one) for one in models}, edges)


def said(parent: str, child: str, relation: Any = "fine-tuned", directed: bool = True, **fields: Any) -> Edge:
    return Edge(parent, child, Relation(relation), directed, "measured", **fields)


def lineage(*edges: Edge, hidden: tuple[str, ...] = (), names: tuple[str, ...] = ()) -> Lineage:
    shown = names or tuple(one["id"] for one in MODELS)
    nodes = [Node(name, name, 1) for name in shown] + [Node(name, name, 1, observed=False) for name in hidden]
    return Lineage(tuple(nodes), edges)


PERFECT = (
    said("init", "root", "shared-init", confidence=1.0),
    said("init", "other", "shared-init", confidence=1.0),
    said("root", "child", "continued-pretraining", confidence=0.9),
    said("child", "grandchild", "depth-changed", layer_map=((0, 0), (1, 0)), confidence=0.8),
    said("root", "merge", "merged", weight=0.25, confidence=1.0),
    said("child", "merge", "merged", weight=0.75, confidence=1.0),
    said("strange init", "stranger", "shared-init", confidence=0.7),
)


def measured(figures: list[Figure], start: str) -> Figure:
    (one,) = (figure for figure in figures if figure.name.startswith(start))
    return one


def held(found: Lineage) -> tuple[dict[tuple[str, str], Edge], Truth]:
    return said_edges(found), truth_of(zoo(), found)


def every_figure(found: Lineage) -> list[Figure]:
    edges, truth = held(found)
    return [
        *edge_figures(edges, truth), *graph_figures(edges, truth), *shape_figures(edges, truth),
        *merge_figures(edges, truth),
    ]  # fmt: skip


def test_a_perfect_graph_holds_every_bar():
    found = lineage(*PERFECT)
    figures = every_figure(found)
    assert {figure.held for figure in figures} <= {True, None}
    assert measured(figures, "directed typed").measured == "1.000 / 1.000 / 1.000"
    assert not list(explain(*held(found)))


def test_an_empty_graph_holds_no_bar_of_recall():
    figures = every_figure(lineage())
    for name in ("family ARI", "undirected", "directed typed", "parent right: depth", "layer maps, layers", "merge"):
        assert measured(figures, name).held is False
    assert measured(figures, "unrelated models joined").held is True


@pytest.mark.parametrize(
    ("changed", "name", "figure"),
    [
        (said("child", "root"), "directed typed", "0.857 / 0.857 / 0.857"),
        (said("root", "child", directed=False), "direction: committed", "6 of 7 (86%)"),
        (said("child", "root"), "direction: right", "6 of 7 (86%)"),
        (said("root", "child", "pruned"), "directed typed", "0.857 / 0.857 / 0.857"),
        (said("root", "child", "pruned"), "directed edges", "1.000 / 1.000 / 1.000"),
    ],
)
def test_one_edge_said_otherwise_shows_in_its_figure(changed, name, figure):
    rest = [edge for edge in PERFECT if {edge.parent, edge.child} != {"root", "child"}]
    assert measured(every_figure(lineage(*rest, changed)), name).measured == figure


def test_a_weight_that_is_off_and_a_parent_that_is_none_are_counted():
    edges = [e for e in PERFECT if (e.parent, e.child) != ("child", "merge")]
    found = lineage(*edges, said("child", "merge", "merged", weight=0.65), said("other", "merge", "merged", weight=0.1))
    figure = measured(every_figure(found), "merge, linear of up to 4")
    assert (figure.measured, figure.held) == ("2 of 2; 1; 0.0500", False)


def test_a_layer_given_to_two_parents_is_wrong():
    also = said("root", "grandchild", "depth-changed", layer_map=((1, 0),))
    assert measured(every_figure(lineage(*PERFECT, also)), "layer maps, layers").measured == "1 of 2 (50%)"


def test_pairs_that_nothing_joins_are_told_from_pairs_that_began_alike():
    _, truth = held(lineage(*PERFECT))
    assert len(unrelated_pairs(truth)) == 6 * 2
    assert {frozenset(pair) for pair in shared_init_pairs(truth)} == {
        frozenset({"other", name}) for name in ("root", "child", "grandchild", "merge")
    }


@pytest.mark.parametrize(
    ("edge", "name"),
    [
        (said("stranger", "child", directed=False), "unrelated models joined"),
        (said("other", "child"), "edges of descent"),
    ],
)
def test_an_accusation_is_counted(edge, name):
    figure = measured(every_figure(lineage(*PERFECT, edge)), name)
    assert figure.measured.startswith("1 of ")
    assert figure.held is False


def test_a_likeness_by_initialisation_is_no_accusation():
    edge = said("other", "child", "shared-init", directed=False)
    assert measured(every_figure(lineage(*PERFECT, edge)), "edges of descent").held is True


def test_the_confusion_table_has_what_was_missed_and_what_was_made_up():
    edges = [e for e in PERFECT if e.child not in ("other", "grandchild")]
    found = lineage(*edges, said("grandchild", "child", "pruned"), said("stranger", "other", "identical"))
    head, rows = confusion(*held(found))
    cells = {(row[0], word): cell for row in rows for word, cell in zip(head[1:], row[1:], strict=True) if cell}
    assert cells == {
        ("shared-init", "shared-init"): "2",
        ("shared-init", MISSED): "1",
        ("fine-tuned", "continued-pretraining"): "1",
        ("merged", "merged"): "2",
        ("depth-changed", "pruned"): "1",
        (NONE, "identical"): "1",
    }
    assert ["layers", "1", "1", "0", "0", "pruned 1"] in by_operator(*held(found))


def test_risk_falls_with_coverage_where_confidence_is_worth_something():
    wrong = [said("other", "child", confidence=0.2), said("stranger", "child", confidence=0.1)]
    rates = risks(*held(lineage(*PERFECT, *wrong)), is_right)
    assert rates == [0.0] * 7 + [1 / 8, 2 / 9]


def test_edges_of_equal_confidence_are_in_no_order():
    wrong = said("other", "child", confidence=1.0)
    rates = risks(*held(lineage(*PERFECT[:2], wrong)), is_right)
    assert rates == pytest.approx([1 / 3] * 3)


BOUNDS = [(0, 9, 1 - 0.05 ** (1 / 9)), (1, 10, 0.394163), (3, 3, 1.0), (700, 9000, 0.0825788)]


@pytest.mark.parametrize(("errors", "trials", "bound"), BOUNDS)
def test_the_upper_bound_is_clopper_and_pearsons(errors, trials, bound):
    assert math.isclose(upper_bound(errors, trials), bound, rel_tol=1e-4)


def test_the_rand_index_is_one_for_equal_groupings_and_nothing_for_a_useless_one():
    left = dict(zip("abcdef", [0, 0, 0, 1, 1, 1], strict=True))
    assert adjusted_rand(left, {name: 7 - k for name, k in left.items()}) == 1.0
    assert adjusted_rand(left, dict.fromkeys(left, 0)) == 0.0
    assert adjusted_rand(left, dict(zip("abcdef", [0, 0, 1, 1, 2, 2], strict=True))) == pytest.approx(
        0.242424, abs=1e-5
    )


def test_a_share_of_nothing_holds_no_bar():
    assert share_of("none", 0, 0, 0.95).held is None
    assert share_of("all but one", 18, 19, 0.95).held is False


# -- hidden parents

_WITHHELD = [dict(one, withheld=one["id"] == "child") for one in MODELS]
_LEAP = true_edge("root", "grandchild", "depth-changed", operator="layers", through=["child"])
_SHOWN = tuple(one["id"] for one in MODELS if one["id"] != "child")


def test_a_supposed_parent_of_the_children_of_one_withheld_model_stands_for_it():
    hidden = zoo(_WITHHELD, [*EDGES, _LEAP])
    found = lineage(
        said("root", "h1"), said("h1", "grandchild", "depth-changed"), said("h1", "merge", "merged", weight=0.75),
        hidden=("h1",), names=_SHOWN,
    )  # fmt: skip
    truth = truth_of(hidden, found)
    assert truth.hidden == {"h1": "child"}
    assert {("root", "h1"), ("h1", "grandchild"), ("h1", "merge")} <= truth.edges.keys()
    assert ("root", "grandchild") not in truth.edges
    right, recovered = hidden_figures(hidden, found, truth)
    assert (right.measured, recovered.measured) == ("1 of 1", "1 of 1 (0 of 0)")


def test_a_supposed_parent_of_models_without_a_common_withheld_one_is_wrong():
    hidden = zoo(_WITHHELD, [*EDGES, _LEAP])
    found = lineage(said("h1", "grandchild"), said("h1", "stranger"), hidden=("h1",), names=_SHOWN)
    truth = truth_of(hidden, found)
    assert truth.hidden == {}
    assert ("root", "grandchild") in truth.edges
    assert hidden_figures(hidden, found, truth)[0].measured == "0 of 1"
    together = measured(graph_figures(said_edges(found), truth), "unrelated models in one family")
    assert together.measured.startswith("1 of ")


# -- real checkpoints, pictures, ablations, speed


def test_the_graph_of_the_reference_index_holds_every_bar(tmp_path):
    text = real.real_section(*real.real_index(None, tmp_path))
    assert "**no**" not in text
    assert "11 of 11" in text


def test_one_figure_shows_what_was_found_above_the_truth(tmp_path):
    pytest.importorskip("matplotlib")
    found = lineage(*PERFECT)
    draw(found, truth_of(zoo(), found), tmp_path / "graph.png")
    assert (tmp_path / "graph.png").read_bytes().startswith(b"\x89PNG")


def test_every_cue_that_is_left_out_exists_and_is_put_back():
    for left_out in ablations.ablations().values():
        before = getattr(left_out.owner, left_out.name)
        with left_out():
            assert getattr(left_out.owner, left_out.name) is left_out.instead
        assert getattr(left_out.owner, left_out.name) is before


def test_speed_is_measured_on_as_many_models_as_asked_for(tmp_path):
    name = "cnn-1-low.bf16"
    one = Zoo({name: model(name, operator="cast")}, [])
    sketches = list(many(one, CHECKPOINTS, 9))
    assert len({sketch.id for sketch in sketches}) == 9
    fill(one, CHECKPOINTS, tmp_path / "index", 3)
    with SqliteIndex.open(tmp_path / "index") as index:
        assert len(index) == 4
        grown = add_one(index, sketches[8], graph([index]))
        assert len(grown.nodes) == len(index) == 5
