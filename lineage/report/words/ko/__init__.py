"""Korean: one text for each fact."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lineage.report.words.ko import (
    changes,
    cues,
    descent,
    disguises,
    exclusions,
    handed_over,
    limits,
    schemes,
    witnesses,
)

TEXTS: dict[str, Callable[[Any], str]] = {
    **exclusions.TEXTS,
    **cues.TEXTS,
    **changes.TEXTS,
    **descent.TEXTS,
    **disguises.TEXTS,
    **limits.TEXTS,
    **schemes.TEXTS,
    **witnesses.TEXTS,
    **handed_over.TEXTS,
}
