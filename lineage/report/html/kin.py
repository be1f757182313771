"""As much of the ancestry graph of an answer as a picture can show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice

from lineage.report.text.answered import lineage_of
from lineage.types import Lineage, Whois

_MOST = 28  # models in the picture of one answer


def kin(answer: Whois, relatives: Lineage | None = None) -> tuple[Lineage, int]:
    """The graph to draw for an answer, and how many relatives were left out of it; `relatives` as for `lineage_of`.

    The model, the line above it and its neighbours come first; then more and more distant relatives, while there is
    room.
    """
    lineage = lineage_of(answer, relatives)
    query = lineage.about or answer.sketch.id
    query = answer.sketch.id if lineage.about is None else lineage.about
    above: dict[str, list[str]] = {}
    beside: dict[str, list[str]] = {}
    for edge in lineage.edges:
        above.setdefault(edge.child, []).append(edge.parent)
        beside.setdefault(edge.parent, []).append(edge.child)
        beside.setdefault(edge.child, []).append(edge.parent)
    line = _reached([query], above)
    kept = set(islice(dict.fromkeys([*line, *beside.get(query, ()), *_reached(line, beside)]), _MOST))
    nodes = tuple(node for node in lineage.nodes if node.id in kept)
    inside = (edge for edge in lineage.edges if edge.parent in kept and edge.child in kept)
    edges = tuple(sorted(inside, key=lambda edge: query not in (edge.parent, edge.child)))
    against = tuple(one for one in lineage.contradictions if one.child in kept)
    return replace(lineage, nodes=nodes, edges=edges, contradictions=against), len(lineage.nodes) - len(nodes)


def _reached(start: Iterable[str], onwards: Mapping[str, Sequence[str]]) -> list[str]:
    """Everything that steps lead to, nearest first."""
    found = dict.fromkeys(start)
    waiting = list(found)
    for here in waiting:
        for there in onwards.get(here, ()):
            if there not in found:
                found[there] = None
                waiting.append(there)
    return waiting
