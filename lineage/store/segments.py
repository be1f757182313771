"""Search codes of many models in one file that is written once and mapped into memory, never read whole.

The file is one line of JSON (`Head`), spaces up to a multiple of 64 bytes, and then, little-endian and each at a
multiple of 64 bytes: the ids of the models (S64, sorted); for each cue the owner of every code (int32, ascending:
places in the ids) and the codes; the first `HEAD` bytes of each component's code; and for each band of the tensors'
codes its words, sorted, the codes that have them, and where in both each cell begins, with the end of the last (uint32
all); then the tokenizers, as `lineage.store.anchors` has them. A band is a place in a code at which 32 bits begin, its
words; a cell is the words with equal first bits, as many bits as leave about `CELL` unrelated codes in one.
Tensors that are near are in the same cell of some band (locality-sensitive hashing), so that only those are examined.
A last line holds BLAKE3 over all before, for `lineage doctor`.

A damaged or absent segment costs time only: its codes are computed again from the sketches.
"""

from __future__ import annotations

import io
import json
import mmap
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO, get_args, overload

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from lineage.sketch.family import FAMILY
from lineage.sketch.search_codes import BITS, WIDTHS
from lineage.store.anchors import ANCHOR, HOLDER, KIND, VOCABULARY, Tokenizers, joined
from lineage.types import Codes, SearchCue

SUFFIX = ".segment"
BANDS = BITS["tensor"] // 16
CELL = 64
HEAD = 32
SCHEME = 2
"""Of the codes and of the file: a segment of another one is made again."""

CUES: tuple[SearchCue, ...] = get_args(SearchCue)
_ID = np.dtype("S64")
_ALIGNED = 64
_AT_ONCE = 1 << 18  # codes
_LONGEST_HEAD = 1 << 16
_SEAL = 65  # a line of 64 hexadecimal digits
_OF_TOKENIZERS = (VOCABULARY, ANCHOR, KIND, HOLDER)


@dataclass(frozen=True, slots=True)
class Head:
    """The header of a segment: the file's name, numbers of models, of codes by cue and of tokenizers.

    By the name, the file of another set of models is recognised and refused.
    """

    family: str
    scheme: int
    name: str
    models: int
    codes: Mapping[SearchCue, int]
    tokenizers: Sequence[int]


@dataclass(frozen=True, slots=True)
class Band:
    """The words of a band, sorted; the codes that have them; the place in both where each cell begins, and the end."""

    words: NDArray[np.uint32]
    places: NDArray[np.uint32]
    cells: NDArray[np.uint32]

    @property
    def large(self) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
        """The arrays with an entry for each code."""
        return self.words, self.places


@dataclass(frozen=True)
class Segment:
    """The search codes of a set of models; arrays as in the file, mapped or in memory."""

    models: NDArray[np.bytes_]
    owners: Mapping[SearchCue, NDArray[np.int32]]
    codes: Codes
    heads: NDArray[np.uint8]
    bands: Sequence[Band]
    tokenizers: Tokenizers
    mapped: mmap.mmap | None = None

    def __len__(self) -> int:
        return len(self.models)

    def let_go(self, *arrays: NDArray[Any]) -> None:
        """Release the memory of these arrays until they are read again, where the system can do that.

        The file stays in the system's cache.
        """
        self._advise("MADV_DONTNEED", arrays)

    def read_here_and_there(self) -> None:
        """Have the system read no more of the tensors than is asked for: reading ahead would read the whole file."""
        self._advise("MADV_RANDOM", [self.codes["tensor"], *(one for band in self.bands for one in band.large)])

    def _advise(self, advice: str, arrays: Iterable[NDArray[Any]]) -> None:
        if self.mapped is None or not hasattr(mmap, advice):
            return
        base = np.frombuffer(self.mapped, np.uint8).ctypes.data
        for array in arrays:
            begin = array.ctypes.data - base
            page = begin - begin % mmap.PAGESIZE
            if array.nbytes:
                self.mapped.madvise(getattr(mmap, advice), page, begin + array.nbytes - page)


