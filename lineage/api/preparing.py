"""Questions about known models, worked on ahead, so that whoever asks finds what they have in common with others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

from lineage.api.indexes import indexes
from lineage.errors import LineageError


def prepared(
    index: str | Path | None = None,
    *,
    reference: bool = True,
    most: int,
    first: float = 0.0,
    is_asked: Callable[[], bool],
) -> Iterator[bool]:
    """Work on the questions about `most` models of the user's index, one at each step: whether it was finished.

    What is kept of them lies in this process (comparisons, candidates, answers), within its bounds. A step ends at the
    next comparison once `is_asked` says that somebody asks, and is taken up again. `first` is where to begin, 0..1.
    """
    with indexes(index, reference) as searched:
        models = [record.id for record in islice(searched[0].models(), most)]
    begin = int(first * len(models))
    for model in (*models[begin:], *models[:begin]):
        while not (finished := _is_finished(model, index, reference, is_asked)):
            yield finished
        yield finished


def _is_finished(model: str, index: str | Path | None, reference: bool, is_asked: Callable[[], bool]) -> bool:
    """Whether the question about a model was finished; so is that about one that is gone or cannot be compared."""
    from lineage import ancestry

    try:
        with indexes(index, reference) as searched, ancestry.giving_way(is_asked):
            known = searched[0].layouts(model)[0]
            # As a sketch that is handed over is: its weights are not seen, and it is called otherwise than any model.
            ancestry.whois(replace(known, name=f"question about {model}", weights_seen=False), searched)
    except ancestry.GaveWay:
        return False
    except LineageError:
        return True
    return True
