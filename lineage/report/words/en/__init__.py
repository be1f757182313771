"""English: one text for each fact."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lineage.report.words.en import exclusions

TEXTS: dict[str, Callable[[Any], str]] = {**exclusions.TEXTS}
