"""What an index knows about its models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lineage.types.checkpoints import Declared
from lineage.types.words import Depth


@dataclass(frozen=True, slots=True)
class Layout:
    """Another form in which the content of a model was seen: other names or encodings of its tensors, another format.

    `id` is made of these, see `lineage.sketch.layouts.layout_id`; `name` and `source` are those of its file,
    `weights_seen` is as in CheckpointSketch.
    """

    id: str
    name: str
    format: str
    source: str
    weights_seen: bool | None = True


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """What an index knows about one model without opening its sketch.

    `components` maps each component to its number of weights; `aliases` are other names and paths under which the same
    content was seen; `source` is the path or package that it came from; `added` is ISO 8601 in UTC,
    None where the index keeps no date. `layouts` are those that the content has beside the first, ordered by id.
    `content` is equal for models of equal values in any layout (see `lineage.sketch.layouts.content_key`), None
    where the index does not know it. `weights_seen` is as in CheckpointSketch.
    """

    id: str
    name: str
    family: str
    depth: Depth
    params: int
    tensors: int
    format: str
    architecture: str
    source: str
    components: Mapping[str, int]
    licence: str | None = None
    declared: tuple[Declared, ...] = ()
    aliases: tuple[str, ...] = ()
    added: str | None = None
    layouts: tuple[Layout, ...] = ()
    content: str | None = None
    weights_seen: bool | None = True


ModelKind = Literal["model", "adapter"]
"""Kinds that are searched only among themselves."""

SearchCue = Literal["component", "rows", "network", "tensor"]
"""How a model is found: by a whole component, the rows of a component in any order, the action of its neurons
on the tokens, a single tensor."""

Codes = Mapping[SearchCue, NDArray[np.uint8]]
"""Search codes by cue, uint8 (n, bytes of `lineage.sketch.search_codes.WIDTHS`): the nearer two things are, the more
bits of their codes agree."""

Near = Sequence[tuple[str, float]]
"""Ids of models with the similarity of their nearest code (1: equal, about 0: unrelated), best first."""
