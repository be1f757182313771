"""The whole ancestry graph as a page: each family folded, with its picture and its table, and a search over all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from markupsafe import Markup

from lineage.report.figures import count
from lineage.report.html.bundles import bundled
from lineage.report.html.document import document, scrolling, section
from lineage.report.html.markup import between, joined, tag
from lineage.report.html.picture import edge_word, legend, painted, picture
from lineage.report.html.texts import Texts, texts
from lineage.report.html.wording import NONE, model, r_figure, z_figure
from lineage.report.kinship import connected, founders
from lineage.report.words import Language
from lineage.types import Edge, Lineage, Node

_UNFOLDED = 60  # models up to which every family is unfolded
_FEW = 3  # founders named before the rest is counted


def render(lineage: Lineage) -> bytes:
    """The page in English."""
    return graph_page(lineage, "en")


def render_ko(lineage: Lineage) -> bytes:
    """The page in Korean."""
    return graph_page(lineage, "ko")


def graph_page(lineage: Lineage, language: Language = "en") -> bytes:
    """One self-contained HTML file; models in one box are listed one by one in the table below it."""
    from lineage import __version__

    say = texts(language)
    groups = connected(lineage.nodes, lineage.edges)
    related = [group for group in groups if len(group) > 1]
    alone = [group[0] for group in groups if len(group) == 1]
    edges = _edges_of(related, lineage.edges)
    is_open = len(lineage.nodes) <= _UNFOLDED
    folds = [
        _family(say, number, Lineage(group, tuple(own)), is_open or number == 1)
        for number, (group, own) in enumerate(zip(related, edges, strict=True), 1)
    ]
    if alone:
        folds.append(_alone(say, alone, is_open))
    texts_ = [tag("li", say.fact(one)) for one in lineage.contradictions]
    against = section("contradictions", say("graph.contradictions"), tag("ul", texts_)) if texts_ else ""
    body = joined(
        tag("header", tag("h1", say("graph.page")), _summary(say, lineage, len(related), len(alone))),
        tag(
            "main",
            tag("p", say("graph.intro")),
            legend(say, lineage.edges),
            _tools(say, lineage),
            section("families", say("graph.families"), *folds),
            against,
            id="content",
            tabindex=-1,
        ),
        tag("footer", tag("p", say("page.footer", version=__version__))),
    )  # fmt: skip
    return document(say, say("graph.page"), body, "graph.js")


def _summary(say: Texts, lineage: Lineage, related: int, alone: int) -> Markup:
    hidden = sum(not node.observed for node in lineage.nodes)
    facts = {
        "models": len(lineage.nodes) - hidden,
        "families": related,
        "hidden_parents": hidden,
        "alone_count": alone,
    }
    listed = [tag("div", tag("dt", say(f"graph.{key}")), tag("dd", f"{number:,}")) for key, number in facts.items()]
    return tag("dl", listed, class_="facts")


def _tools(say: Texts, lineage: Lineage) -> Markup:
    """The search and its filters; without scripts they stay hidden and everything can be unfolded by hand."""
    kinds = {"": "all", "measured": "measured_only", "declared": "declared_only", "open": "open_only"}
    options = [tag("option", say(f"graph.{key}"), value=value) for value, key in kinds.items()]
    return tag(
        "div",
        tag("label", say("graph.search"), tag("input", type="search", id="search", autocomplete="off")),
        tag("label", say("graph.show"), tag("select", options, id="kind")),
        tag("button", say("graph.unfold"), type="button", id="unfold", data_fold=say("graph.fold")),
        tag("output", "", id="matches", for_="search kind", data_text=say("graph.matches", shown="#", count="##")),
        class_="tools",
        hidden=True,
        data_models=len(lineage.nodes),
    )


def _edges_of(groups: Sequence[Sequence[Node]], edges: Sequence[Edge]) -> list[list[Edge]]:
    group_of = {node.id: i for i, group in enumerate(groups) for node in group}
    found: list[list[Edge]] = [[] for _ in groups]
    for edge in edges:
        if edge.parent != edge.child:
            found[group_of[edge.child]].append(edge)
    return found


def _family(say: Texts, number: int, family: Lineage, is_open: bool) -> Markup:
    drawn = bundled(say, family)
    rows = {node.id: f"f{number}-{i}" for i, node in enumerate(family.nodes)}
    first: dict[str, str] = {}
    for node in family.nodes:
        first.setdefault(drawn.box[node.id], rows[node.id])
    named = [model(node.name) for node in founders(family.nodes)]
    title = between(", ", named[:_FEW])
    if len(named) > _FEW:
        title = say("graph.and_more", founders=title, count=len(named) - _FEW)
    label = say("graph.label", count=len(family.nodes))
    graph = painted(drawn.lineage, first, hue=number - 1)
    parts = [
        scrolling(picture(say, graph, label), between(": ", [say("graph.region"), title])),
        tag("p", say("graph.bundled")) if len(drawn.lineage.nodes) < len(family.nodes) else "",
        _table(say, family, rows, title),
    ]
    facts = between(" · ", [say("graph.family_size", count=len(family.nodes)), _relations(say, family.edges)])
    return tag(
        "details", tag("summary", title, " ", tag("small", facts)), parts, class_="family", open=is_open
    )  # fmt: skip


def _relations(say: Texts, edges: Sequence[Edge]) -> Markup:
    """What joins a family, the most frequent first."""
    counted = Counter(edge.relation for edge in edges if edge.source == "measured")
    ranked = sorted(counted.items(), key=lambda one: (-one[1], one[0]))
    return between(", ", [joined(f"{number:,} ", say.word("relation", word)) for word, number in ranked])


def _table(say: Texts, family: Lineage, rows: Mapping[str, str], title: Markup) -> Markup:
    heads = [say("graph.model"), say("graph.size"), say("graph.licence_head")]
    heads += [say(f"edge.{key}") for key in ("relation", "parent", "direction", "source")]
    top = tag("tr", *(tag("th", head, scope="col") for head in (*heads, "r", "z")))
    body = list(_rows(say, family, rows))
    name = between(": ", [say("graph.table"), title])
    return scrolling(tag("table", tag("caption", name), tag("thead", top), tag("tbody", body)), name)


def _rows(say: Texts, family: Lineage, rows: Mapping[str, str]) -> Iterator[Markup]:
    """Each model with what leads to it; a model to which nothing leads has a row of its own."""
    names = {node.id: node.name for node in family.nodes}
    into: dict[str, list[Edge]] = {}
    for edge in family.edges:
        into.setdefault(edge.child, []).append(edge)
    for node in family.nodes:
        row = rows[node.id]
        for edge in into.get(node.id, ()):
            yield _row(say, node, row, edge, names[edge.parent])
            row = ""
        if node.id not in into:
            yield _row(say, node, row, None, "")


def _row(say: Texts, node: Node, anchor: str, edge: Edge | None, parent: str) -> Markup:
    name = tag("th", model(node.name), _aliases(node), scope="row", id=anchor or None)
    size = count(node.params) if node.params else NONE if node.observed else say("graph.absent")
    facts = [size, tag("bdi", node.licence) if node.licence else NONE]
    if edge is None:
        cells = [*facts, say("line.root") if node.root else NONE, NONE, NONE, NONE, NONE, NONE]
        return tag("tr", name, [tag("td", cell) for cell in cells], data_kind="measured")
    way = say("edge.directed") if edge.directed else say("edge.open")
    figures = [r_figure(edge.r), z_figure(edge.z)]
    cells = [*facts, edge_word(say, edge), model(parent), way, say(f"edge.{edge.source}"), *figures]
    kind = edge.source if edge.directed else f"{edge.source} open"
    return tag("tr", name, [tag("td", cell) for cell in cells], data_kind=kind)


def _aliases(node: Node) -> Markup:
    return tag("small", " = ", between(", ", node.aliases)) if node.aliases else Markup("")


def _alone(say: Texts, nodes: Sequence[Node], is_open: bool) -> Markup:
    """Models that nothing joins to another."""
    lone = Lineage(tuple(nodes), ())
    rows = {node.id: f"alone-{i}" for i, node in enumerate(nodes)}
    title = say("graph.alone_head")
    summary = tag("summary", title, " ", tag("small", f"{len(nodes):,}"))
    return tag("details", summary, _table(say, lone, rows, title), class_="family", open=is_open)
