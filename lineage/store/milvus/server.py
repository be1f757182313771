"""Rows of one index in the collections of a Milvus server.

An index NAME is seven collections: `NAME_models`, `NAME_tokenizers` and `NAME_digests` are tables, with an unused
vector since each collection must have one; `NAME_component`, `NAME_rows`, `NAME_network` and `NAME_tensor` hold search
codes as binary vectors, compared one by one (BIN_FLAT): the nearest are exact.

A server's answers are not trusted: messages are limited in size, and every row is checked against its columns before it
is used. Only words, digits and hexadecimal digits are put into a filter.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from lineage.errors import LineageError, MissingExtra, NoIndex, StoreError
from lineage.sketch.search_codes import BITS, WIDTHS
from lineage.store.milvus.address import TOKEN, MilvusAddress
from lineage.types import SearchCue

if TYPE_CHECKING:
    from pymilvus import CollectionSchema, MilvusClient

Part = Literal["models", "tokenizers", "digests", "component", "rows", "network", "tensor"]
"""The collections of an index."""

Row = Mapping[str, Any]

LONGEST = 65_535
"""Bytes of the longest text that Milvus keeps."""

MOST_HITS = 16_384
"""The most hits that Milvus returns for one code."""

MOST_NAMES = 4096
_FORMAT = "lineage index 1"
_MOST_BYTES = 256 << 20  # of one answer
_PAGE = 2048  # rows of one answer: of the longest, half of that
_BATCH = 500  # values in one filter
_WRITTEN = 1000  # rows in one request
_HITS = 1 << 15  # in one answer to a search
_PATIENCE_S = 30.0
_DEEPEST = 64  # hexadecimal digits by which a too long answer is requested in pieces
_KEY = re.compile(r"[0-9a-f]{8,64}")
_VALUE = re.compile(r"[A-Za-z0-9_.-]{1,128}")

PARTS: tuple[Part, ...] = get_args(Part)
OF_MODELS = PARTS[2:]
"""The collections whose rows belong to one model each."""

_TABLES = ("models", "tokenizers", "digests")
_OF_CODES = {"model": 64, "seal": 32, "family": 32, "kind": 16}
_COLUMNS: Mapping[Part, Mapping[str, int]] = {
    "models": {
        "family": 32, "kind": 16, "content": 64, "depth": 16, "seal": 32, "tokenizer": 32, "record": LONGEST,
    },
    "tokenizers": {"content": 64, "anchors": LONGEST},
    "digests": {"model": 64, "seal": 32, "family": 32, "digest": 64, "band_digest": 64, "name": LONGEST},
    "component": _OF_CODES,
    "rows": _OF_CODES,
    "network": _OF_CODES,
    "tensor": _OF_CODES,
}  # fmt: skip
"""Columns of text with the most bytes that each holds; beside them the key `id`, and `names`, a list, of models."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A near code: its model, the seal of that model's state, and the number of bits that differ."""

    model: str
    seal: str
    distance: int


