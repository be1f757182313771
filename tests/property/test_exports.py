"""What is written to a file comes back from it, whatever models and cards are called."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prov.model import ProvDerivation, ProvEntity, ProvMembership

from lineage.errors import LineageError
from lineage.report import graphs
from lineage.report.figures import each_text, plain
from lineage.report.graphs.json import document as as_json
from lineage.report.graphs.network import xml_text
from lineage.types import Edge, Lineage, Node, Relation
from lineage.types.facts.descent import DeclaredUnrelated, NamedIn
from tests import standards
from tests.hand_made import HOSTILE

texts = st.one_of(st.sampled_from(HOSTILE), st.text(st.characters(exclude_categories=()), max_size=12))
digests = st.text("0123456789abcdef", min_size=64, max_size=64)
shares = st.none() | st.floats(0, 1)
figures = st.none() | st.floats(-1e9, 1e9) | st.sampled_from([float("inf"), float("nan")])
addresses = (
    st.none() | st.sampled_from(["hf:a/b@main", f"hf:a/b@{'0' * 40}/unet", "pypi:a_b==1", "https://h/f"]) | texts
)


@st.composite
def nodes(draw: st.DrawFn, number: int) -> Node:
    return Node(
        id=f"{number:032x}",
        name=draw(texts),
        params=draw(st.integers(0, 10**13)),
        aliases=tuple(draw(st.lists(texts, max_size=2))),
        observed=draw(st.booleans()),
        licence=draw(st.none() | st.sampled_from(["mit", "Apache-2.0 OR MIT", "other"]) | texts),
        root=draw(st.booleans()),
        copies=tuple(draw(st.lists(texts, max_size=2))),
        address=draw(addresses),
        files=tuple(draw(st.lists(st.tuples(texts, digests), max_size=2, unique_by=lambda file: plain(file[0])))),
    )


@st.composite
def edges(draw: st.DrawFn, ends: list[str]) -> Edge:
    return Edge(
        parent=draw(st.sampled_from(ends)),
        child=draw(st.sampled_from(ends)),
        relation=draw(st.sampled_from([*Relation])),
        directed=draw(st.booleans()),
        source=draw(st.sampled_from(["measured", "declared"])),
        component=draw(st.none() | texts),
        share=draw(shares),
        weight=draw(shares),
        r=draw(figures),
        z=draw(figures),
        log10_p=draw(figures),
        confidence=draw(shares),
        basis=tuple(map(NamedIn, draw(st.lists(texts, max_size=2)))),
        layer_map=draw(st.none() | st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), max_size=3).map(tuple)),
    )


@st.composite
def lineages(draw: st.DrawFn) -> Lineage:
    drawn = [draw(nodes(number)) for number in range(draw(st.integers(1, 5)))]
    ends = [node.id for node in drawn]
    return Lineage(
        tuple(drawn),
        tuple(draw(st.lists(edges(ends), max_size=6))),
        tuple(draw(st.lists(st.builds(DeclaredUnrelated, texts, texts, texts, texts, texts), max_size=2))),
        draw(st.none() | st.sampled_from(ends)),
    )


def rows(values: list[dict[str, Any]]) -> list[str]:
    """Values without what is unknown, in an order of their own."""
    return sorted(json.dumps({k: v for k, v in one.items() if v is not None}, sort_keys=True) for one in values)


def unpacked(facts: dict[str, Any], lists: tuple[str, ...]) -> dict[str, Any]:
    return {key: json.loads(value) if key in lists else value for key, value in facts.items()}


LISTS = ("aliases", "copies", "files", "basis", "layer_map")


@given(lineages())
def test_graphml_gives_back_all_that_is_known_of_nodes_and_edges(lineage):
    value = each_text(as_json(lineage), xml_text)
    read = nx.read_graphml(BytesIO(graphs.render(lineage, "x.graphml")), force_multigraph=True)
    found = [{"id": key} | unpacked(facts, LISTS) for key, facts in read.nodes(data=True)]
    assert rows(found) == rows(value["nodes"])
    ends = [{"parent": u, "child": v} | unpacked(facts, LISTS) for u, v, facts in read.edges(data=True)]
    assert rows(ends) == rows([without_names(edge) for edge in value["edges"]])


@given(lineages())
def test_prov_gives_back_all_that_is_known_of_nodes_and_edges(lineage):
    value = each_text(as_json(lineage), plain)
    document = standards.read_prov(graphs.render(lineage, "x.prov.json"))
    entities = [known(record) for record in document.get_records(ProvEntity)]
    derivations = [known(record) for record in document.get_records(ProvDerivation)]
    assert rows([one for one in entities if "params" in one]) == rows(value["nodes"])
    assert rows([*derivations, *(one for one in entities if "relation" in one)]) == rows(
        [without_facts(edge) for edge in value["edges"]]
    )
    assert sorted(ends_of(record) for record in document.get_records(ProvDerivation)) == sorted(
        (edge["child"], edge["parent"]) for edge in value["edges"] if edge["directed"]
    )
    assert sorted(ends_of(record)[1] for record in document.get_records(ProvMembership)) == sorted(
        end for edge in value["edges"] if not edge["directed"] for end in {edge["parent"], edge["child"]}
    )


def known(record: Any) -> dict[str, Any]:
    """Attributes of a record in our namespace."""
    own = {name.localpart: value for name, value in record.extra_attributes if name.namespace.prefix == "lineage"}
    return unpacked(own, LISTS)


def ends_of(record: Any) -> tuple[str, ...]:
    return tuple(str(end).removeprefix("lineage:model/") for end in record.args[:2])


def without_names(edge: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in without_facts(edge).items() if not key.endswith("_name")}


def without_facts(edge: dict[str, Any]) -> dict[str, Any]:
    """What other formats than JSON have of an edge: the reasons in English only."""
    return {key: value for key, value in edge.items() if key != "basis_facts"}


@pytest.mark.parametrize("ending", [one for one in graphs.ENDINGS if not one.endswith((".png", ".html"))])
@given(lineage=lineages())
def test_every_export_is_valid_and_says_what_was_measured(ending, lineage):
    if ending == ".intoto.json" and not has_subject(lineage):
        with pytest.raises(LineageError):
            graphs.render(lineage, f"x{ending}")
        return
    page = graphs.render(lineage, f"x{ending}")
    standards.CHECKS.get(ending, bytes.decode)(page)
    if ending in standards.SOURCES:
        assert sorted(standards.SOURCES[ending](page)) == sorted(edge.source for edge in lineage.edges)


def has_subject(lineage: Lineage) -> bool:
    return any(node.observed and lineage.about in (None, node.id) for node in lineage.nodes)
