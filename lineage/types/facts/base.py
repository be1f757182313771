"""What every fact has: an id."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that was found, decided or left out; a subclass a kind, whose fields are its figures and names.

    `id` is a literal, the same in every language and version: it goes into JSON, and `report.words` has a text for it.
    """

    id: ClassVar[str]