class Server:
    """The collections of the index at an address. All methods raise StoreError with one clear line.

    Every read that begins after a write sees it, in this process and in others that connect after it: the first read of
    a collection waits until the server has applied all earlier writes.
    """

    def __init__(self, address: MilvusAddress) -> None:
        """Connect. Raises MissingExtra, StoreError."""
        self.address = address
        self._current: set[Part] = set()
        self._client = _client(address)

    def close(self) -> None:
        """Close the connection."""
        with self._told():
            self._client.close()

    def is_there(self) -> bool:
        """Whether the server has this index. Raises StoreError if collections of its names are not one."""
        with self._told():
            if not self._client.has_collection(self._name("models")):
                return False
            about = self._client.describe_collection(self._name("models"))
        if about.get("description") != _FORMAT:
            raise StoreError(f"{self.address}: holds other collections of this name, or those of another version")
        return True

    def create(self) -> None:
        """Create the missing collections, that of models last: if it exists, so do the others."""
        with self._told(), ThreadPoolExecutor(len(PARTS)) as pool:
            list(pool.map(self._create, [part for part in PARTS if part != "models"]))
            self._create("models")

    def load(self) -> None:
        """Load the collections, so that they can be read. Raises NoIndex if there is no such index."""
        if not self.is_there():
            raise NoIndex(f"{self.address}: holds no index: `lineage ingest` makes one")
        with self._told():
            for part in PARTS:
                state = self._client.get_load_state(self._name(part)).get("state")
                if getattr(state, "name", state) != "Loaded":
                    self._client.load_collection(self._name(part), timeout=_PATIENCE_S)

    def drop(self) -> None:
        """Drop the whole index, the collection of models first."""
        with self._told():
            for part in PARTS:
                self._client.drop_collection(self._name(part))

    # -- reading

    def count(self, part: Part, where: str) -> int:
        """Number of rows."""
        found = self._query(part, where, ["count(*)"], None)
        number = found[0].get("count(*)") if len(found) == 1 else None
        if type(number) is not int or number < 0:
            raise self._unbelieved(f"a number of rows {number!r:.40}")
        return number

    def select(self, part: Part, where: str, columns: Collection[str], within: str = "") -> list[Row]:
        """The given columns and `id` of the rows, in any order; `within` is a prefix of their keys.

        An answer that may have been cut is requested again in sixteen parts.
        """
        narrowed = f'({where}) and id like "{within}%"' if within else where
        found = self._query(part, narrowed, ["id", *columns], _PAGE)
        if len(found) > _PAGE or len(within) > _DEEPEST:
            raise self._unbelieved("more rows than there can be")
        if len(found) == _PAGE:
            return [row for digit in "0123456789abcdef" for row in self.select(part, where, columns, within + digit)]
        for row in found:
            self._require_row(part, row, columns)
        return found

    def select_any(
        self, part: Part, column: str, values: Collection[str], where: str, columns: Collection[str]
    ) -> list[Row]:
        """As `select`, for the rows that have one of these values in a column."""
        wanted = sorted({*values})
        batches = (wanted[start : start + _BATCH] for start in range(0, len(wanted), _BATCH))
        return [
            row for batch in batches for row in self.select(part, f"{where} and {column} in {listed(batch)}", columns)
        ]

    def search(
        self, cue: SearchCue, codes: NDArray[np.uint8], where: str, limit: int, most: int | None = None
    ) -> list[list[Hit]]:
        """For each code up to `limit` hits that differ in `most` bits at most, the nearest first."""
        wanted = [code.tobytes() for code in codes]
        step = max(1, _HITS // limit)
        return [
            hits
            for start in range(0, len(wanted), step)
            for hits in self._search(cue, wanted[start : start + step], where, limit, most)
        ]

    def _search(self, cue: SearchCue, codes: list[bytes], where: str, limit: int, most: int | None) -> list[list[Hit]]:
        asked = {"metric_type": "HAMMING", "params": {} if most is None else {"radius": most + 1}}
        with self._told():
            found = self._client.search(
                self._name(cue),
                data=codes,
                anns_field="code",
                limit=limit,
                filter=where,
                output_fields=["model", "seal"],
                search_params=asked,
                consistency_level=self._level(cue),
                timeout=_PATIENCE_S,
            )
        if len(found) != len(codes) or any(len(hits) > limit for hits in found):
            raise self._unbelieved("another number of hits than was asked for")
        hits = [[self._hit(cue, hit) for hit in hits] for hits in found]
        return [sorted(one, key=lambda hit: (hit.distance, hit.model)) for one in hits]

    def _hit(self, cue: SearchCue, hit: Any) -> Hit:
        row, distance = hit["entity"], float(hit["distance"])
        self._require_row(cue, {"id": hit["id"], **row}, ("model", "seal"))
        if not 0 <= distance <= BITS[cue] or distance != int(distance):
            raise self._unbelieved(f"a distance of {distance}")
        return Hit(row["model"], row["seal"], int(distance))

    def _query(self, part: Part, where: str, fields: list[str], limit: int | None) -> list[Row]:
        bounded = {} if limit is None else {"limit": limit}
        with self._told():
            found = self._client.query(
                self._name(part),
                filter=where,
                output_fields=fields,
                consistency_level=self._level(part),
                timeout=_PATIENCE_S,
                **bounded,
            )
        return list(found)

    def _level(self, part: Part) -> str:
        """The consistency of a read: the first one waits for all earlier writes, to every collection at once."""
        if part not in self._current:
            stale = [one for one in PARTS if one not in self._current]

            def wait(one: Part) -> None:
                asked = {"output_fields": ["count(*)"], "consistency_level": "Strong", "timeout": _PATIENCE_S}
                self._client.query(self._name(one), filter='id != ""', **asked)

            with ThreadPoolExecutor(len(stale)) as pool:
                list(pool.map(wait, stale))
            self._current.update(stale)
        return "Eventually"

    def _require_row(self, part: Part, row: Row, columns: Collection[str]) -> None:
        if not _KEY.fullmatch(_text(row.get("id"))):
            raise self._unbelieved(f"a key {row.get('id')!r:.40}")
        for column in columns:
            value, longest = row.get(column), _COLUMNS[part][column]
            if not isinstance(value, str) or len(value) > longest:
                raise self._unbelieved(f"{value!r:.40} for a {column}")
        if "model" in columns and not _KEY.fullmatch(row["model"]):
            raise self._unbelieved(f"a model {row['model']!r:.40}")

    # -- writing

    def put(self, part: Part, rows: Sequence[Row]) -> None:
        """Write rows, replacing those of the same keys."""
        self._current.discard(part)
        with self._told():
            for start in range(0, len(rows), _WRITTEN):
                batch = [dict(row) for row in rows[start : start + _WRITTEN]]
                self._client.upsert(self._name(part), batch, timeout=_PATIENCE_S)

    def delete(self, part: Part, where: str) -> None:
        """Delete rows."""
        self._current.discard(part)
        with self._told():
            self._client.delete(self._name(part), filter=where, timeout=_PATIENCE_S)

    # -- beneath

    def _name(self, part: Part) -> str:
        return f"{self.address.name}_{part}"

    def _create(self, part: Part) -> None:
        if self._client.has_collection(self._name(part)):
            return
        vector = "nothing" if part in _TABLES else "code"
        indexes = self._client.prepare_index_params()
        indexes.add_index(vector, index_type="BIN_FLAT", metric_type="HAMMING")
        self._client.create_collection(self._name(part), schema=_schema(part), index_params=indexes)

    def _unbelieved(self, what: str) -> StoreError:
        return StoreError(f"{self.address}: the server gave {what}: that is not an answer")

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Raise any error of the client library as StoreError, in one line."""
        try:
            yield
        except LineageError:
            raise
        except Exception as error:  # pymilvus lets errors of grpc, of protobuf and its own through
            said = getattr(error, "message", None) or str(error) or type(error).__name__
            raise StoreError(f"{self.address}: {said!s:.300}") from None


def listed(values: Collection[str]) -> str:
    """Values as a list in a filter. Raises StoreError for one that could be more than a value."""
    for value in values:
        if not _VALUE.fullmatch(value):
            raise StoreError(f"{value[:80]!r} cannot be asked for")
    return "[" + ",".join(f'"{value}"' for value in values) + "]"


def is_(column: str, value: str) -> str:
    """The filter of one value in a column. Raises as `listed`."""
    return f"{column} == {listed([value])[1:-1]}"


def padding() -> bytes:
    """The unused vector of a row in a table."""
    return b"\0"


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _schema(part: Part) -> CollectionSchema:
    from pymilvus import DataType, MilvusClient

    schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False, description=_FORMAT)
    schema.add_field("id", DataType.VARCHAR, max_length=128, is_primary=True)
    for column, longest in _COLUMNS[part].items():
        schema.add_field(column, DataType.VARCHAR, max_length=longest)
    if part == "models":
        names: dict[str, Any] = {"element_type": DataType.VARCHAR, "max_capacity": MOST_NAMES, "max_length": 32}
        schema.add_field("names", DataType.ARRAY, **names)
    if part in _TABLES:
        schema.add_field("nothing", DataType.BINARY_VECTOR, dim=8)
    else:
        schema.add_field("code", DataType.BINARY_VECTOR, dim=8 * WIDTHS[cast(SearchCue, part)])
    return schema


def _client(address: MilvusAddress) -> MilvusClient:
    try:
        from pymilvus import MilvusClient
    except ImportError:
        raise MissingExtra(
            "an index on a Milvus server needs pymilvus and fsspec: pip install 'weight-lineage[milvus]'"
        ) from None
    logging.getLogger("pymilvus").setLevel(logging.CRITICAL)  # its errors are reported once, by this package
    host = f"[{address.host}]" if ":" in address.host else address.host
    uri = f"{'https' if address.is_encrypted else 'http'}://{host}:{address.port}"
    bounded = {"grpc.max_receive_message_length": _MOST_BYTES}
    try:
        return MilvusClient(uri, token=os.environ.get(TOKEN, ""), timeout=10, grpc_options=bounded)
    except Exception as error:
        if type(error).__module__.split(".")[0] not in ("pymilvus", "grpc"):
            raise
        raise StoreError(f"{address}: the server does not answer, or refuses the token in {TOKEN}") from None
