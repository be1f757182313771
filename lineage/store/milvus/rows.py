"""From a sketch to the rows of an index on a server, and from a row to a record."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from typing import Any, cast

import numpy as np

from lineage.errors import Malformed
from lineage.sketch.adapters import kind_of
from lineage.sketch.search_codes import kept_codes
from lineage.store.anchors import ANCHOR, HOLDER, KIND, VOCABULARY, Tokenizers, tokenizers_of
from lineage.store.bad_rows import BadRow
from lineage.store.milvus.server import LONGEST, MOST_NAMES, Part, Row, padding
from lineage.store.overview import record_of
from lineage.store.rows import now, storable
from lineage.types import CheckpointSketch, Declared, Layout, ModelRecord, TokenizerSketch

FIRST = ""
"""What stands for the first layout among the sizes of files."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What an index on a server holds about one model.

    `sizes` are those of its sketch files in bytes, by layout; `seal` (16 hexadecimal digits) names the search codes and
    digests that belong to it: those of another seal are older, or of an addition that was not completed. `tokenizer` is
    the key of the row of its tokenizer, empty without one.
    """

    record: ModelRecord
    sizes: Mapping[str, int]
    seal: str
    tokenizer: str


@dataclass(frozen=True, slots=True)
class Searched:
    """The rows by which a model is found, and their seal, equal for equal rows: writing them again is safe."""

    seal: str
    tokenizer: str
    rows: Mapping[Part, list[Row]]


def name_key(text: str) -> str:
    """32 hexadecimal digits that stand for a name in a filter: a name may hold any character."""
    return blake2b((storable(text) or "").encode(), digest_size=16).hexdigest()


def new_record(sketch: CheckpointSketch) -> ModelRecord:
    """The record of a model that is added now, with its texts as a database can hold them."""
    record = record_of(sketch)
    return replace(
        record,
        name=stored(record.name),
        format=stored(record.format),
        architecture=stored(record.architecture),
        source=stored(record.source),
        components={stored(name): params for name, params in record.components.items()},
        licence=storable(record.licence),
        declared=tuple(Declared(stored(d.model), storable(d.relation), stored(d.source)) for d in record.declared),
        added=now(),
    )


def stored(text: str) -> str:
    """`text` as a database can hold it."""
    return storable(text) or ""


def row_of(entry: Entry) -> Row:
    """The row of a model, with as many of its aliases as fit. Raises Malformed if it is too long without any."""
    record = entry.record
    text = _written(entry)
    while len(text) > LONGEST or len(_names(record)) > MOST_NAMES:
        if not record.aliases:
            raise Malformed(
                record.source or record.name, f"its record is over {LONGEST:,} bytes: a server takes no more"
            )
        record = replace(record, aliases=record.aliases[: -max(1, len(record.aliases) // 16)])
        text = _written(replace(entry, record=record))
    return {
        "id": record.id, "family": record.family, "kind": kind_of(record),
        "content": record.content or "",
        "depth": record.depth, "seal": entry.seal, "tokenizer": entry.tokenizer, "names": _names(record),
        "record": text, "nothing": padding(),
    }  # fmt: skip


def _names(record: ModelRecord) -> list[str]:
    return [name_key(name) for name in dict.fromkeys((record.name, record.source, *record.aliases)) if name]


def _written(entry: Entry) -> str:
    return json.dumps({"record": asdict(entry.record), "sizes": dict(entry.sizes)}, separators=(",", ":"))


def entry_of(row: Row) -> Entry:
    """The entry in a row. Raises BadRow for one that no version wrote."""
    try:
        told = json.loads(row["record"])
        record, sizes = _record(told["record"]), {str(layout): _number(size) for layout, size in told["sizes"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadRow(f"a record that no version wrote ({error!s:.80})") from error
    if record.id != row["id"]:
        raise BadRow("the record of another model")
    return Entry(record, sizes, row["seal"], row["tokenizer"])


def _record(told: Mapping[str, Any]) -> ModelRecord:
    depth = _text(told["depth"])
    if depth not in ("full", "sampled"):
        raise ValueError("depth")
    return ModelRecord(
        id=_text(told["id"]),
        name=_text(told["name"]),
        family=_text(told["family"]),
        depth=cast(Any, depth),
        params=_number(told["params"]),
        tensors=_number(told["tensors"]),
        format=_text(told["format"]),
        architecture=_text(told["architecture"]),
        source=_text(told["source"]),
        components={_text(name): _number(params) for name, params in told["components"].items()},
        licence=_perhaps(told["licence"]),
        declared=tuple(
            Declared(_text(d["model"]), _perhaps(d["relation"]), _text(d["source"])) for d in told["declared"]
        ),
        aliases=tuple(map(_text, told["aliases"])),
        added=_perhaps(told["added"]),
        layouts=tuple(
            Layout(_text(one["id"]), _text(one["name"]), _text(one["format"]), _text(one["source"]), _seen(one))
            for one in told["layouts"]
        ),
        content=_perhaps(told["content"]),
        weights_seen=_seen(told),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} is not text")
    return value


def _perhaps(value: object) -> str | None:
    return None if value is None else _text(value)


def _number(value: object) -> int:
    if type(value) is not int or not 0 <= value < 1 << 63:
        raise TypeError(f"{value!r:.40} is not a number of something")
    return value


def _seen(told: Mapping[str, Any]) -> bool:
    value = told["weights_seen"]
    if type(value) is not bool:
        raise TypeError(f"{value!r:.40} is neither true nor false")
    return value


def searched(sketch: CheckpointSketch) -> Searched:
    """The rows by which a model is found. Raises Malformed for a tensor name that is too long for a server."""
    codes = kept_codes(sketch)
    seal = blake2b(digest_size=8)
    for cue in sorted(codes):
        seal.update(f"{cue} {len(codes[cue])}\n".encode() + codes[cue].tobytes())
    for tensor in sketch.tensors:
        seal.update(json.dumps([tensor.name, tensor.digest, tensor.band_digest]).encode())
    named = seal.hexdigest()
    about = {"model": sketch.id, "seal": named, "family": sketch.family}
    rows: dict[Part, list[Row]] = {
        cue: [
            {"id": _key(sketch.id, named, i), **about, "kind": kind_of(sketch), "code": code.tobytes()}
            for i, code in enumerate(codes[cue])
        ]
        for cue in codes
    }
    rows["digests"] = list(_digests(sketch, about))
    tokenizers = [] if sketch.tokenizer is None else [_tokenizer_row(sketch.tokenizer)]
    rows["tokenizers"] = tokenizers
    return Searched(named, tokenizers[0]["id"] if tokenizers else "", rows)


def _tokenizer_row(sketch: TokenizerSketch) -> Row:
    """The row of a tokenizer, shared by all models that have it."""
    found = tokenizers_of(sketch)
    (digest, _), (_, special) = found.vocabularies[0].tolist(), found.kinds[0].tolist()
    return {
        "id": blake2b(b"%s %d" % (digest, special), digest_size=16).hexdigest(), "content": sketch.content,
        "anchors": b64encode(found.anchors.tobytes()).decode(), "nothing": padding(),
    }  # fmt: skip


def tokenizers_in(rows: Sequence[Row]) -> Tokenizers:
    """The tokenizers of rows, one kind each, in their order. Raises BadRow."""
    vocabularies = np.array([(b"", row["content"].encode("ascii", "replace")) for row in rows], VOCABULARY)
    anchors = [np.zeros(0, ANCHOR)]
    for place, row in enumerate(rows):
        try:
            held = np.frombuffer(b64decode(row["anchors"], validate=True), ANCHOR).copy()
        except ValueError:
            raise BadRow("a tokenizer that no version wrote") from None
        held["vocabulary"] = place
        anchors.append(held)
    joined = np.concatenate(anchors)
    kinds = np.array([(place, 0) for place in range(len(rows))], KIND)
    order = np.lexsort((joined["vocabulary"], joined["anchor"]))
    return Tokenizers(vocabularies, joined[order], kinds, np.zeros(0, HOLDER))


def _digests(sketch: CheckpointSketch, about: Mapping[str, str]) -> Iterator[Row]:
    for place, tensor in enumerate(sketch.tensors):
        name = stored(tensor.name)
        if len(name.encode()) > LONGEST:
            raise Malformed(
                sketch.path or sketch.name, f"a tensor's name is over {LONGEST:,} bytes: no server takes it"
            )
        yield {
            "id": _key(sketch.id, about["seal"], place), **about, "name": name, "nothing": padding(),
            "digest": tensor.digest or "", "band_digest": tensor.band_digest or "",
        }  # fmt: skip


def _key(model: str, seal: str, place: int) -> str:
    """The key of a row: 32 hexadecimal digits, so that any set of rows can be requested in pieces of similar size."""
    return blake2b(f"{model} {seal} {place}".encode(), digest_size=16).hexdigest()
