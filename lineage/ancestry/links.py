"""Nodes that lines join, a few dozen of them: a question does not wait for a library of graphs, which loads for longer.

What takes more than a walk (circles, shortest paths) is networkx's, where it is asked for.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

Node = TypeVar("Node", bound=Hashable)


class Lines(Generic[Node]):
    """Lines from one node to another, in the order in which they were added."""

    def __init__(self, lines: Iterable[tuple[Node, Node]] = ()) -> None:
        self._after: dict[Node, dict[Node, None]] = {}
        self.add(lines)

    def add(self, lines: Iterable[tuple[Node, Node]]) -> None:
        """Draw more lines, each as (from, to)."""
        for start, end in lines:
            self._after.setdefault(start, {})[end] = None
            self._after.setdefault(end, {})

    def __contains__(self, node: Node) -> bool:
        return node in self._after

    def after(self, node: Node) -> list[Node]:
        """Where the lines of a node lead."""
        return list(self._after[node])

    def beyond(self, node: Node) -> set[Node]:
        """Every node that the lines of a node lead to, in however many steps; itself where they lead back to it."""
        return _reached(self._after, self._after[node])

    def is_circular(self) -> bool:
        """Whether some lines lead back to where they began."""
        waiting = dict.fromkeys(self._after, 0)
        for ends in self._after.values():
            for end in ends:
                waiting[end] += 1
        free = [node for node, before in waiting.items() if not before]
        for node in free:  # grows as it is read
            for end in self._after[node]:
                waiting[end] -= 1
                if not waiting[end]:
                    free.append(end)
        return len(free) < len(self._after)


def joined(lines: Iterable[tuple[Node, Node]], nodes: Iterable[Node] = ()) -> list[set[Node]]:
    """Groups of the nodes that lines join, whichever way these lead, in order of first appearance.

    `nodes` come first, be they joined to any or not.
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
    """Where one comes from some nodes, these among them."""
    found, waiting = set[Node](), list(start)
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting += after[node]
    return found


def outward(lines: Iterable[tuple[Node, Node]], start: Node) -> list[tuple[Node, Node]]:
    """A line to each node that `start` is joined to, as (nearer to it, farther), breadth first, in their order."""
    beside: dict[Node, list[Node]] = {}
    for one, other in lines:
        beside.setdefault(one, []).append(other)
        beside.setdefault(other, []).append(one)
    found: list[tuple[Node, Node]] = []
    seen, waiting = {start}, [start]
    for node in waiting:  # grows as it is read
        for other in beside.get(node, ()):
            if other not in seen:
                seen.add(other)
                waiting.append(other)
                found.append((node, other))
    return found
