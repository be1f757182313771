"""Whatever a model is called, it is text on a page."""

from __future__ import annotations

import html
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import Markup

from lineage.report.figures import plain
from lineage.report.html import whois_page
from lineage.report.html.families import graph_page
from lineage.report.html.markup import escaped, tag
from lineage.types.facts.descent import NamedIn
from tests.hand_made import FAMILY, against
from tests.html_pages import named, parsed

TEXTS = st.text(st.characters(), max_size=40) | st.text(
    st.sampled_from("<>\"'&/!-={}[]()% \n\u202e\x00scriptalh"), max_size=40
)
QUIET = parsed(whois_page(named("quiet"), "1.2.3"))
GRAPH = parsed(graph_page(FAMILY))


@given(TEXTS)
def test_escaped_text_reads_back_and_holds_no_markup(text):
    made = escaped(text)
    assert not set("<>\"'") & set(made)
    assert html.unescape(made) == plain(text)
    assert parsed(tag("p", text, title=text).encode()).attributes == [("p", {"title": plain(text)})]


@given(TEXTS)
def test_markup_around_a_text_never_leaves_an_attribute(text):
    inner = tag("span", text, lang=text)
    assert parsed(tag("p", title=Markup(inner)).encode()).attributes == [("p", {"title": plain(text)})]


@settings(max_examples=15)
@given(TEXTS)
def test_no_name_adds_an_element_to_a_report(name):
    found = parsed(whois_page(named(name), "1.2.3"))
    assert set(found.tags) <= set(QUIET.tags)
    assert found.data["ancestors"][0]["model_name"] == name


@settings(max_examples=15)
@given(TEXTS)
def test_no_name_adds_an_element_to_a_graph(name):
    nodes = tuple(replace(node, name=name, licence=name, aliases=(name,)) for node in FAMILY.nodes)
    edges = tuple(replace(edge, component=name, basis=(NamedIn(name),)) for edge in FAMILY.edges)
    found = parsed(graph_page(replace(FAMILY, nodes=nodes, edges=edges, contradictions=(against(name, name, name),))))
    assert set(found.tags) <= set(GRAPH.tags) | {"small"}
    assert found.tags["script"] == 1
