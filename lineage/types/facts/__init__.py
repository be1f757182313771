"""Facts by subject: what was found, as an id and figures. The sentence about one is made in report.words.

A subject is loaded by the code that makes one of its facts: an answer has few of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from lineage.types.facts.base import KINDS, Fact

SUBJECTS = (
    "changes", "cues", "descent", "disguises", "exclusions", "handed_over", "limits", "schemes", "witnesses",
)  # fmt: skip

__all__ = ["SUBJECTS", "Fact", "kinds"]


def kinds() -> Mapping[str, type[Fact]]:
    """Every kind of fact of these subjects, and of others that were imported, by its id."""
    for subject in SUBJECTS:
        import_module(f"{__name__}.{subject}")
    return KINDS
