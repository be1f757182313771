"""Exit codes of `--gate`, which tell a pipeline the outcome, and the relations and verdicts that it may name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from lineage.types import PolicyVerdict

VIOLATED, CONTRADICTED, INCONCLUSIVE = 20, 21, 30


def code_of(outcome: PolicyVerdict) -> int:
    """The exit code for an outcome."""
    return {"violated": VIOLATED, "inconclusive": INCONCLUSIVE, "nothing-found": 0}[outcome]


def words_of(_: click.Context, __: click.Parameter, text: str | None) -> tuple[str, ...] | None:
    """The relations and verdicts of a comma-separated list. Raises BadParameter for anything else."""
    if text is None:
        return None
    from lineage import policy

    given = tuple(word.strip() for word in text.split(","))
    for word in given:
        if word not in policy.WORDS:
            raise click.BadParameter(f"{word!r} is not a relation or verdict; choose from {', '.join(policy.WORDS)}")
    return given
