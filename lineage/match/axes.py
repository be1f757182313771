"""Which axes of a pair of tensors may be tested, and under which shared relabelling."""

from __future__ import annotations

from lineage.types import Axis, Part

_GUESSED = "length:"  # label prefix of an axis that anatomy groups by its length only


def facing(axis: int, transposed: bool) -> int:
    """The axis of the reference that faces `axis` of the query."""
    return 1 - axis if transposed else axis


def shared_label(a: Part, b: Part, axis: int, transposed: bool) -> str | None:
    """Label of the relabelling that both tensors' units share along `axis` of the query; None if they share none.

    The test is exact if relabelling the units of *one* of the two networks changes nothing. So if the names of one side
    show this and those of the other are not understood (renamed, or stored transposed), the first decides. A side with
    an axis that is known to be fixed (tokens, positions, data) excludes it.
    """
    mine, theirs = a.axes[axis], b.axes[facing(axis, transposed)]
    if mine.exchangeable and theirs.exchangeable:
        return mine.label
    sure, other = (mine, theirs) if mine.exchangeable else (theirs, mine)
    if sure.exchangeable and _is_understood(sure) and (transposed or not _is_understood(other)):
        return sure.label
    return None


def _is_understood(axis: Axis) -> bool:
    return axis.label != "unknown" and not axis.label.startswith(_GUESSED)
