"""Files beside the weights (tokenizer, configuration), compared with those of public models and of an index."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeGuard

from lineage import store
from lineage.types import CheckpointSketch, Whois, Witnesses

if TYPE_CHECKING:
    from lineage.store import Home, Index
    from lineage.types import TokenizerComparison, TokenizerSketch
    from lineage.types.settings import ConfigurationFound


def witnessed(answer: Whois, searched: Iterable[Index], reference: bool) -> Whois:
    """An answer with its witnesses: the nearest tokenizer, and the nearest published configurations.

    None for each that the model lacks, or for which none is known. Raises Malformed for a damaged reference.
    """
    asked = answer.sketch
    tokenizer = None if asked.tokenizer is None else nearest(asked.tokenizer, searched, reference, asked.id)
    configuration = _configuration(asked) if reference and asked.configuration else None
    return replace(answer, witnesses=Witnesses(tokenizer, configuration))


def nearest(
    tokenizer: TokenizerSketch, searched: Iterable[Index], reference: bool, model: str | None = None
) -> TokenizerComparison | None:
    """The nearest of the tokenizers that ship and of those of the user's models that may be related.

    Sketches of other models are not opened; the tokenizer of `model` itself is left out.
    """
    from lineage.match.tokenizers import nearest_tokenizer

    known = list(store.reference_tokenizers()) if reference else []
    more = 0
    for index in searched:
        if _is_owned(index):
            near, others = store.settled(partial(_near, index, model, tokenizer))
            known += near
            more += others
    return nearest_tokenizer(tokenizer, known, more)


def _configuration(asked: CheckpointSketch) -> ConfigurationFound | None:
    from lineage.match.settings import nearest_configuration

    return nearest_configuration(asked.configuration, store.published_configurations())


def _is_owned(index: Index) -> TypeGuard[Home]:
    """Whether it is an index of the user; tested this way since importing its class would load sqlite or pymilvus."""
    return hasattr(index, "tokenizers")


def _near(index: Home, model: str | None, tokenizer: TokenizerSketch) -> tuple[list[TokenizerSketch], int]:
    """The tokenizers of other models that may be related, and the number of the rest."""
    from lineage.match.tokenizers import is_near

    near: list[TokenizerSketch] = []
    others = 0
    for first, neighbours, is_same in index.tokenizers(tokenizer, model):
        found = index.tokenizer(first) if is_near(neighbours, is_same=is_same) else None
        if found is not None:
            near.append(found)
        else:
            others += 1
    return near, others
