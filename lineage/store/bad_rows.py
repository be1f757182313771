"""What a table holds that no version of this program writes."""

from __future__ import annotations


class BadRow(ValueError):
    """A row or a table that no version of this program writes."""