def segment_of(codes: Mapping[str, Codes], tokenizers: Mapping[str, Tokenizers] | None = None) -> Segment:
    """The segment of these models in memory, by id; `tokenizers` are as `tokenizers_of` makes them."""
    return _sorted(sorted(codes), [codes[model] for model in sorted(codes)], tokenizers or {})


class _Made(Sequence[Band]):
    """Bands that are made whenever they are asked for: those of many codes together are larger than the codes."""

    def __init__(self, codes: NDArray[np.uint8]) -> None:
        self._codes = codes

    def __len__(self) -> int:
        return BANDS

    @overload
    def __getitem__(self, band: int) -> Band: ...
    @overload
    def __getitem__(self, band: slice) -> list[Band]: ...
    def __getitem__(self, band: int | slice) -> Band | list[Band]:
        """The band of that number, or those of a slice."""
        wanted = range(BANDS)[band]
        return _band(self._codes, wanted) if isinstance(wanted, int) else [_band(self._codes, one) for one in wanted]


def merged(segments: Sequence[Segment], gone: Sequence[Collection[str]] = ()) -> Segment:
    """Several segments merged, without their removed models; of a model in two segments the last is kept.

    The result is for writing only: its bands are computed again at each access.
    """
    names = np.concatenate([one.models for one in segments])
    of = np.repeat(np.arange(len(segments)), [len(one) for one in segments])
    lost = [np.isin(one.models, np.array(sorted(ids), _ID)) for one, ids in zip(segments, gone, strict=False)]
    there = np.flatnonzero(~np.concatenate(lost)) if lost else np.arange(len(names))
    order = there[np.lexsort((of[there], names[there]))]
    is_last = np.ones(len(order), bool)
    is_last[:-1] = names[order][1:] != names[order][:-1]
    stays = order[is_last]
    number = np.full(len(names), -1, np.int32)
    number[stays] = np.arange(len(stays), dtype=np.int32)
    renamed = np.split(number, np.cumsum([len(one) for one in segments])[:-1])
    owners, codes = {}, {}
    for cue in CUES:
        owner = np.concatenate([new[one.owners[cue]] for new, one in zip(renamed, segments, strict=True)])
        kept = np.argsort(owner, kind="stable")[np.count_nonzero(owner < 0) :]
        owners[cue] = owner[kept].astype(np.int32)
        codes[cue] = _taken([one.codes[cue] for one in segments], kept)
    tokenizers = joined([one.tokenizers for one in segments], renamed)
    return Segment(names[stays], owners, codes, _heads(codes), _Made(codes["tensor"]), tokenizers)


