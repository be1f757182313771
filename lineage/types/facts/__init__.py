"""Facts by subject: what the rooms found, as an id and figures. The sentence about one is made in report.words."""

from lineage.types.facts import changes, cues, descent, disguises, handed_over, limits, schemes, witnesses
from lineage.types.facts.base import KINDS, Fact
from lineage.types.facts.exclusions import Exclusion

__all__ = [
    "KINDS", "Exclusion", "Fact", "changes", "cues", "descent", "disguises", "handed_over", "limits", "schemes",
    "witnesses",
]  # fmt: skip
