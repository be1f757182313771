"""Each format holds the whole graph, safely."""

from __future__ import annotations

import csv
import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from io import BytesIO, StringIO

import networkx as nx
import pytest

from lineage.errors import MissingExtra, UnknownEnding
from lineage.report import graphs
from lineage.report.figures import plain
from lineage.report.graphs import dot, mermaid, network
from lineage.report.graphs.json import document
from lineage.report.words import texts
from lineage.types import Edge, Lineage, Node, Relation
from tests.hand_made import FAMILY, HOSTILE, NOTHING, STRANGERS

LINEAGES = {"family": FAMILY, "strangers": STRANGERS, "nothing": NOTHING}
SVG = "{http://www.w3.org/2000/svg}"


def each_lineage(test):
    return pytest.mark.parametrize("lineage", LINEAGES.values(), ids=LINEAGES.keys())(test)


def text(lineage, ending: str) -> str:
    return graphs.render(lineage, f"graph{ending}").decode("utf-8")


class TestEveryFormat:
    @pytest.mark.parametrize("ending", graphs.ENDINGS)
    def test_a_file_is_written_whole_and_nothing_else(self, tmp_path, ending):
        target = tmp_path / f"GRAPH{ending.upper()}"
        target.write_text("old")
        graphs.write(FAMILY, target)
        assert target.read_bytes() == graphs.render(FAMILY, target)
        assert list(tmp_path.iterdir()) == [target]

    def test_the_longest_ending_is_meant(self):
        assert graphs.check("a.json") == ".json"
        assert graphs.check("a.cdx.json") == graphs.check("a.1.6.CDX.json") == ".cdx.json"
        assert graphs.check("a.1.7.cdx.json") == ".1.7.cdx.json"

    @pytest.mark.parametrize("name", ["graph", "graph.pdf", "svg", ".png", ".cdx.json", "graph.yaml"])
    def test_another_ending_is_refused_with_a_list_of_those_that_work(self, tmp_path, name):
        with pytest.raises(UnknownEnding, match=r"\.json \.graphml \.gexf \.dot \.mmd \.csv \.svg \.png") as failed:
            graphs.write(FAMILY, tmp_path / name)
        assert failed.value.exit_code == 2
        assert list(tmp_path.iterdir()) == []

    def test_what_fails_leaves_the_old_file(self, tmp_path, monkeypatch):
        target = tmp_path / "graph.svg"
        target.write_text("old")
        monkeypatch.setattr("pathlib.Path.replace", lambda *_: (_ for _ in ()).throw(OSError("full")))
        with pytest.raises(OSError, match="full"):
            graphs.write(FAMILY, target)
        assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]

    def test_a_missing_extra_is_named(self, monkeypatch):
        monkeypatch.setattr(graphs, "find_spec", lambda _: None)
        with pytest.raises(MissingExtra, match=r"weight-lineage\[picture\]"):
            graphs.check("graph.png")


class TestJson:
    @each_lineage
    def test_has_every_node_and_edge_with_names(self, lineage):
        value = json.loads(text(lineage, ".json"))
        assert [(n["id"], n["name"]) for n in value["nodes"]] == [(n.id, n.name) for n in lineage.nodes]
        assert [(e["parent"], e["child"]) for e in value["edges"]] == [(e.parent, e.child) for e in lineage.edges]
        assert value["contradictions"] == texts(lineage.contradictions)

    def test_what_is_unknown_or_infinite_is_null(self):
        quantized = json.loads(text(FAMILY, ".json"))["edges"][4]
        assert quantized["relation"] == "quantized"
        assert quantized["z"] is quantized["r"] is quantized["weight"] is quantized["layer_map"] is None

    def test_families_are_numbered_by_size_and_a_declaration_makes_none(self):
        family = {n["name"]: n["family"] for n in json.loads(text(FAMILY, ".json"))["nodes"]}
        assert family["root"] == family["twin"] == family["hidden parent"] == family["deep"] == 1
        assert {family["alone"], family["claimed"]} == {2, 3}