def _taken(parts: Sequence[NDArray[np.uint8]], rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The given rows of all parts one below another, uint8 (len(rows), bytes), without a second copy of them."""
    ends = np.cumsum([len(part) for part in parts])
    made = np.empty((len(rows), parts[0].shape[1]), np.uint8)
    for start in range(0, len(rows), _AT_ONCE):
        wanted, filled = rows[start : start + _AT_ONCE], made[start : start + _AT_ONCE]
        of = np.searchsorted(ends, wanted, side="right")
        for i in np.unique(of).tolist():
            filled[of == i] = parts[i][wanted[of == i] - (ends[i] - len(parts[i]))]
    return made


def _sorted(names: Sequence[str], held: Sequence[Codes], tokenizers: Mapping[str, Tokenizers]) -> Segment:
    owners, codes = {}, {}
    for cue in CUES:
        counts = [len(one[cue]) for one in held]
        owners[cue] = np.repeat(np.arange(len(held), dtype=np.int32), counts)
        empty = np.empty((0, WIDTHS[cue]), np.uint8)
        codes[cue] = np.concatenate([empty, *(one[cue] for one in held)])
    places = [(i, tokenizers[name]) for i, name in enumerate(names) if name in tokenizers]
    owned = joined([one for _, one in places], [np.array([i], np.int32) for i, _ in places])
    return Segment(np.array(names, _ID), owners, codes, _heads(codes), list(_Made(codes["tensor"])), owned)


def _heads(codes: Codes) -> NDArray[np.uint8]:
    return np.ascontiguousarray(codes["component"][:, :HEAD])


def _band(codes: NDArray[np.uint8], band: int) -> Band:
    # A word and its place in one number: numbers are sorted in a fraction of the time that an order of words takes.
    both = words_of(codes, band).astype(np.uint64) << np.uint64(32) | np.arange(len(codes), dtype=np.uint64)
    both.sort()
    words, bits = (both >> np.uint64(32)).astype(np.uint32), cell_bits(len(codes))
    begins = np.arange(1 << bits, dtype=np.uint64) << np.uint64(32 - bits)
    cells = np.append(np.searchsorted(words, begins.astype(np.uint32)), len(words))
    return Band(words, both.astype(np.uint32), cells.astype(np.uint32))


def cell_bits(codes: int) -> int:
    """How many first bits the words of a cell have in common, of so many codes."""
    return min(24, max(0, (codes // CELL).bit_length()))


def words_of(codes: NDArray[np.uint8], band: int) -> NDArray[np.uint32]:
    """The 32 bits of each code that begin at a band, the first of them worth most."""
    places = [(2 * band + i) % codes.shape[1] for i in range(4)]
    return np.ascontiguousarray(codes[:, places]).view(">u4").reshape(-1).astype(np.uint32)


def name_of(kind: str, models: Iterable[str]) -> str:
    """The name of the file of exactly these models."""
    seal = blake2b("\n".join([kind, FAMILY, str(SCHEME), *sorted(models)]).encode(), digest_size=16)
    return f"{kind}-{seal.hexdigest()}{SUFFIX}"


def write_segment(segment: Segment, path: Path) -> None:
    """Write a segment so that it is there whole or not at all. Raises OSError."""
    from lineage.atomic_write import written_whole  # a question writes none

    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path, durable=True) as file:
        _write(segment, file, path.name)


def _write(segment: Segment, file: BinaryIO, name: str) -> None:
    seal = blake3()

    def put(payload: Any) -> None:
        seal.update(payload)
        file.write(payload)

    codes = {cue: len(segment.codes[cue]) for cue in CUES}
    tokenizers = [len(array) for array, _ in segment.tokenizers.arrays]
    head = Head(FAMILY, SCHEME, name, len(segment), codes, tokenizers)
    line = json.dumps(asdict(head)).encode()
    put(line + b" " * (-(len(line) + 1) % _ALIGNED) + b"\n")
    for array, dtype in _arrays(segment):
        payload = np.ascontiguousarray(array, dtype)
        if payload.nbytes:
            put(payload.reshape(-1).view(np.uint8).data)
        put(bytes(-payload.nbytes % _ALIGNED))
    file.write(seal.hexdigest().encode() + b"\n")


def _arrays(segment: Segment) -> Iterator[tuple[NDArray[Any], str | np.dtype[Any]]]:
    yield segment.models, "S64"
    for cue in CUES:
        yield segment.owners[cue], "<i4"
        yield segment.codes[cue], "u1"
    yield segment.heads, "u1"
    for band in segment.bands:
        yield band.words, "<u4"
        yield band.places, "<u4"
        yield band.cells, "<u4"
    yield from segment.tokenizers.arrays


def read_segment(path: Path) -> Segment | None:
    """The segment in a file, mapped; None where the file is damaged, another's, of another scheme or absent.

    Its size must be what its head says and its numbers must point into it; that it holds what was written is for
    `is_sound` to say, which reads all of it.
    """
    if not path.is_file():  # a pipe would be waited for
        return None
    try:
        with path.open("rb") as file:
            line = file.readline(_LONGEST_HEAD)
            head = _head(line, os.fstat(file.fileno()).st_size)
            if head is None or head.name != path.name:
                return None
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        segment = _parsed(np.frombuffer(mapped, np.uint8, _nbytes(head), len(line)), head)
        if segment is not None:
            segment = replace(segment, mapped=mapped)
            segment.read_here_and_there()
        return segment
    except (OSError, ValueError):
        return None


def segment_in(payload: bytes) -> Segment | None:
    """The segment in the bytes of a file, as `read_segment`."""
    line = payload[: payload.find(b"\n", 0, _LONGEST_HEAD) + 1]
    head = _head(line, len(payload))
    return None if head is None else _parsed(np.frombuffer(payload, np.uint8, _nbytes(head), len(line)), head)


def to_bytes(segment: Segment) -> bytes:
    """The file of a segment."""
    file = io.BytesIO()
    _write(segment, file, "")
    return file.getvalue()


def _head(line: bytes, size: int) -> Head | None:
    """The head of a file of that size; None where it does not fit it, or is of another scheme."""
    try:
        told = json.loads(line)
        codes, tokenizers = {c: int(told["codes"][c]) for c in CUES}, [int(n) for n in told["tokenizers"]]
        head = Head(str(told["family"]), int(told["scheme"]), str(told["name"]), int(told["models"]), codes, tokenizers)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
    counts = (head.models, *head.codes.values(), *tokenizers)
    is_ours = (head.family, head.scheme, len(tokenizers)) == (FAMILY, SCHEME, len(_OF_TOKENIZERS))
    is_ours = is_ours and min(counts) >= 0 and max(counts) <= size
    return head if is_ours and len(line) + _nbytes(head) + _SEAL == size else None


def is_sound(path: Path) -> bool:
    """Whether a file holds what was written, by its last line. Raises FileNotFoundError where another merged it."""
    if read_segment(path) is None:
        return False
    seal = blake3()
    with path.open("rb") as file:
        left = os.fstat(file.fileno()).st_size - _SEAL
        while left and (block := file.read(min(left, 1 << 20))):
            seal.update(block)
            left -= len(block)
        return file.read() == seal.hexdigest().encode() + b"\n"


def _sizes(head: Head) -> Iterator[tuple[int, str | np.dtype[Any], tuple[int, ...]]]:
    yield _ID.itemsize * head.models, "S64", (head.models,)
    for cue in CUES:
        n = head.codes[cue]
        yield 4 * n, "<i4", (n,)
        yield n * WIDTHS[cue], "u1", (n, WIDTHS[cue])
    yield HEAD * head.codes["component"], "u1", (head.codes["component"], HEAD)
    n = head.codes["tensor"]
    for _ in range(BANDS):
        for count in (n, n, (1 << cell_bits(n)) + 1):
            yield 4 * count, "<u4", (count,)
    for count, dtype in zip(head.tokenizers, _OF_TOKENIZERS, strict=True):
        yield dtype.itemsize * count, dtype, (count,)


def _nbytes(head: Head) -> int:
    return sum(size + -size % _ALIGNED for size, *_ in _sizes(head))


def _parsed(body: NDArray[np.uint8], head: Head) -> Segment | None:
    arrays: list[Any] = []
    start = 0
    for size, dtype, shape in _sizes(head):
        arrays.append(body[start : start + size].view(dtype).reshape(shape))
        start += size + -size % _ALIGNED
    pairs = arrays[1 : 1 + 2 * len(CUES)]
    owners = dict(zip(CUES, pairs[::2], strict=True))
    if any(len(owner) and not 0 <= owner[0] <= owner[-1] < head.models for owner in owners.values()):
        return None
    heads, *rest = arrays[1 + 2 * len(CUES) :]
    tokenizers = Tokenizers(*rest[3 * BANDS :])
    if not tokenizers.fits(head.models):
        return None
    rest = rest[: 3 * BANDS]
    bands = [Band(*three) for three in zip(rest[::3], rest[1::3], rest[2::3], strict=True)]
    return Segment(arrays[0], owners, dict(zip(CUES, pairs[1::2], strict=True)), heads, bands, tokenizers)
