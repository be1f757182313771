"""Logical parts, roles, layer order, orientation, components and legal axes of a model's tensors; fixed tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lineage.on_first_use import names_of

if TYPE_CHECKING:
    from lineage.anatomy.describing import Anatomy, describe
    from lineage.anatomy.fixed import fixed_rows, fixed_table
    from lineage.anatomy.glances import may_be_formulas
    from lineage.anatomy.unpacking import unpacked

__all__ = ["Anatomy", "describe", "fixed_rows", "fixed_table", "may_be_formulas", "unpacked"]

__getattr__ = names_of(
    __name__,
    {
        "Anatomy": "describing", "describe": "describing", "fixed_rows": "fixed", "fixed_table": "fixed",
        "may_be_formulas": "glances", "unpacked": "unpacking",
    },
)  # fmt: skip
