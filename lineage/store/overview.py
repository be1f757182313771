"""A cache of what every query needs of all models in a folder of sketches.

The cache is one file: a BLAKE3 digest of 32 bytes over the rest, a line of JSON (records, and who holds which digest),
and the search codes as `lineage.store.segments` writes them. It is named after the version and the files that it was
made from, by their names, sizes and times. A file that is absent, damaged or another user's costs time, nothing else.
"""

from __future__ import annotations

import json
import os
import stat
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from blake3 import blake3

from lineage.sketch.adapters import KINDS, kind_of
from lineage.sketch.family import FAMILY
from lineage.sketch.layouts import content_key
from lineage.sketch.search_codes import kept_codes
from lineage.store.nearest import nearest
from lineage.store.protocol import find_model
from lineage.store.segments import Segment, segment_in, segment_of, to_bytes
from lineage.types import CheckpointSketch, Codes, Declared, Layout, ModelKind, ModelRecord, Near, SearchCue

SUFFIX = ".overview"
_FORMAT = 2
_DIGEST = 32
_MOST_BYTES = 1 << 30

Holders = Mapping[str, Sequence[tuple[str, str]]]


@dataclass(frozen=True)
class Overview:
    """Records ordered by name and id; for each digest of a tensor its (model id, tensor name) pairs, ordered.

    `segments` hold the search codes of models, and of adapters.
    """

    records: tuple[ModelRecord, ...]
    holders: Holders
    segments: Mapping[ModelKind, Segment]

    def same_digests(self, digests: Collection[str]) -> dict[str, list[tuple[str, str]]]:
        """As `Index.same_digests`."""
        return {digest: list(self.holders[digest]) for digest in sorted(set(digests)) if digest in self.holders}


def record_of(
    sketch: CheckpointSketch, further: Iterable[tuple[str, CheckpointSketch]] = (), aliases: tuple[str, ...] = ()
) -> ModelRecord:
    """The record of a model from its sketch; `further` are its other layouts with their ids."""
    return ModelRecord(
        id=sketch.id,
        name=sketch.name,
        family=sketch.family,
        depth=sketch.depth,
        params=sketch.params,
        tensors=len(sketch.tensors),
        format=sketch.format,
        architecture=sketch.architecture,
        source=sketch.path,
        components=component_params(sketch),
        licence=sketch.licence,
        declared=sketch.declared,
        aliases=aliases,
        layouts=tuple(
            Layout(layout, one.name, one.format, one.path) for layout, one in sorted(further, key=lambda pair: pair[0])
        ),
        content=content_key(sketch),
        weights_seen=sketch.weights_seen,
    )


def component_params(sketch: CheckpointSketch) -> dict[str, int]:
    """Number of weights of each component, largest first."""
    counts: Counter[str] = Counter()
    for tensor in sketch.outlines:
        counts[tensor.part.component] += tensor.params
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def overview_of(records: Iterable[ModelRecord], sketches: Mapping[str, CheckpointSketch]) -> Overview:
    """Work out the overview of `sketches`, by id."""
    found: dict[str, set[tuple[str, str]]] = {}
    for model, sketch in sketches.items():
        for tensor in sketch.tensors:
            for digest in (tensor.digest, tensor.band_digest):
                if digest is not None:
                    found.setdefault(digest, set()).add((model, tensor.name))
    holders = {digest: sorted(pairs) for digest, pairs in found.items()}
    segments = {
        kind: segment_of({model: kept_codes(one) for model, one in sketches.items() if kind_of(one) == kind})
        for kind in KINDS
    }
    return Overview(tuple(sorted(records, key=lambda r: (r.name, r.id))), holders, segments)


def cache_file(cache: Path, seal: str) -> Path:
    """Where the overview of files of this seal is kept."""
    return cache / f"{seal}{SUFFIX}"


def seal_of(files: Iterable[Path]) -> str:
    """What changes with any of these files. Raises OSError where one of them cannot be examined."""
    from lineage import __version__

    seal = blake3(f"{_FORMAT} {__version__} {FAMILY}".encode())
    for path in files:
        about = path.stat()
        seal.update(f"\n{path.name} {about.st_size} {about.st_mtime_ns}".encode())
    return seal.hexdigest(16)


