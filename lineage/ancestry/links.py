"""Small graphs of a few dozen nodes, without the import time of a graph library.

Everything beyond a simple traversal (finding cycles, shortest paths) uses networkx, imported on demand.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

Node = TypeVar("Node", bound=Hashable)


class Lines(Generic[Node]):
    """Directed edges (lines) between nodes, in the order in which they were added."""

    def __init__(self, lines: Iterable[tuple[Node, Node]] = ()) -> None:
        self._after: dict[Node, dict[Node, None]] = {}
        self.add(lines)

    def add(self, lines: Iterable[tuple[Node, Node]]) -> None:
        """Add lines, each as (from, to)."""
        for start, end in lines:
            self._after.setdefault(start, {})[end] = None
            self._after.setdefault(end, {})

    def __contains__(self, node: Node) -> bool:
        return node in self._after

    def after(self, node: Node) -> list[Node]:
        """The direct successors of a node."""
        return list(self._after[node])

    def beyond(self, node: Node) -> set[Node]:
        """All nodes reachable from a node, in one or more steps; the node itself if it lies on a cycle."""
        return _reached(self._after, self._after[node])

    def is_circular(self) -> bool:
        """Whether the graph has a cycle."""
        waiting = dict.fromkeys(self._after, 0)
        for ends in self._after.values():
            for end in ends:
                waiting[end] += 1
        free = [node for node, before in waiting.items() if not before]
        for node in free:  # grows during the loop
            for end in self._after[node]:
                waiting[end] -= 1
                if not waiting[end]:
                    free.append(end)
        return len(free) < len(self._after)


def joined(lines: Iterable[tuple[Node, Node]], nodes: Iterable[Node] = ()) -> list[set[Node]]:
    """Connected components of the lines, whatever their direction, in order of first appearance.

    `nodes` come first, connected or not.
    """
    beside: dict[Node, dict[Node, None]] = {node: {} for node in nodes}
    for one, other in lines:
        beside.setdefault(one, {})[other] = None
        beside.setdefault(other, {})[one] = None
    groups: list[set[Node]] = []
    seen: set[Node] = set()
    for node in beside:
        if node not in seen:
            groups.append(_reached(beside, [node]))
            seen |= groups[-1]
    return groups


def _reached(after: dict[Node, dict[Node, None]], start: Iterable[Node]) -> set[Node]:
    """All nodes reachable from `start`, which are included."""
    found, waiting = set[Node](), list(start)
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting += after[node]
    return found


def outward(lines: Iterable[tuple[Node, Node]], start: Node) -> list[tuple[Node, Node]]:
    """A spanning tree of the nodes connected to `start`: lines (nearer, farther), breadth first, in the given order."""
    beside: dict[Node, list[Node]] = {}
    for one, other in lines:
        beside.setdefault(one, []).append(other)
        beside.setdefault(other, []).append(one)
    found: list[tuple[Node, Node]] = []
    seen, waiting = {start}, [start]
    for node in waiting:  # grows during the loop
        for other in beside.get(node, ()):
            if other not in seen:
                seen.add(other)
                waiting.append(other)
                found.append((node, other))
    return found
