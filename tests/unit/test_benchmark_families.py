"""The benchmark of families counts what it says it counts, on families small enough to count by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import benchmark_families
import pytest
from benchmark import absent, family_edges, family_graph, places, withheld
from benchmark.asked import Answer
from benchmark.bars import BARS, Bars
from benchmark.families import Families, families_of, read_families
from benchmark.figure import Figure, at_most, interval, not_held, share_of, upper_bound
from benchmark.orders import digest, order_figure
from benchmark.reliability import Claim, binned, draw_reliability, reliability_figure, reliability_table
from benchmark.said import said_edges
from benchmark.sketched import sketches_of, sketching
from operators import int8_rows, magnitude_pruned, matrices, noise
from safetensors.numpy import save_file

from lineage.types import Between, Edge, Lineage, Node, Place, Relation, Relative, Verdict
from tests.synthetic import encoder

# A root with three children, of one of them a copy and a child, and a merge; its twin; another root that still moved.
TOLD: dict[str, Any] = {
    "families": {"a": ["root", "one", "copy", "low", "two", "three", "merge", "mask", "twin"], "b": ["other", "its"]},
    "edges": [
        ["root", "one", "fine-tuned|continued-pretraining"],
        ["one", "copy", "identical|re-encoded"],
        ["one", "low", "quantized"],
        ["root", "two", "fine-tuned"],
        ["root", "three", "pruned"],
        ["one", "merge", "merged"],
        ["two", "merge", "merged"],
        ["root", "mask", "disguised"],
        ["other", "its", "fine-tuned"],
    ],
    "acceptable_parents": {"low": ["copy"], "one": ["copy"], "merge": ["copy"]},
    "lenient_parents": {"low": ["three"]},
    "merge_weights": {"merge": {"one": 0.25, "two": 0.75}},
    "copies": [["one", "copy"]],
    "shared_init": [[name, "twin"] for name in ("root", "one", "copy", "low", "two", "three", "merge", "mask")],
    "still_moving": ["b"],
}
TRUTH = families_of(TOLD)
NAMES = {name: frozenset({name}) for name in TRUTH.family}
BAR = Bars()


def measured(figures: list[Figure], start: str) -> Figure:
    (one,) = (figure for figure in figures if figure.name.startswith(start))
    return one


# -- the truth


def test_a_copy_of_a_parent_is_right_and_a_lenient_one_passes():
    assert TRUTH.parents["merge"] == {"one", "two"}
    assert TRUTH.accepted["low"] == {"one", "copy"}
    assert TRUTH.sources("low") == {"root", "one", "copy", "three"}
    assert TRUTH.sources("two") == {"root"}


def test_what_comes_from_a_copy_comes_from_the_model():
    assert TRUTH.descendants("copy") == {"one", "low", "merge"}
    assert TRUTH.descendants("two") == {"merge"}


def test_a_truth_without_the_rest_has_operators_from_its_edges():
    short = families_of({"families": TOLD["families"], "edges": TOLD["edges"]})
    assert short.operator["low"] == "quantized"
    assert short.operator["root"] == "root"
    assert short.accepted["low"] == {"one"}
    assert short.is_disguised("mask")
    assert not short.is_disguised("two")


def test_the_truth_lies_in_the_folder_or_beside_it(tmp_path):
    folder = tmp_path / "half"
    folder.mkdir()
    with pytest.raises(SystemExit, match=r"neither truth\.json in it nor half\.truth\.json"):
        read_families(folder)
    beside = tmp_path / "half.truth.json"
    beside.write_text(json.dumps({"families": {"a": ["root"]}, "edges": []}))
    with pytest.raises(SystemExit, match=r"root\.safetensors is not there"):
        read_families(folder)
    (folder / "root.safetensors").touch()
    assert read_families(folder).family == {"root": "a"}
    beside.write_text(json.dumps({"nodes": [], "edges": []}))
    with pytest.raises(SystemExit, match="no truth about families"):
        read_families(folder)


# -- the graph


def edge(parent: str, child: str, relation: Any = "fine-tuned", directed: bool = True, **fields: Any) -> Edge:
    return Edge(parent, child, Relation(relation), directed, "measured", **fields)


PERFECT = (
    edge("root", "one", "continued-pretraining", confidence=0.95),
    edge("one", "copy", "re-encoded", confidence=1.0),
    edge("one", "low", "quantized", confidence=1.0),
    edge("root", "two", confidence=0.95),
    edge("root", "three", "pruned", confidence=1.0),
    edge("one", "merge", "merged", weight=0.25, confidence=0.99),
    edge("two", "merge", "merged", weight=0.75, confidence=0.99),
    edge("root", "mask", "disguised", confidence=1.0),
    edge("other", "its", confidence=0.95),
    edge("root", "twin", "shared-init", directed=False),
)


def graph_of(*edges: Edge, folded: bool = False) -> family_graph.Graph:
    names = [name for name in TRUTH.family if not (folded and name == "copy")]
    nodes = [Node(name, name, 1, copies=("copy",) if folded and name == "one" else ()) for name in names]
    found = Lineage((*nodes, Node("unseen", "", 1, observed=False)), edges)
    return family_graph.held(said_edges(found), family_graph.nodes_named(found, NAMES), TRUTH)


def figures_of(*edges: Edge, folded: bool = False) -> list[Figure]:
    return family_edges.figures(graph_of(*edges, folded=folded), TRUTH, BAR)


def test_a_perfect_graph_holds_every_bar_but_for_an_edge_by_initialisation():
    figures = figures_of(*PERFECT)
    assert [figure.name for figure in figures if figure.held is False] == ["undirected edges P / R / F1"]
    assert measured(figures, "directed typed").measured == "0.900 / 1.000 / 0.947"
    assert measured(figures, "merges: parents found").measured == "2 of 2"
    assert measured(figures, "merges: mean error").measured == "0.0000 over 2"
    assert len(list(family_graph.explained(graph_of(*PERFECT), TRUTH))) == 1


def test_an_empty_graph_holds_no_bar_of_recall():
    figures = figures_of()
    for name in ("family ARI", "undirected", "directed typed"):
        assert measured(figures, name).held is False
    assert measured(figures, "direction: right").held is None


def test_copies_in_one_node_are_a_true_edge_and_their_edges_those_of_either():
    edges = [one for one in PERFECT if one.child not in ("copy", "twin")]
    figures = figures_of(*edges, folded=True)
    assert measured(figures, "undirected").measured == "1.000 / 1.000 / 1.000"
    assert measured(figures, "directed typed").measured == "1.000 / 1.000 / 1.000"


def test_a_copy_stands_for_the_parent_and_not_for_the_child():
    low = [one for one in PERFECT if one.child != "low"]
    assert measured(figures_of(*low, edge("copy", "low", "quantized")), "directed typed").measured.startswith("0.900")
    one = [other for other in PERFECT if other.child != "one"]
    assert measured(figures_of(*one, edge("root", "copy")), "directed typed").measured.startswith("0.800")


@pytest.mark.parametrize(
    ("changed", "name", "figure"),
    [
        (edge("two", "root"), "directed edges", "0.800 / 0.889 / 0.842"),
        (edge("two", "root"), "undirected", "0.900 / 1.000 / 0.947"),
        (edge("two", "root"), "direction: right", "8 of 9 (89%)"),
        (edge("two", "root"), "direction: turned", "1 of 9"),
        (edge("root", "two", directed=False), "direction: said", "8 of 9 (89%)"),
        (edge("root", "two", directed=False), "directed edges", "0.800 / 0.889 / 0.842"),
        (edge("root", "two", "pruned"), "directed typed", "0.800 / 0.889 / 0.842"),
        (edge("root", "two", "pruned"), "directed edges", "0.900 / 1.000 / 0.947"),
    ],
)
def test_one_edge_said_otherwise_shows_in_its_figure(changed, name, figure):
    rest = [one for one in PERFECT if {one.parent, one.child} != {"root", "two"}]
    assert measured(figures_of(*rest, changed), name).measured == figure


def test_an_edge_to_a_grandparent_is_no_true_one_and_its_direction_is_right():
    figures = figures_of(edge("root", "low"), edge("three", "two"))
    assert measured(figures, "undirected").measured == "0.000 / 0.000 / 0.000"
    assert measured(figures, "direction: right").measured == "1 of 2 (50%)"


def test_a_direction_from_a_model_that_is_not_in_the_index_is_not_judged():
    figures = figures_of(edge("unseen", "low"))
    assert measured(figures, "direction: right").measured == "0 of 0"
    assert measured(figures, "undirected").measured.startswith("0.000")


@pytest.mark.parametrize(
    ("added", "name", "figure"),
    [
        (edge("other", "low", directed=False), "unrelated models joined", "1 of 18"),
        (edge("two", "twin", directed=False), "descent said of models", "1 of 8"),
        (edge("root", "merge", "merged", weight=0.1), "merges: parents named that are none", "1"),
        (edge("root", "low", "merged", weight=0.1), "models that are no merge", "1 parents"),
    ],
)
def test_an_accusation_is_counted(added, name, figure):
    found = measured(figures_of(*PERFECT, added), name)
    assert found.measured.startswith(figure)
    assert found.held is False


def test_a_weight_that_is_off_is_measured():
    rest = [one for one in PERFECT if (one.parent, one.child) != ("two", "merge")]
    figures = figures_of(*rest, edge("two", "merge", "merged", weight=0.65))
    assert measured(figures, "merges: mean error").measured == "0.0500 over 2"


def test_the_tables_have_a_row_for_each_family_and_operator():
    graph = graph_of(*PERFECT)
    assert "| b | 2 | 1 | 1 | 1.000 | 1.000 | 1.000 | 1 of 1 |" in family_edges.by_family(graph, TRUTH)
    assert "| merged | 2 | 2 | 2 | 2 | merged 2 |" in family_edges.by_operator(graph, TRUTH)


# -- the place of one model


def kin(name: str, probability: float = 0.95, relation: Any = "fine-tuned") -> Relative:
    return Relative(name, name, Relation(relation), probability)


def judged(name: str, place: Place, verdict: Any = "derived", truth: Families = TRUTH) -> places.Judged:
    return places.judge(Answer(name, Verdict(verdict), place, 1.0, 0.5), truth, NAMES)


@pytest.mark.parametrize(
    ("place", "right"),
    [
        (Place(parents=(kin("one"),)), (True, True, True, True)),
        (Place(parents=(kin("copy"),)), (True, True, True, True)),
        (Place(open=(kin("one"), kin("two"))), (True, True, False, False)),
        (Place(open=(kin("two"), kin("one"))), (False, True, False, False)),
        (Place(parents=(kin("two"),), open=(kin("one"),)), (False, True, True, False)),
        (Place(siblings=(kin("one"),)), (False, False, False, False)),
        (Place(), (False, False, False, False)),
    ],
)
def test_the_first_named_parent_is_judged(place, right):
    one = judged("low", place)
    assert (one.is_first, one.is_listed, one.is_said, one.is_right) == right


def test_what_is_above_or_below_and_is_not_is_told_from_what_is():
    one = judged("one", Place(parents=(kin("two"),), ancestors=(kin("root"),), descendants=(kin("low"), kin("three"))))
    assert (one.over, one.under) == (("two",), ("three",))
    lenient = judged("low", Place(parents=(kin("three"),)))
    assert (lenient.over, lenient.is_right) == ((), False)
    above = places.place_figures([judged("low", Place(parents=(kin("root"),)))], TRUTH, BAR)
    assert measured(above, "direction right of those said").held is True
    assert measured(above, "first-named parent acceptable of those said").measured == "0 of 1 (0%)"


def test_models_of_another_family_and_of_one_initialisation_are_accusations():
    one = judged("two", Place(open=(kin("other"), kin("twin"))))
    assert (one.strangers, one.begun_alike) == (("other",), ("twin",))
    begun = judged("two", Place(siblings=(kin("twin", relation=Relation.SHARED_INIT),)))
    assert (begun.strangers, begun.begun_alike) == ((), ())


def test_the_figures_of_places_count_each_thing_once():
    answers = [
        judged("low", Place(parents=(kin("one"),))),
        judged("two", Place(parents=(kin("three"),), open=(kin("root"),))),
        judged("its", Place(open=(kin("other"),)), "related"),
        judged("mask", Place(), "independent"),
        judged("root", Place(parents=(kin("one"),))),
        judged("other", Place(descendants=(kin("its"),)), "origin"),
    ]
    figures = places.place_figures(answers, TRUTH, BAR)
    expected = {
        "first-named parent acceptable, of a root that still moved": ("1 of 1 (100%)", True),
        "parent listed": ("3 of 3 (100%)", True),
        "parent said with a direction": ("2 of 3 (67%)", None),
        "direction right of those said": ("1 of 2 (50%)", False),
        "first-named parent acceptable of those said": ("1 of 2 (50%)", None),
        "roots called derived": ("1 of 2 (50.0%, 95% upper bound 97.5%)", False),
        "disguised models": ("0 of 1 (0%)", None),
    }
    for start, (text, is_held) in expected.items():
        assert (measured(figures, start).measured, measured(figures, start).held) == (text, is_held)
    assert figures[0].measured == "1 of 2 (50%)"
    assert measured(figures, "sibling or descendant named").measured.startswith("2 of 6")
    assert measured(figures, "named as descendant").measured.startswith("0 of 6")
    assert any(line.startswith("root") for line in places.explained(answers, TRUTH, NAMES))


def test_every_probability_of_a_direction_is_a_claim():
    up, below, beside, open_ = (kin("one", 0.9),), (kin("two", 0.7),), (kin("three", 0.6),), (kin("copy", 0.5),)
    claims = judged("low", Place(up, (kin("root", 0.8),), below, beside, open=open_)).claims
    assert claims == (Claim(0.9, True), Claim(0.8, True), Claim(0.7, False), Claim(0.5, True))


# -- parents withheld


def test_all_that_is_right_as_a_parent_is_withheld():
    assert withheld.withheld(TRUTH, "low") == {"low", "one", "copy"}
    assert withheld.questions(TRUTH, 1).keys() == {"one", "copy", "low", "two", "three", "merge", "mask"}
    assert list(withheld.questions(TRUTH, 3)) == ["one", "two", "mask"]
    assert withheld.known_children("two", TRUTH) == 3
    assert withheld.known_children("low", TRUTH) == 1


def test_directions_from_known_ancestors_are_told_from_those_among_siblings():
    def answer(name: str, place: Place) -> Answer:
        return Answer(name, Verdict.RELATED, place, 1.0, 1.0)

    answers = [
        answer("low", Place(parents=(kin("root"),))),
        answer("two", Place(parents=(kin("three"),))),
        answer("three", Place(descendants=(kin("mask"),))),
        answer("mask", Place(siblings=(kin("two"),), unobserved=(Between(("two", "three"), 0.9),))),
    ]
    figures = withheld.withheld_figures(answers, TRUTH, NAMES, BAR)
    assert measured(figures, "a direction said").measured.startswith("3 of 4")
    assert measured(figures, "of these").measured == "1 of 3"
    assert measured(figures, "siblings named").measured == "1 of 4"
    assert measured(figures, "unknown parent proposed").measured == "1 of 3 (33%)"
    assert [line.split()[0] for line in withheld.explained(answers, TRUTH, NAMES)] == ["above", "wrong", "below"]


# -- probabilities


def test_claims_fall_into_the_bin_of_their_probability():
    claims = [Claim(0.5, False), Claim(0.6, True), Claim(0.9, True), Claim(1.0, True), Claim(0.95, False)]
    assert [one.claims for one in binned(claims)] == [1, 1, 0, 0, 3]
    last = binned(claims)[-1]
    assert (last.right, last.claimed, last.is_calibrated) == (2, pytest.approx(0.95), False)


def test_ninety_of_a_hundred_are_right_where_nine_in_ten_are_claimed():
    bins = binned([Claim(0.9, k >= 10) for k in range(100)])
    figure = reliability_figure(bins)
    assert (figure.measured, figure.held) == ("1 of 1 bins with claims", True)
    assert "| 0.90 | 90 of 100 | 0.90 | 0.82 to 0.95 | yes |" in reliability_table(bins)
    assert reliability_figure(binned([Claim(0.9, k >= 20) for k in range(100)])).held is False


def test_the_diagram_is_a_picture(tmp_path):
    pytest.importorskip("matplotlib")
    draw_reliability(binned([Claim(0.9, True), Claim(0.5, False)]), tmp_path / "new" / "one.png")
    assert (tmp_path / "new" / "one.png").read_bytes().startswith(b"\x89PNG")


def test_an_interval_has_a_fortieth_on_either_side():
    assert interval(1, 10) == (pytest.approx(0.002529, abs=1e-5), pytest.approx(0.445016, abs=1e-5))
    assert interval(0, 0) == (0.0, 1.0)
    assert upper_bound(0, 9, 0.025) == pytest.approx(1 - 0.025 ** (1 / 9))
    assert at_most("none", 0, 0, 0.0).held is None
    assert [at_most("few", hits, 100, 0.02).held for hits in (2, 3)] == [True, False]


# -- one parent absent


def test_each_model_with_several_children_is_absent_once_with_its_copies():
    asked = absent.questions(TRUTH)
    assert asked.keys() == {"root", "one"}
    assert asked["one"] == {"root", "low", "two", "three", "merge", "twin"}
    assert asked["root"] == {"one", "copy", "low", "two", "three", "merge", "twin"}


def test_directions_are_wrong_that_lead_from_no_source():
    drawn = graph_of(edge("two", "three"), edge("two", "merge", "merged"), edge("three", "twin", directed=False))
    found = [absent.Absent("root", drawn)]
    assert [one.measured[:6] for one in absent.absent_figures(found, TRUTH, 0.02)] == ["1 of 2"]
    assert list(absent.explained(found, TRUTH)) == ["without root: two -> three: fine-tuned, None"]


# -- the order


def test_the_bars_that_are_not_reached_are_named():
    figures = [share_of("parents", 1, 2, 0.95), at_most("wrong", 0, 9, 0.0), Figure("time", "3 s")]
    assert not_held(figures) == "Not reached: parents: 1 of 2 (50%), where the bar is >= 0.95."
    assert not_held(figures[1:]) == "Every bar is reached."


def test_orders_are_held_against_the_first():
    assert (order_figure(["a", "a", "b"]).measured, order_figure(["a", "a", "b"]).held) == ("2 of 3", False)
    assert order_figure(["a", "a"]).held is True
    whole = Lineage((Node("one", "one", 1), Node("two", "two", 1)), (edge("one", "two", confidence=0.9),))
    less = Lineage(whole.nodes, (edge("one", "two", confidence=0.8),))
    assert digest(whole) != digest(less)


# -- the script


@pytest.fixture(scope="module")
def zoo(tmp_path_factory) -> Path:
    """A base with two children, one quantised and one pruned, and an unrelated model with a child."""
    folder = tmp_path_factory.mktemp("zoo") / "small"
    folder.mkdir()
    base, other = encoder(1), encoder(2)
    models = {
        "base": base,
        "low": matrices(int8_rows)(base),
        "thin": matrices(magnitude_pruned)(base),
        "other": other,
        "its": matrices(noise(0.03, seed=3))(other),
    }
    for name, arrays in models.items():
        save_file(arrays, folder / f"{name}.safetensors")
    told = {
        "families": {"a": ["base", "low", "thin"], "b": ["other", "its"]},
        "edges": [["base", "low", "quantized"], ["base", "thin", "pruned"], ["other", "its", "fine-tuned"]],
    }
    (folder / "truth.json").write_text(json.dumps(told))
    return folder


def table_of(zoo: Path, cache: Path, capsys, *options: str) -> str:
    arguments = ["--zoo", str(zoo), "--jobs", "1", "--cache", str(cache), *options]
    assert benchmark_families.main(arguments) == 0
    return str(capsys.readouterr().out)


def test_each_table_is_printed_by_one_command(zoo, tmp_path, capsys):
    cache = tmp_path / "cache"
    drawn = table_of(zoo, cache, capsys, "--graph", "--explain")
    assert "5 models, 3 true edges, 3 found" in drawn
    assert "| undirected edges P / R / F1 | 1.000 / 1.000 / 1.000 | F1 >= 0.95 | yes |" in drawn
    assert "| unrelated models joined by an edge, of all pairs | 0 of 6 " in drawn
    assert "unpointed other -> its" in drawn or "unpointed its" in drawn
    asked = table_of(zoo, cache, capsys, "--whois", "--results", str(tmp_path / "page.md"))
    assert "| first-named parent acceptable | 3 of 3 (100%) | >= 0.95 | yes |" in asked
    assert "| quantized | 1 | 1 | 1 | 1 | 1 |" in asked
    assert asked.strip() in (tmp_path / "page.md").read_text()
    alone = table_of(zoo, cache, capsys, "--withheld", "--bars", "cases")
    assert "2 models asked about while their parents" in alone
    hidden = table_of(zoo, cache, capsys, "--absent")
    assert "1 graphs, each of one family" in hidden
    assert str(zoo.parent) not in drawn + asked + alone + hidden


def test_totals_say_nothing_of_single_families(zoo, tmp_path, capsys):
    drawn = table_of(zoo, tmp_path, capsys, "--graph", "--totals")
    assert "| operator |" not in drawn
    assert "| family |" not in drawn


def test_the_order_of_ingest_is_tried(zoo, tmp_path, capsys):
    assert "| 3 of 3 | all | yes |" in table_of(zoo, tmp_path, capsys, "--orders", "3")


def test_sketches_are_kept_and_hide_whose_they_are(zoo, tmp_path):
    names = ("base", "low")
    made = sketches_of(zoo, names, tmp_path, 1)
    (home,) = tmp_path.iterdir()
    assert home.name == sketching()
    before = {file: file.stat().st_mtime_ns for file in home.iterdir()}
    assert len(before) == 2
    again = sketches_of(zoo, names, tmp_path, 1)
    assert {name: one.id for name, one in again.items()} == {name: one.id for name, one in made.items()}
    assert {file: file.stat().st_mtime_ns for file in home.iterdir()} == before
    assert {(one.path, one.licence, one.declared) for one in made.values()} == {("", None, ())}
    assert {one.name for one in made.values()} == {"m000", "m001"}


def test_the_bars_of_cases_are_no_higher():
    practice, cases = BARS["practice"], BARS["cases"]
    assert (cases.undirected, cases.typed, cases.first) < (practice.undirected, practice.typed, practice.first)
