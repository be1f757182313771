"""Names that are given once in a file."""

from __future__ import annotations


class Names:
    """Hands out names, with a number behind those that were given before."""

    def __init__(self) -> None:
        self._given: dict[str, int] = {}

    def distinct(self, name: str) -> str:
        """The name itself at its first use, then `name.2`, `name.3`."""
        free, number = name, self._given.get(name, 0)
        while free in self._given:
            number += 1
            free = f"{name}.{number + 1}"
        self._given[name] = max(number, self._given.get(name, 0))
        self._given[free] = 0
        return free