def kept_overview(place: Path) -> Overview | None:
    """The overview in a file of this user's own, None without a sound one."""
    try:
        about = place.stat()
        if not _is_own(place) or not _is_own(place.parent) or about.st_size > _MOST_BYTES:
            return None
        return _overview_in(place, about.st_size, about.st_mtime_ns, about.st_ino)
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
        return None


@lru_cache(maxsize=2)
def _overview_in(place: Path, *_: int) -> Overview | None:
    """What a file holds, read once for as long as its size, time and number are the same."""
    payload = place.read_bytes()
    rest = memoryview(payload)[_DIGEST:]
    if payload[:_DIGEST] != blake3(rest).digest():
        return None
    end = payload.index(b"\n", _DIGEST) + 1
    told = json.loads(payload[_DIGEST:end])
    segments: dict[ModelKind, Segment] = {}
    for kind, size in zip(KINDS, told["segments"], strict=True):
        segment = segment_in(payload[end : end + size])
        if segment is None:
            return None
        segments[kind] = segment
        end += size
    models = told["models"]
    holders = {d: [(models[i], name) for i, name in pairs] for d, pairs in told["holders"].items()}
    return Overview(tuple(map(_record, told["records"])), holders, segments)


def keep_overview(place: Path, overview: Overview) -> None:
    """Keep an overview for the next question, instead of older ones; a folder that cannot be written costs time."""
    from lineage.atomic_write import write_whole  # once for many questions

    models = [record.id for record in overview.records]
    number = {model: i for i, model in enumerate(models)}
    holders = {d: [(number[model], name) for model, name in pairs] for d, pairs in overview.holders.items()}
    segments = [to_bytes(overview.segments[kind]) for kind in KINDS]
    told = {
        "models": models,
        "records": [asdict(one) for one in overview.records],
        "holders": holders,
        "segments": [len(one) for one in segments],
    }
    rest = json.dumps(told, separators=(",", ":")).encode() + b"\n" + b"".join(segments)
    with suppress(OSError):
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if _is_own(place.parent):
            write_whole(place, blake3(rest).digest() + rest, durable=False)
            for other in place.parent.glob(f"*{SUFFIX}"):
                if other != place:
                    other.unlink(missing_ok=True)


def _is_own(path: Path) -> bool:
    """Whether a file or folder is this user's, and nobody else can write to it; systems without such owners say yes."""
    if not hasattr(os, "geteuid"):
        return True
    about = path.lstat()
    is_shared = stat.S_ISLNK(about.st_mode) or about.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return about.st_uid == os.geteuid() and not is_shared


def _record(fields: dict[str, Any]) -> ModelRecord:
    return ModelRecord(
        **{
            **fields,
            "declared": tuple(Declared(**one) for one in fields["declared"]),
            "aliases": tuple(fields["aliases"]),
            "layouts": tuple(Layout(**one) for one in fields["layouts"]),
        }
    )


class FromOverview:
    """The methods that an index of few models answers from an overview, wherever it keeps its sketches."""

    @cached_property
    def _overview(self) -> Overview:
        """What every question needs of all models, made at the first one."""
        raise NotImplementedError

    def models(self) -> list[ModelRecord]:
        """Every model, ordered by name and id."""
        return list(self._overview.records)

    def count(self, kind: ModelKind) -> int:
        """Number of models of a kind."""
        return sum(kind_of(record) == kind for record in self._overview.records)

    def records(self, models: Collection[str]) -> list[ModelRecord]:
        """The models of these ids that are there, ordered by name and id."""
        return [record for record in self._overview.records if record.id in models]

    def called(self, text: str) -> list[ModelRecord]:
        """The models that `text` can mean: see `find_model`."""
        return find_model(text, self._overview.records)

    def same_digests(self, digests: Collection[str]) -> dict[str, list[tuple[str, str]]]:
        """For each of `digests` that is a tensor's full or band digest: its (model id, tensor name) pairs, ordered."""
        return self._overview.same_digests(digests)

    def nearest(self, asked: Codes, kind: ModelKind, k: int) -> Mapping[SearchCue, list[Near]]:
        """For each code of the query and each cue, the `k` nearest models of a kind, best first."""
        return nearest([self._overview.segments[kind]], asked, k)
