"""Signed sums of the rows of a matrix, and sums of powers of its values, for CPUs with AVX-512."""

from lineage_fast._rows import add, usable

__all__ = ["add", "usable"]
