"""`graph`, `trace` and `decompose`, as a person or a script meets them."""

from __future__ import annotations

import json

import numpy as np
import pytest
import yaml

from lineage import api
from lineage.report import graphs
from lineage.types import Merge, MergePart, Trace
from tests.cli.conftest import Desk, Run
from tests.hand_made import FAMILY, STRANGERS
from tests.small_models import saved, trained, tuned


@pytest.fixture
def at_home(run: Run, desk: Desk) -> tuple[object, ...]:
    """The words that ask an index of base, child and unrelated model alone."""
    done = run("ingest", desk.base, desk.child, desk.stranger, "--index", desk.index)
    assert done.code == 0, done.err
    return ("--index", desk.index, "--no-reference")


class TestGraph:
    def test_joins_a_fine_tune_to_its_base_and_no_one_to_a_stranger(self, run, at_home):
        value = run("graph", *at_home, "--json").json
        assert {node["name"] for node in value["nodes"]} == {"base", "child", "stranger"}
        assert [{e["parent_name"], e["child_name"]} for e in value["edges"]] == [{"base", "child"}]

    def test_says_it_in_short_without_a_file(self, run, at_home):
        done = run("graph", *at_home)
        assert done.code == 0, done.err
        assert done.out.startswith("3 models   1 family, 0 hidden parents, 1 without relatives")

    @pytest.mark.parametrize("more", [(), ("--family",)])
    def test_a_model_brings_its_relatives_alone(self, run, at_home, more):
        value = run("graph", "child", *more, *at_home, "--json").json
        assert {node["name"] for node in value["nodes"]} == {"base", "child"}

    @pytest.mark.parametrize("ending", graphs.ENDINGS)
    def test_the_ending_chooses_the_format(self, run, at_home, desk, monkeypatch, ending):
        monkeypatch.setattr(api, "graph", lambda *_, **__: STRANGERS)
        target = desk.folder / f"graph{ending}"
        done = run("graph", *at_home, "-o", target)
        assert (done.code, done.err) == (0, "")
        assert done.out == f"{target}: {len(STRANGERS.nodes)} nodes, {len(STRANGERS.edges)} edges\n"
        assert target.read_bytes() == graphs.render(STRANGERS, target)

    def test_the_file_and_the_screen_hold_the_same_json(self, run, at_home, desk):
        target = desk.folder / "graph.json"
        done = run("graph", *at_home, "-o", target, "--json")
        assert json.loads(target.read_text()) == done.json

    def test_another_ending_is_a_usage_error_before_any_work(self, run, desk, monkeypatch):
        monkeypatch.setattr(api, "graph", lambda *_, **__: pytest.fail("worked for nothing"))
        done = run("graph", "-o", desk.folder / "graph.pdf")
        assert (done.code, done.out) == (2, "")
        assert all(ending in done.err for ending in graphs.ENDINGS)

    def test_a_family_is_that_of_a_model(self, run):
        done = run("graph", "--family")
        assert (done.code, done.out) == (2, "")
        assert "--family needs a MODEL" in done.err

    def test_an_unknown_model_ends_with_1(self, run, at_home):
        assert run("graph", "nobody", *at_home).code == 1
        assert run("trace", "nobody", *at_home).code == 1

    def test_no_index_ends_with_10(self, run, desk):
        for command in (["graph"], ["trace", "base"]):
            assert run(*command, "--index", desk.folder / "none", "--no-reference").code == 10


class TestTrace:
    def test_leads_a_fine_tune_to_its_base(self, run, at_home):
        value = run("trace", "child", *at_home, "--json").json
        assert value["model"]["name"] == "child"
        above = [one["edge"]["parent_name"] for one in value["ancestors"]]
        open_ones = [{one["parent_name"], one["child_name"]} for one in value["related"]]
        assert (above, open_ones) in ((["base"], []), ([], [{"base", "child"}]))

    def test_a_stranger_has_no_one(self, run, at_home):
        value = run("trace", "stranger", *at_home, "--json").json
        assert (value["ancestors"], value["related"]) == ([], [])
        assert "no parent found" in run("trace", "stranger", *at_home).out

    def test_a_copy_that_another_node_stands_for_can_be_asked_for(self, run, at_home, desk):
        copy = saved(trained(1), desk.folder / "copy.safetensors")
        run("ingest", copy, "--depth", "sampled", "--index", desk.index)
        for name in ("base", "copy"):
            done = run("trace", name, *at_home, "--json")
            assert done.code == 0, done.err
            assert {done.json["model"]["name"], *done.json["model"]["aliases"]} == {"base", "copy"}

    def test_draws_the_tree(self, run, monkeypatch):
        deep = next(node for node in FAMILY.nodes if node.name == "deep")
        monkeypatch.setattr(api, "trace", lambda *_, **__: Trace(deep.id, FAMILY))
        done = run("trace", "deep")
        assert done.code == 0, done.err
        assert "merged (0.70) from left" in done.out


class TestDecompose:
    def test_a_fine_tune_is_no_merge(self, run, at_home, desk):
        for query in ("child", desk.child):
            done = run("decompose", query, *at_home, "--json")
            assert done.code == 0, done.err
            assert (done.json["parts"], done.json["method"]) == ([], None)
        assert "NO MERGE FOUND" in run("decompose", "child", *at_home).out

    def test_shows_parents_and_weights(self, run, at_home, desk, monkeypatch):
        found = Merge((MergePart("aa", "left", 0.7), MergePart("bb", "right", 0.3)), "linear", 0.0)
        monkeypatch.setattr(api, "decompose", lambda *_, **__: found)
        shown = run("decompose", desk.child, *at_home).out
        assert "0.700  left" in shown
        assert "0.300  right" in shown

    def test_writes_the_recipe_of_a_merge(self, run, at_home, desk):
        base = trained(1)
        left, right = tuned(base, 4, by=0.1), tuned(base, 5, by=0.1)
        soup = {name: np.float32(0.7) * left[name] + np.float32(0.3) * right[name] for name in base}
        for name, weights in (("left", left), ("right", right), ("soup", soup)):
            run("ingest", saved(weights, desk.folder / f"{name}.safetensors"), "--index", desk.index)
        target = desk.folder / "merge.yaml"
        done = run("decompose", "soup", *at_home, "-o", target)
        assert (done.code, done.err) == (0, "")
        recipe = yaml.safe_load(target.read_text())
        assert recipe["merge_method"] == "linear"
        assert {one["model"]: one["parameters"]["weight"] for one in recipe["models"]} == {
            "left": pytest.approx(0.7, abs=0.01), "right": pytest.approx(0.3, abs=0.01),
        }  # fmt: skip
        assert str(desk.folder) not in target.read_text()

    @pytest.mark.parametrize("form", [(), ("--json",)])
    def test_writes_nothing_where_there_is_no_merge(self, run, at_home, desk, form):
        target = desk.folder / "merge.yaml"
        done = run("decompose", "child", *at_home, "-o", target, *form)
        assert (done.code, target.exists()) == (1, False)
        assert done.err == f"lineage: {target}: not written: no merge was found, so there is no recipe\n"
        assert done.out == run("decompose", "child", *at_home, *form).out

    def test_another_ending_is_a_usage_error_before_any_work(self, run, desk, monkeypatch):
        monkeypatch.setattr(api, "find", lambda *_, **__: pytest.fail("worked for nothing"))
        done = run("decompose", "child", "-o", desk.folder / "merge.json")
        assert (done.code, "must end in .yaml" in done.err) == (2, True)
