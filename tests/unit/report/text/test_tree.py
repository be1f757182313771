from dataclasses import replace

import pytest

from lineage.report.kinship import families, founders, steps_up
from lineage.report.text.overview import overview_screen
from lineage.report.text.tree import merge_screen, trace_screen, trace_value
from lineage.report.words import texts
from lineage.types import Declared, Lineage, Merge, MergePart, Trace
from tests.hand_made import FAMILY, HOSTILE, NOTHING, STRANGERS, edge, node
from tests.small_models import sketched, trained

IDS = {n.name: n.id for n in FAMILY.nodes}


def screen(model: str, **facts) -> str:
    return trace_screen(Trace(IDS[model], FAMILY, **facts))


class TestTrace:
    def test_climbs_to_the_root_with_figures_and_reasons(self):
        shown = screen("deep")
        assert "quantized from soup" in shown
        assert "merged (0.70) from left" in shown
        assert "merged (0.30) from right" in shown
        assert "fine-tuned from root (root)   r 0.99  z 120  confidence 0.98" in shown
        assert "basis: weight decay; zeros kept" in shown
        depth = {line.split("from")[0].count("   ") + line.split("from")[0].count("│   ") for line in shown.split("\n")}
        assert len(depth) > 3

    def test_the_heavier_parent_comes_first(self):
        shown = screen("soup")
        assert shown.index("from left") < shown.index("from right")

    def test_names_component_and_hidden_parent(self):
        shown = screen("vision")
        assert "vision encoder: reused from hidden parent (root) (not in the index)" in shown
        assert "text decoder: reused from root (root)" in shown

    def test_lists_open_relatives_declarations_alternatives_and_contradictions_apart(self):
        assert "related, direction open:\n    sibling of twin  r 0.60" in screen("left")
        assert "related" not in screen("deep")
        assert "declared: deep from claimed (card)" in screen("deep")
        assert "declared fine-tuned: soup from right (card)" in screen("soup")
        assert "declared" not in screen("left")
        assert "alternatives: other" in screen("soup", alternatives=(("ff", "other"),))
        assert "contradiction: deep declares claimed" in screen("deep")
        assert "contradiction" not in screen("vision")

    def test_says_that_a_root_has_no_parent(self):
        assert "no parent found" in screen("root")
        assert "no parent found" not in screen("left")

    def test_an_adapter_is_no_root_and_its_base_is_declared(self):
        said = Declared("org/base\x1b[2J", "adapter", "adapter_config.json base_model_name_or_path")
        shown = screen("root", bases=(said,))
        assert "no parent found" not in shown
        assert "an adapter: it adds to weights and does not descend from any" in shown
        assert (
            "base: declared to be org/base\\x1b[2J (adapter_config.json base_model_name_or_path), not measured" in shown
        )
        assert "`lineage whois` of its files" in shown
        assert "base: none declared" in screen("root", bases=())

    def test_an_ancestor_that_is_met_twice_is_unfolded_once(self):
        grand = node("grand", root=True)
        lineage = Lineage((*FAMILY.nodes, grand), (*FAMILY.edges, edge("grand", "root")))
        shown = trace_screen(Trace(IDS["soup"], lineage))
        assert shown.count("from grand (root)") == 1
        assert shown.count("(again; its ancestors are shown above)") == 1

    def test_a_cycle_ends(self):
        lineage = Lineage((node("a"), node("b")), (edge("a", "b"), edge("b", "a")))
        trace = Trace(node("a").id, lineage)
        assert "fine-tuned from b" in trace_screen(trace)
        assert [(s.generation, s.parent.name) for s in steps_up(lineage, node("a").id)] == [(1, "b"), (2, "a")]

    @pytest.mark.parametrize("name", HOSTILE)
    def test_a_hostile_name_moves_no_cursor(self, name):
        shown = trace_screen(Trace(STRANGERS.nodes[HOSTILE.index(name)].id, STRANGERS), 80)
        assert not any(c in shown for c in "\x00\x1b\u202e\t")

    def test_the_value_has_each_step_once_by_generation(self):
        value = trace_value(Trace(IDS["deep"], FAMILY, (("ff", "other"),)))
        steps = [(s["generation"], s["parent"]["name"], s["edge"]["child_name"]) for s in value["ancestors"]]
        assert steps == [
            (1, "soup", "deep"), (2, "left", "soup"), (2, "right", "soup"), (3, "root", "left"), (3, "root", "right"),
        ]  # fmt: skip
        assert [one["parent_name"] for one in value["declared"]] == ["claimed", "right"]
        assert value["related"] == []
        assert value["alternatives"] == [{"model": "ff", "model_name": "other"}]
        assert value["contradictions"] == texts(FAMILY.contradictions)


class TestMerge:
    FOUND = Merge(
        (
            MergePart("aa", "left", 0.8, ((0, 0.9), (1, 0.9), (2, 0.5), (4, 0.5))),
            MergePart("bb", "right\x1b", 0.2),
        ),
        "linear",
        0.031,
        (("cc", "twin"),),
    )

    def test_shows_weights_layers_method_and_alternatives(self):
        shown = merge_screen(sketched(trained(1)), self.FOUND)
        assert "0.800  left" in shown
        assert "layers 0-1 0.90, 2 0.50, 4 0.50" in shown
        assert "right\\x1b" in shown
        assert "method: linear; 3.1% of the movement is left unexplained" in shown
        assert "alternatives: twin" in shown

    def test_names_the_base_and_what_was_kept(self):
        shown = merge_screen(sketched(trained(1)), replace(self.FOUND, method="TIES", base="bb", density=0.5))
        assert "method: TIES on right\\x1b, density 0.50; 3.1% of" in shown

    def test_says_so_where_there_is_none(self):
        assert "NO MERGE FOUND" in merge_screen(sketched(trained(1)), None)


class TestOverview:
    def test_has_a_line_a_family_with_founders_and_counts(self):
        shown = overview_screen(FAMILY)
        assert shown.startswith("9 models   1 family, 1 hidden parent, 2 without relatives\n")
        assert "root, hidden parent" in shown
        assert "2 merged" in shown
        assert "1 with direction open" in shown
        assert "declared edges: 2" in shown
        assert "contradiction: deep declares" in shown

    def test_an_empty_index_has_no_family(self):
        assert overview_screen(NOTHING).startswith("0 models   0 families, 0 hidden parents, 0 without relatives")

    def test_hostile_names_stay_text(self):
        assert not any(c in overview_screen(STRANGERS) for c in "\x00\x1b\u202e\t")


def test_families_come_by_size_then_name():
    lineage = Lineage((node("z"), node("a"), node("c"), node("b")), (edge("c", "b"),))
    assert [[n.name for n in family] for family in families(lineage)] == [["c", "b"], ["a"], ["z"]]


def test_founders_are_roots_hidden_ones_last():
    names = [n.name for n in founders(FAMILY.nodes)]
    assert names == ["alone", "claimed", "root", "hidden parent"]
    assert [n.name for n in founders([replace(n, root=False) for n in FAMILY.nodes])] == ["alone"]
