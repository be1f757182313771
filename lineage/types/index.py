"""What an index tells of its models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lineage.types.checkpoints import Declared
from lineage.types.words import Depth


@dataclass(frozen=True, slots=True)
class Layout:
    """Another form in which the content of a model was seen: other names or encodings of its tensors, another format.

    `id` is made of these, see `lineage.sketch.layouts.layout_id`; `name` and `source` are those of its file.
    """

    id: str
    name: str
    format: str
    source: str


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """What an index knows of one model without opening its sketch.

    `components` maps each component to its number of weights; `aliases` are other names and paths under which the same
    content was seen; `source` is the path or package that it came from; `added` is ISO 8601 in UTC,
    None where the index keeps no date. `layouts` are those that the content has beside the first, ordered by id.
    `content` is equal for models of equal values in whatever layout (see `lineage.sketch.layouts.content_key`), None
    where the index does not know it.
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


@dataclass(frozen=True, slots=True)
class Hit:
    """A tensor of an indexed model near to one of the query: model id, place in its sketch, inner product."""

    model_id: str
    tensor: int
    score: float
