"""The protocol of every index, whether it is a database, a folder of sketches or a remote service."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from functools import reduce
from hashlib import blake2b
from typing import TYPE_CHECKING, Protocol, Self, TypeVar

from lineage.errors import Gone, Unknown
from lineage.sketch.adapters import kind_of
from lineage.sketch.family import FAMILY
from lineage.types import CheckpointSketch, Codes, ModelKind, ModelRecord, Near, SearchCue

if TYPE_CHECKING:
    from lineage.types import Neighbours, TokenizerSketch
    from lineage.types.facts.handed_over import Figure

_TRIES = 32  # a writer that is never idle takes a model out while others are read, but not each time

Answer = TypeVar("Answer")


class Index(Protocol):
    """A set of sketched models that can be searched; one contract suite runs over every implementation."""

    @property
    def id(self) -> str:
        """Digest over the sketch family and the model ids: names what a search has searched."""

    @property
    def state(self) -> Hashable | None:
        """Equal states, even of different objects, mean that a search finds the same; None where that is unknown."""

    def __len__(self) -> int:
        """Number of models."""

    @property
    def unsearched(self) -> int:
        """Number of further models, of other sketch families, which are not searched."""

    def models(self) -> list[ModelRecord]:
        """Every model, ordered by name and id."""

    def count(self, kind: ModelKind) -> int:
        """Number of models of a kind."""

    def records(self, models: Collection[str]) -> list[ModelRecord]:
        """The models of these ids that are there, ordered by name and id."""

    def called(self, text: str) -> list[ModelRecord]:
        """The models that `text` can mean: see `find_model`."""

    def load(self, model: str) -> CheckpointSketch:
        """The whole sketch of a model, under the index's name for it. Raises Unknown and CheckpointError.

        Of several layouts it is the one that came first.
        """

    def layouts(self, model: str) -> list[CheckpointSketch]:
        """The sketch of a model in each of its layouts, ordered by layout, not by time of addition.

        All go by the index's name for the model. Raises Unknown and CheckpointError.
        """

    def same_digests(self, digests: Collection[str]) -> dict[str, list[tuple[str, str]]]:
        """For each of `digests` that is a tensor's full or band digest: its (model id, tensor name) pairs, ordered."""

    def nearest(self, asked: Codes, kind: ModelKind, k: int) -> Mapping[SearchCue, Sequence[Near]]:
        """For each code of the query and each cue, the `k` nearest models of a kind, each once, best first."""


class Home(Index, Protocol):
    """An index of the user, which is written to; also a context manager that closes it."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...

    def find(self, text: str) -> ModelRecord:
        """The one model, of any sketch family, of that id, unique prefix, name or alias. Raises Unknown."""

    def copied(self, sketch: CheckpointSketch) -> str | None:
        """The name of a model that is there and holds the same values in another layout; None if there is none."""

    def contradicted(self, sketch: CheckpointSketch) -> tuple[str, Figure] | None:
        """The name of the model under the id of `sketch`, and the figure in which the two contradict each other."""

    def tokenizers(self, asked: TokenizerSketch, without: str | None = None) -> list[tuple[str, Neighbours, bool]]:
        """The different tokenizers of the models but `without`, by the first model that has each.

        Each with at how many anchors it keeps the neighbours of the asked one, and whether it has the same tokens.
        """

    def tokenizer(self, model: str) -> TokenizerSketch | None:
        """The tokenizer of the model of that id, under its name; None where its sketch has none or cannot be read."""

    def add(self, sketch: CheckpointSketch, version: str) -> bool:
        """Add a model or another layout of one, or note another name or path; whether a sketch was written."""

    def finish_run(self) -> None:
        """Record that the additions are complete."""

    def remove(self, model: str) -> None:
        """Remove the model of that id. Raises Unknown."""


class OfAllFamilies(ABC):
    """An index that also keeps models of other sketch families: they are not searched, but maintained."""

    shown: str
    """What errors call the index."""

    def called(self, text: str) -> list[ModelRecord]:
        """The models of this version's sketch family that `text` can mean: see `find_model`."""
        return [record for record in self._called(text) if record.family == FAMILY]

    def find(self, text: str) -> ModelRecord:
        """The one model, of any sketch family, of that id, unique prefix, name or alias.

        Raises Unknown for none or several.
        """
        return only_one(text, self._called(text), self.shown)

    @abstractmethod
    def _called(self, text: str) -> list[ModelRecord]:
        """The models of any sketch family that `text` can mean, without a look at all of them."""


EMPTY = "0" * 16
"""The name of the set of no models."""


def set_id(models: Iterable[str]) -> str:
    """Name of a set of models of this version's sketch family: 16 hexadecimal digits."""
    return reduce(toggled, models, EMPTY)


def toggled(name: str, model: str) -> str:
    """The name of a set with one model added or, if it was there, removed: the digests of all, combined by XOR.

    So one model is added to a million without looking at them. It names a set; it does not prove what is in it.
    """
    return joined(name, blake2b(f"{FAMILY}\n{model}".encode(), digest_size=8).hexdigest())


def joined(name: str, other: str) -> str:
    """The name of two sets together that have no model in common."""
    return f"{int(name, 16) ^ int(other, 16):016x}"


def models_in(indexes: Sequence[Index], kind: ModelKind) -> int:
    """Number of models of a kind in all of the indexes together, those that two of them hold once.

    Asks the largest for the ids of the others.
    """
    if not indexes:
        return 0
    *rest, largest = sorted(indexes, key=len)
    ids = {record.id for index in rest for record in index.models() if kind_of(record) == kind}
    return largest.count(kind) + len(ids) - sum(kind_of(one) == kind for one in largest.records(ids))


def settled(ask: Callable[[], Answer]) -> Answer:
    """An answer from indexes as they were before or after a change beside it, never from something between.

    `ask` is called again where a model was removed while it read. Raises Gone where that happens at every try.
    """
    for _ in range(_TRIES - 1):
        try:
            return ask()
        except Gone:
            continue
    return ask()


def find_model(text: str, records: Sequence[ModelRecord]) -> list[ModelRecord]:
    """The models that `text` can mean: by id, else by exact name or alias, else by a prefix of the id."""
    return (
        [r for r in records if r.id == text]
        or [r for r in records if text == r.name or text in r.aliases]
        or [r for r in records if text and r.id.startswith(text)]
    )


def only_one(text: str, found: list[ModelRecord], where: str) -> ModelRecord:
    """The single record of `found`. Raises Unknown, which names the candidates, for none or several."""
    if not found:
        raise Unknown(f"{where}: no model of id, name or alias {text!r}: `lineage list` shows them")
    if len(found) > 1:
        several = ", ".join(f"{r.id[:12]} ({r.name})" for r in found[:5])
        raise Unknown(f"{where}: {text!r} can be {len(found)} models, {several}: give more of the id")
    return found[0]
