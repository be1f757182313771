"""The tokenizers of an index, found by the tokens that follow each other in them.

A sketch keeps what follows the tokens of least hash (its anchors). Of tokenizers that were trained apart hardly any
anchor is followed by the same token, of related ones many are: so a list of all anchors by hash tells which sketches to
open. A MinHash of tokens would not do, since unrelated tokenizers share most of theirs. The list is a cache in
`vectors/`, one file for each state of the index; it can be deleted at any time, and one that is damaged is made again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from lineage.atomic_write import write_whole
from lineage.errors import CheckpointError
from lineage.sketch import tokenizer_of_sketch
from lineage.sketch.tokenizer import RUN, TOKENIZER_FAMILY
from lineage.store.database import plain_errors
from lineage.store.files import VECTORS
from lineage.types import Neighbours, TokenizerSketch

if TYPE_CHECKING:
    from lineage.store.sqlite import SqliteIndex

SUFFIX = ".tokenizers"
_ENTRY = np.dtype([("anchor", "<u8"), ("owner", "<u4"), ("run", "<u4", (RUN,))])
_MOST = 1 << 30  # bytes: tens of thousands of tokenizers


@dataclass(frozen=True, slots=True, eq=False)
class TokenizerTable:
    """The anchors of the distinct tokenizers of an index.

    `models` are the ids of those that have each, `contents` the digests of their tokens; `entries` (m,) have an anchor,
    the place of its tokenizer and what follows, in the order of anchors.
    """

    models: tuple[tuple[str, ...], ...]
    contents: tuple[str, ...]
    entries: NDArray[Any]

    def near(self, asked: TokenizerSketch) -> list[tuple[tuple[str, ...], Neighbours, bool]]:
        """For each tokenizer its models, at how many anchors neighbours are kept, and whether it has the same tokens.

        The same as `match.tokenizers.shared.neighbours` counts, for all of them at once.
        """
        anchors = asked.hashes[: len(asked.runs)]
        begin, end = (np.searchsorted(self.entries["anchor"], anchors, side=side) for side in ("left", "right"))
        found = np.repeat(np.arange(len(anchors)), end - begin)
        places = np.arange(len(found)) + np.repeat(begin - (np.cumsum(end - begin) - (end - begin)), end - begin)
        ours, theirs = asked.runs[found], self.entries["run"][places]
        inside = (ours[:, 0] != 0) & (theirs[:, 0] != 0)
        kept = inside & ((ours == theirs[:, :1]).any(axis=1) | (theirs == ours[:, :1]).any(axis=1))
        owners, count = self.entries["owner"][places], len(self.models)
        tested, same = (np.bincount(owners[flags], minlength=count) for flags in (inside, kept))
        return [
            (models, Neighbours(int(same[i]), int(tested[i])), self.contents[i] == asked.content)
            for i, models in enumerate(self.models)
        ]


def tokenizer_table(index: SqliteIndex) -> TokenizerTable:
    """The table of an index in its present state, from the cache or made anew."""
    path, state = index.folder / VECTORS / f"{index.id}{SUFFIX}", _state(index)
    kept = _read(path, state)
    if kept is not None:
        return kept
    read, unread = [], 0
    for record in index.models():
        try:
            read.append((record.id, tokenizer_of_sketch(index.sketch_file(record.id, None, record.weights_seen))))
        except (CheckpointError, OSError):  # `lineage doctor` tells of it; it may be mended
            unread += 1
    made = _made((model, one) for model, one in read if one is not None)
    if not unread:
        _keep(path, _written(made, state))
    return made


def _keep(path: Path, content: bytes) -> None:
    with suppress(OSError):  # a folder that cannot be written costs time, nothing else
        path.parent.mkdir(exist_ok=True)
        for old in path.parent.glob(f"*{SUFFIX}"):
            old.unlink()
        write_whole(path, content)


def _state(index: SqliteIndex) -> str:
    """What tells whether a sketch was written again: a model may be ingested once more with its tokenizer."""
    with plain_errors(index.folder):
        rows = index.db.execute("select id, file_sha256 from models order by id").fetchall()
    return blake3(repr(rows).encode()).hexdigest()


def tokenizer_of(index: SqliteIndex, model: str, name: str) -> TokenizerSketch | None:
    """The tokenizer of a model, under that model's name; None where its sketch cannot be read."""
    try:
        (record,) = index.records([model])
        found = tokenizer_of_sketch(index.sketch_file(model, None, record.weights_seen))
    except (CheckpointError, OSError, ValueError):  # ValueError: it was taken out meanwhile
        return None
    return None if found is None else replace(found, name=name)


def _made(tokenizers: Iterable[tuple[str, TokenizerSketch]]) -> TokenizerTable:
    distinct: dict[tuple[str, bytes], tuple[list[str], TokenizerSketch]] = {}
    for model, one in tokenizers:
        special = b"" if one.special is None else one.special.tobytes()
        distinct.setdefault((one.digest, special), ([], one))[0].append(model)
    ordered = sorted(distinct.values(), key=lambda pair: min(pair[0]))
    parts = []
    for place, (_, one) in enumerate(ordered):
        part = np.zeros(len(one.runs), _ENTRY)
        part["anchor"], part["owner"], part["run"] = one.hashes[: len(one.runs)], place, one.runs
        parts.append(part)
    entries = np.concatenate([np.zeros(0, _ENTRY), *parts])
    models = tuple(tuple(sorted(ids)) for ids, _ in ordered)
    entries = entries[np.argsort(entries["anchor"], kind="stable")]
    return TokenizerTable(models, tuple(one.content for _, one in ordered), entries)


def _written(table: TokenizerTable, state: str) -> bytes:
    body = table.entries.tobytes()
    head = {
        "family": TOKENIZER_FAMILY, "state": state, "models": table.models, "contents": table.contents,
        "digest": blake3(body).hexdigest(),
    }  # fmt: skip
    return json.dumps(head).encode() + b"\n" + body


def _read(path: Path, state: str) -> TokenizerTable | None:
    """A table that is sound and of that state; None for any other file."""
    try:
        if path.stat().st_size > _MOST:
            return None
        first, _, body = path.read_bytes().partition(b"\n")
        head = json.loads(first)
        models = tuple(tuple(map(str, ids)) for ids in head["models"])
        entries = np.frombuffer(body, _ENTRY)
        is_sound = (head["family"], head["state"]) == (TOKENIZER_FAMILY, state) and head["digest"] == blake3(
            body
        ).hexdigest()
        if not is_sound or len(models) != len(head["contents"]) or np.any(entries["owner"] >= len(models)):
            return None
        return TokenizerTable(models, tuple(map(str, head["contents"])), entries)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
