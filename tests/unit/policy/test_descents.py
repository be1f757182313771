"""Who counts as an ancestor, of which component, and how surely."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lineage.policy.auditing import audit
from lineage.policy.declared import Published, with_declared
from lineage.policy.descents import descents, inherited_share
from lineage.report.text.audit import audit_screen
from lineage.report.words import text
from lineage.types import Case, Declared, Direction, Lineage, Place, Relation, Relative
from tests.policy_cases import GRAFT, MODEL, case, compared, edge, finding, grafted, node


def relative(model: str) -> tuple[Relative, ...]:
    return (Relative(model, model, Relation.FINE_TUNED, 0.97),)


def at(one: Case, **place: tuple[Relative, ...]) -> Case:
    return replace(one, answer=replace(one.answer, place=Place(**place)))


def told(one) -> dict[tuple[str, str | None], str]:
    return {(line.ancestor, line.component): line.certainty for line in descents(one)}


def test_a_line_is_as_sure_as_its_weakest_step():
    edges = [edge("a"), edge("b", "a", directed=False), edge("c", "b")]
    assert told(case(ancestors=[node(n) for n in "abc"], edges=edges)) == {
        ("a", None): "measured", ("b", None): "possible", ("c", None): "possible",
    }  # fmt: skip


def test_confidences_multiply_and_the_models_between_are_named():
    edges = [edge("a", confidence=0.95), edge("b", "a", confidence=0.9)]
    line = next(x for x in descents(case(ancestors=[node("a"), node("b")], edges=edges)) if x.ancestor == "b")
    assert (round(line.confidence, 4), line.through, line.certainty) == (0.855, ("a",), "measured")


def test_of_two_ways_the_surer_counts():
    edges = [edge("a", directed=False), edge("b"), edge("a", "b")]
    assert told(case(ancestors=[node("a"), node("b")], edges=edges))[("a", None)] == "measured"


def test_a_component_passes_on_what_it_has_itself():
    edges = [
        edge("vlm", component="vision encoder"),
        edge("sight", "vlm", component="vision encoder"),
        edge("words", "vlm", component="text decoder"),
    ]
    found = told(case(ancestors=[node(n) for n in ("vlm", "sight", "words")], edges=edges))
    assert set(found) == {("vlm", "vision encoder"), ("sight", "vision encoder")}


def test_a_comparison_tells_the_components_apart():
    parents = [compared("a", {"embeddings": "identical", "text decoder": "fine-tuned"})]
    lines = descents(case(ancestors=[node("a")], edges=[edge("a")], parents=parents))
    assert {(x.component, x.relation, x.share) for x in lines} == {
        ("embeddings", "identical", 0.2), ("text decoder", "fine-tuned", 0.8),
    }  # fmt: skip


def test_a_graft_counts_as_what_was_grafted():
    of = case(ancestors=[node("a")], edges=[edge("a", relation=Relation.COMPONENT_REUSED)], parents=[grafted("a")])
    (line,) = descents(of)
    assert (line.component, line.share, line.parts) == ("text decoder", 0.214, GRAFT.parts)
    assert inherited_share(of, [line]) == pytest.approx(0.214)
    assert "21.4% of the parameters" in text(audit(of, "from-scratch").headline)
    assert "text decoder: attention of all layers (21.4%)" in audit_screen(audit(of, "from-scratch"), 200)


def test_what_two_ancestors_gave_of_one_component_counts_once():
    edges = [edge(name, component="text decoder", share=share) for name, share in (("a", 0.3), ("b", 0.5))]
    of = case(ancestors=[node("a"), node("b")], edges=edges)
    assert inherited_share(of, descents(of)) == 0.5


def test_components_told_together_and_apart_count_once():
    """Of the decoder 0.4 of the model came from a, and 0.7 from b; of the embeddings 0.1 from a."""
    edges = [
        edge("a", component="embeddings, text decoder", share=0.5),
        edge("b", component="text decoder", share=0.7),
    ]
    of = case(ancestors=[node("a"), node("b")], edges=edges)
    assert inherited_share(of, descents(of)) == pytest.approx(0.8)


def test_every_part_of_a_merge_is_merged():
    parents = [compared("a", {"embeddings": "fine-tuned", "text decoder": "fine-tuned"})]
    lines = descents(case(ancestors=[node("a")], edges=[edge("a", relation=Relation.MERGED)], parents=parents))
    assert {line.relation for line in lines} == {"merged"}


def test_descendants_and_siblings_are_no_ancestors():
    edges = [
        edge(MODEL, "child"),
        edge("child", MODEL, directed=False),
        edge("twin", relation=Relation.SIBLING, directed=False),
    ]
    assert told(case(ancestors=[node("child"), node("twin")], edges=edges)) == {}


def test_a_part_that_two_models_have_alike_tells_no_direction_without_a_reason():
    reused = {"relation": "component-reused", "component": "text decoder", "confidence": 1.0}
    assert told(case(ancestors=[node("a")], edges=[edge("a", basis=(), **reused)])) == {
        ("a", "text decoder"): "possible"
    }
    assert told(case(ancestors=[node("a")], edges=[edge("a", **reused)])) == {("a", "text decoder"): "measured"}


def test_a_circle_of_declarations_ends():
    said = {"relation": "inconclusive", "source": "declared", "confidence": None}
    edges = [edge("a", **said), edge("b", "a", **said), edge("a", "b", **said)]
    assert told(case(ancestors=[node("a"), node("b")], edges=edges)) == {
        ("a", None): "declared",
        ("b", None): "declared",
    }


def test_the_same_weights_under_another_id_are_possible():
    one = case(ancestors=[], edges=[])
    sketch = one.answer.sketch
    copy = replace(one, answer=replace(one.answer, sketch=replace(sketch, id="other")))
    assert told(copy) == {(MODEL, None): "possible"}


def test_what_the_answer_alone_found_counts_where_the_graph_is_silent():
    part = finding("vision encoder", 0.1, "fine-tuned", direction=Direction.CHILD, confidence=0.97)
    one = case(components=[part])
    asked = replace(one, answer=replace(one.answer, components=((part, "far", "far away"),)))
    assert told(asked) == {("far", "vision encoder"): "possible"}
    assert told(at(asked, parents=relative("far"))) == {("far", "vision encoder"): "measured"}
    assert told(at(asked, descendants=relative("far"))) == {}


class TestPlace:
    """An edge of the graph is no surer than the place of the answer."""

    ONE = case(ancestors=[node("a")], edges=[edge("a")])

    def test_what_is_below_or_beside_gives_nothing(self):
        assert told(at(self.ONE, descendants=relative("a"))) == {}
        assert told(at(self.ONE, siblings=relative("a"))) == {}

    def test_what_is_equal_or_open_is_possible(self):
        for stand in ("copies", "open"):
            assert told(at(self.ONE, **{stand: relative("a")})) == {("a", None): "possible"}

    def test_a_parent_is_as_sure_as_its_edge(self):
        undirected = case(ancestors=[node("a")], edges=[edge("a", directed=False)])
        assert told(at(self.ONE, parents=relative("a"))) == {("a", None): "measured"}
        assert told(at(undirected, parents=relative("a"))) == {("a", None): "possible"}

    def test_from_scratch_is_never_refuted_by_a_child_a_sibling_or_a_copy(self):
        verdicts = {
            stand: audit(at(self.ONE, **{stand: relative("a")}), "from-scratch").verdict
            for stand in ("parents", "descendants", "siblings", "copies", "open")
        }
        assert [stand for stand, verdict in verdicts.items() if verdict == "violated"] == ["parents"]


class TestDeclaredParents:
    PUBLISHED = (
        Published("org/Base", "llama3.1", (Declared("org/Root", None, "catalogue"),)),
        Published("org/Root", "gemma"),
    )

    def grown(self, *models: str, indexed: tuple[str, ...] = ()) -> Lineage:
        said = {MODEL: [Declared(model, None, "README.md base_model") for model in models]}
        return with_declared(Lineage((node(MODEL),), ()), said, indexed, self.PUBLISHED)

    def test_are_followed_as_far_as_the_catalogue_knows_them(self):
        nodes = {one.name: one.licence for one in self.grown("Org/base").nodes[1:]}
        assert nodes == {"Org/base": "llama3.1", "org/Root": "gemma"}

    def test_that_the_index_holds_are_left_to_the_graph(self):
        assert self.grown("org/Base", indexed=("Base",)).nodes[1:] == ()

    def test_a_path_on_a_disk_is_no_model(self):
        assert self.grown("/home/me/out", "./checkpoint", "output").nodes[1:] == ()

    def test_a_circle_ends(self):
        ring = (
            Published("o/a", None, (Declared("o/b", None, "c"),)),
            Published("o/b", None, (Declared("o/a", None, "c"),)),
        )
        found = with_declared(Lineage((node(MODEL),), ()), {MODEL: [Declared("o/a", None, "card")]}, (), ring)
        assert {one.name for one in found.nodes[1:]} == {"o/a", "o/b"}


def test_a_model_that_lacks_a_component_has_not_passed_it_on():
    edges = [edge("vlm", component="vision encoder"), edge("words", "vlm", relation=Relation.COMPONENT_REUSED)]
    known = case(ancestors=[node("vlm"), node("words")], edges=edges)
    assert ("words", "vision encoder") in told(known)
    assert told(replace(known, components={"words": frozenset({"text decoder"})})) == {
        ("vlm", "vision encoder"): "measured"
    }
