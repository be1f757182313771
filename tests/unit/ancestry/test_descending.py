"""The way down a graph: who descends, who may, what is passed on."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lineage.ancestry.descending import below
from lineage.types import Edge, Lineage
from tests.hand_made import FAMILY, edge, node

IDS = {one.name: one.id for one in FAMILY.nodes}


def graph(*edges: Edge, hidden: str = "") -> Lineage:
    names = dict.fromkeys(bytes.fromhex(end).decode() for one in edges for end in (one.parent, one.child))
    return Lineage(tuple(node(name, observed=name not in hidden) for name in names), edges)


def sure(lineage: Lineage, name: str) -> list[str]:
    return [one.node.name for one in below(lineage, node(name).id)[0]]


def perhaps(lineage: Lineage, name: str) -> list[str]:
    return [one.node.name for one in below(lineage, node(name).id)[1]]


def test_everything_below_comes_by_generation_and_each_once():
    assert sure(FAMILY, "root") == ["left", "right", "vision", "soup", "deep"]
    assert sure(FAMILY, "soup") == ["deep"]
    assert sure(FAMILY, "deep") == []


def test_the_way_is_the_shortest_and_of_these_the_surest():
    found = {one.node.name: one for one in below(FAMILY, IDS["root"])[0]}
    assert [(e.parent, e.child) for e in found["soup"].way] == [
        (IDS["root"], IDS["left"]), (IDS["left"], IDS["soup"]),
    ]  # fmt: skip
    assert found["soup"].probability == 0.98 * 0.9
    assert found["right"].probability is None  # an edge without one


def test_a_sibling_is_no_descendant_and_neither_is_what_a_card_says():
    assert perhaps(FAMILY, "twin") == []
    assert sure(FAMILY, "claimed") == []


def test_what_an_open_edge_leads_to_is_open_with_all_below_it():
    family = graph(
        edge("base", "child"), edge("child", "friend", directed=False), edge("friend", "pupil"), edge("friend", "far",
        directed=False),
    )  # fmt: skip
    assert sure(family, "base") == ["child"]
    assert perhaps(family, "base") == ["friend", "far", "pupil"]
    assert all(one.probability is None for one in below(family, node("base").id)[1])


def test_open_edges_are_the_same_from_either_end():
    family = graph(edge("a", "b", directed=False))
    assert (perhaps(family, "a"), perhaps(family, "b")) == (["b"], ["a"])


def test_what_is_known_to_be_above_is_never_open_and_nothing_is_reached_through_it():
    family = graph(
        edge("top", "base"), edge("top", "friend", directed=False), edge("base", "friend", directed=False),
        edge("top", "other", directed=False),
    )  # fmt: skip
    assert perhaps(family, "base") == ["friend"]


def test_likeness_without_descent_leads_nowhere_unless_it_has_a_direction():
    for word in ("shared-init", "sibling", "inconclusive"):
        assert perhaps(graph(edge("a", "b", word, directed=False)), "a") == []
    assert sure(graph(edge("seed", "b", "shared-init")), "seed") == ["b"]  # trained from that initialisation


def test_a_parent_that_no_index_holds_is_passed_and_not_counted():
    family = graph(edge("base", "unknown"), edge("unknown", "child"), hidden="unknown")
    (child,) = below(family, node("base").id)[0]
    assert (child.node.name, len(child.way)) == ("child", 2)


class TestComponents:
    TOWER = edge("tower", "vlm", "component-reused", component="vision encoder")

    def test_a_part_is_named(self):
        (found,) = below(graph(self.TOWER), node("tower").id)[0]
        assert found.components == ("vision encoder",)

    def test_another_part_is_not_passed_on(self):
        family = graph(self.TOWER, edge("vlm", "chat", "component-reused", component="text decoder"))
        assert sure(family, "tower") == ["vlm"]
        assert sure(family, "vlm") == ["chat"]

    def test_the_part_is_followed_through_whole_models(self):
        family = graph(self.TOWER, edge("vlm", "tuned"), edge("tuned", "eye", "component-reused",
                       component="projector, vision encoder"))  # fmt: skip
        found = {one.node.name: one.components for one in below(family, node("tower").id)[0]}
        assert found == dict.fromkeys(("vlm", "tuned", "eye"), ("vision encoder",))

    def test_a_longer_way_that_brings_another_part_is_followed_too(self):
        family = graph(
            edge("base", "mix", component="head"), edge("base", "mid"), edge("mid", "mix", component="text decoder"),
            edge("mix", "leaf", "component-reused", component="text decoder"),
        )  # fmt: skip
        found = {one.node.name: one.components for one in below(family, node("base").id)[0]}
        assert found == {"mid": None, "mix": ("head", "text decoder"), "leaf": ("text decoder",)}


EDGES = st.lists(
    st.tuples(st.integers(0, 7), st.integers(0, 7), st.booleans(), st.sampled_from([None, "x", "y", "x, y"])),
    max_size=16,
)


@given(EDGES, st.randoms(use_true_random=False))
def test_every_graph_has_an_answer_that_no_order_changes(ends, random):
    edges = [edge(str(p), str(c), directed=d, component=part) for p, c, d, part in ends if p != c]
    family = Lineage(tuple(node(str(i)) for i in range(8)), tuple(edges))
    found, open_ones = below(family, node("0").id)
    names = [one.node.name for one in (*found, *open_ones)]
    assert len(names) == len(set(names))
    assert "0" not in names
    for one in found:
        assert all(step.directed for step in one.way)
        assert (one.way[0].parent, one.way[-1].child) == (node("0").id, one.node.id)
        assert all(a.child == b.parent for a, b in zip(one.way, one.way[1:], strict=False))
    random.shuffle(edges)
    again = below(Lineage(family.nodes, tuple(edges)), node("0").id)
    for before, after in zip((found, open_ones), again, strict=True):
        assert [(o.node, o.components, len(o.way)) for o in before] == [
            (o.node, o.components, len(o.way)) for o in after
        ]
