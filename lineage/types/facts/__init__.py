"""Facts by subject: what was found, as an id and figures. The sentence about one is made in report.words.

A subject is loaded by the code that makes one of its facts: an answer has few of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import ClassVar

SUBJECTS = (
    "changes", "cues", "descent", "disguises", "exclusions", "handed_over", "limits", "schemes", "witnesses",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that was found, decided or left out; each subclass is a kind whose fields are its figures and names.

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


def kinds() -> Mapping[str, type[Fact]]:
    """Every kind of fact of these subjects, and of others that were imported, by its id."""
    for subject in SUBJECTS:
        import_module(f"{__name__}.{subject}")
    return KINDS
