"""Logical parts, roles, layer order, orientation, components and legal axes of a model's tensors; fixed tables."""

from __future__ import annotations

from lineage.anatomy.describe import Anatomy, describe
from lineage.anatomy.fixed import fixed_rows, fixed_table
from lineage.anatomy.unpacking import unpacked

__all__ = ["Anatomy", "describe", "fixed_rows", "fixed_table", "unpacked"]