class TestGraphml:
    @each_lineage
    def test_reads_back_the_same_nodes_edges_and_attributes(self, lineage):
        value = document(lineage)
        read = nx.read_graphml(BytesIO(graphs.render(lineage, "graph.graphml")), force_multigraph=True)
        assert list(read) == [n["id"] for n in value["nodes"]]
        for one in value["nodes"]:
            again = read.nodes[one["id"]]
            assert {key: again[key] for key in ("params", "observed", "root", "family")} == {
                key: one[key] for key in ("params", "observed", "root", "family")
            }
            assert again["name"] == network.xml_text(one["name"])
            assert json.loads(again["aliases"]) == [network.xml_text(alias) for alias in one["aliases"]]
        assert sorted((u, v) for u, v in read.edges()) == sorted((e["parent"], e["child"]) for e in value["edges"])
        figures = ("relation", "directed", "source", "share", "weight", "r", "z", "log10_p", "confidence")
        for one in value["edges"]:
            known = {key: one[key] for key in figures if one[key] is not None}
            attributes = read.get_edge_data(one["parent"], one["child"]).values()
            assert any({key: a.get(key) for key in known} == known for a in attributes)

    def test_names_that_xml_can_hold_come_back_as_they_were(self):
        read = nx.read_graphml(BytesIO(graphs.render(STRANGERS, "graph.graphml")))
        names = {attributes["name"] for _, attributes in read.nodes(data=True)}
        assert {name for name in HOSTILE if name == plain(name)} - {"\ufffe"} <= names


class TestGexf:
    @each_lineage
    def test_reads_back_the_same_nodes_edges_and_weights(self, lineage):
        read = nx.read_gexf(BytesIO(graphs.render(lineage, "graph.gexf")))
        assert {key: node["label"] for key, node in read.nodes(data=True)} == {
            node.id: network.xml_text(node.name) for node in lineage.nodes
        }
        found = sorted((u, v, a["relation"], a.get("weight", 1.0)) for u, v, a in read.edges(data=True))
        assert found == sorted((e.parent, e.child, e.relation, e.weight or 1.0) for e in lineage.edges)

    def test_an_attribute_tells_which_edges_have_no_direction(self):
        read = nx.read_gexf(BytesIO(graphs.render(FAMILY, "graph.gexf")))
        told = sorted((u, v, a["directed"]) for u, v, a in read.edges(data=True))
        assert told == sorted((e.parent, e.child, e.directed) for e in FAMILY.edges)

    def test_no_date_and_no_version_is_in_it(self):
        assert "<meta" not in text(FAMILY, ".gexf")


class TestDot:
    STRING = r'"(?:[^"\\]|\\.)*"'

    @each_lineage
    def test_every_line_is_one_statement(self, lineage):
        lines = text(lineage, ".dot").splitlines()
        node = re.compile(rf"  {self.STRING} \[label={self.STRING}(, \w+=({self.STRING}|\d))*\];")
        edge = re.compile(rf"  {self.STRING} -> {self.STRING} \[label={self.STRING}(, \w+=[\w]+)*\];")
        assert (lines[0], lines[-1]) == ("digraph lineage {", "}")
        assert sum(bool(node.fullmatch(line)) for line in lines) == len(lineage.nodes)
        assert sum(bool(edge.fullmatch(line)) for line in lines) == len(lineage.edges)
        assert len(lines) == len(lineage.nodes) + len(lineage.edges) + 4

    def test_quoting_can_be_undone(self):
        for name in HOSTILE:
            inside = dot.quoted(name)[1:-1]
            assert re.sub(r"\\(.)", r"\1", inside).replace("&amp;", "&") == plain(name)

    def test_declared_is_dashed_and_undirected_dotted(self):
        written = text(FAMILY, ".dot")
        assert written.count("style=dashed") == 2
        assert written.count("style=dotted") == 1


class TestMermaid:
    @each_lineage
    def test_every_line_is_one_statement(self, lineage):
        lines = text(lineage, ".mmd").splitlines()
        label = r"\"[^\"`|\[\]{}<>&;]*(?:#\d+;[^\"`|\[\]{}<>&;]*)*\""
        node = re.compile(rf"  n\d+(\[{label}\]|\({label}\))(:::(root|hidden))?")
        edge = re.compile(rf"  n\d+ (-->|==>|-\.->|-\.-)\|{label}\| n\d+")
        assert sum(bool(node.fullmatch(line)) for line in lines) == len(lineage.nodes)
        assert sum(bool(edge.fullmatch(line)) for line in lines) == len(lineage.edges)
        assert len(lines) == len(lineage.nodes) + len(lineage.edges) + 3

    def test_quoting_can_be_undone(self):
        for name in HOSTILE:
            inside = mermaid.quoted(name)[1:-1]
            assert re.sub(r"#(\d+);", lambda found: chr(int(found[1])), inside) == plain(name)


