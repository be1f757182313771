"""How much of a model a finding is about."""

from __future__ import annotations

from lineage.types import ComponentFinding


def share_inherited(finding: ComponentFinding) -> float:
    """Share of the model's parameters that a component has from another model, where it has any.

    As far as is known: the whole component.
    """
    return finding.share
