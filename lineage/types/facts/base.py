"""What every fact has: an id, and a place among the kinds of facts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that was found, decided or left out; a subclass a kind, whose fields are its figures and names.

    `id` is a literal, the same in every language and version: it goes into JSON, and `report.words` has a text for it.
    A class without one is a group of kinds.
    """

    id: ClassVar[str]

    def __init_subclass__(cls) -> None:
        """Register a kind under its id. Raises TypeError for an id that another class has."""
        if "id" not in vars(cls):
            return
        known = KINDS.setdefault(cls.id, cls)
        if (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            raise TypeError(f"{cls.__qualname__} has the id of {known.__qualname__}: {cls.id}")
        KINDS[cls.id] = cls  # slots make a class anew


KINDS: dict[str, type[Fact]] = {}
"""Every kind of fact that was imported, by its id."""