class TestCsv:
    @each_lineage
    def test_has_a_line_an_edge(self, lineage):
        rows = list(csv.DictReader(StringIO(text(lineage, ".csv"))))
        assert [(row["parent"], row["child"]) for row in rows] == [(e.parent, e.child) for e in lineage.edges]
        assert [row["r"] for row in rows] == ["" if e.r is None else str(e.r) for e in lineage.edges]

    def test_no_text_is_a_formula_and_no_figure_is_quoted(self):
        cells = [cell for row in csv.reader(StringIO(text(STRANGERS, ".csv"))) for cell in row]
        assert "'=HYPERLINK(0)" in cells
        assert [cell for cell in cells if cell.lstrip().startswith(("=", "+", "-", "@"))] == []
        assert next(csv.DictReader(StringIO(text(FAMILY, ".csv"))))["log10_p"] == "-400.0"

    @pytest.mark.parametrize(
        "sign",
        ["=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", "\ufe66", "\ufe62", "\ufe63", "\ufe6b"],
    )
    @pytest.mark.parametrize("before", ["", " ", "\u3000", "\u00a0"])
    def test_full_width_and_small_signs_begin_formulas_too(self, sign, before):
        nodes = (Node("a", f"{before}{sign}HYPERLINK(0)", 1), Node("b", f"a{sign}b", 1))
        lineage = Lineage(nodes, (Edge("a", "b", Relation.FINE_TUNED, True, "measured"),))
        (row,) = csv.DictReader(StringIO(text(lineage, ".csv")))
        assert row["parent_name"].startswith("'")
        assert row["child_name"] == f"a{sign}b"


class TestSvg:
    @each_lineage
    def test_is_well_formed_and_has_each_node_and_edge(self, lineage):
        page = ET.fromstring(text(lineage, ".svg"))
        groups = list(page.iter(f"{SVG}g"))
        nodes = [group.get("data-id") for group in groups if group.get("class") == "node"]
        edges = [(g.get("data-parent"), g.get("data-child")) for g in groups if g.get("class") == "edge"]
        assert nodes == [node.id for node in lineage.nodes]
        assert edges == [(edge.parent, edge.child) for edge in lineage.edges]

    def test_nothing_in_it_is_active(self):
        page = ET.fromstring(text(STRANGERS, ".svg"))
        assert {one.tag.removeprefix(SVG) for one in page.iter()} <= {
            "svg", "g", "title", "rect", "path", "polygon", "text",
        }  # fmt: skip
        assert {key for one in page.iter() for key in one.attrib if key.startswith(("on", "href"))} == set()

    def test_hovering_shows_the_full_name_and_the_figures(self):
        page = ET.fromstring(text(FAMILY, ".svg"))
        titles = [title.text for title in page.iter(f"{SVG}title")]
        assert any("root → left" in t and "r 0.99" in t and "z 120" in t and "weight decay" in t for t in titles)
        assert any("twin — left" in t for t in titles)
        assert any("also copy, other copy" in t for t in titles)

    def test_declared_dashed_undirected_dotted_weights_shown_hidden_hollow(self):
        page = ET.fromstring(text(FAMILY, ".svg"))
        groups = {(g.get("data-parent"), g.get("data-child")): g for g in page.iter(f"{SVG}g")}
        lines = {ends: group.find(f"{SVG}path").get("stroke-dasharray") for ends, group in groups.items() if ends[0]}
        ends = [(e.parent, e.child) for e in FAMILY.edges]
        assert lines[ends[8]] == "6 4"
        assert lines[ends[5]] == "1.5 3.5"
        assert lines[ends[0]] is None
        assert groups[ends[5]].find(f"{SVG}polygon") is None
        assert groups[ends[0]].find(f"{SVG}polygon") is not None
        words = {one.text for one in page.iter(f"{SVG}text")}
        assert {"0.70", "0.30", "text decoder", "vision encoder", "not in the index", "only declared"} <= words
        hidden = next(g for g in page.iter(f"{SVG}g") if g.get("data-id") == b"hidden parent".hex())
        assert hidden.find(f"{SVG}rect").get("fill") == "#ffffff"


@each_lineage
def test_a_png_is_one(lineage):
    from PIL import Image

    once, again = (graphs.render(replace(lineage), "graph.png") for _ in range(2))
    assert once == again
    with Image.open(BytesIO(once)) as picture:
        assert picture.format == "PNG"
        assert min(picture.size) > 50
