"""Row codes and their MinHash: the set of rows of a tensor, independent of their order."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lineage.sketch.family import CODE_BITS, CODE_FAMILIES, MINHASH_SCHEME, PERMUTATIONS, SEED_CODES, SEED_MINHASH
from lineage.sketch.signs import prefix_signs

if TYPE_CHECKING:
    from datasketch import MinHash

MIN_ROWS, MIN_COLUMNS = 32, 32
MOST_COLUMNS = 1 << 16  # wider rows are not units, and their signs would not fit in memory
_DIMS = CODE_BITS * CODE_FAMILIES
_CHUNK = 1024


def has_row_codes(shape: tuple[int, ...]) -> bool:
    """Whether a tensor has rows worth coding: at least 32 of at least 32 values, at most 65,536 wide."""
    width = math.prod(shape[1:])
    return len(shape) > 1 and shape[0] >= MIN_ROWS and MIN_COLUMNS <= width <= MOST_COLUMNS


class RowProjector:
    """Collects the projections of every row of one tensor, block by block, and turns them into a MinHash."""

    def __init__(self, rows: int, width: int) -> None:
        self._signs = prefix_signs(width, SEED_CODES, _DIMS)
        self._projected = np.empty((rows, _DIMS), np.float32)
        self._filled = 0

    def update(self, block: NDArray[np.float32]) -> None:
        """Add the next rows, float32 (n, width)."""
        with np.errstate(over="ignore", invalid="ignore"):
            np.matmul(block, self._signs, out=self.room(len(block)))

    def room(self, rows: int) -> NDArray[np.float32]:
        """The memory of the projections of the next rows, (rows, 48), for who computes them."""
        self._filled += rows
        return self._projected[self._filled - rows : self._filled]

    def minhash(self) -> NDArray[np.uint32]:
        """MinHash (128,) uint32 of the set of row codes; see `row_codes`."""
        return minhash(row_codes(self._projected))


def row_codes(projected: NDArray[np.float32]) -> NDArray[np.uint32]:
    """Sign codes of projected rows, uint32 (families * rows,): 24 bits and the family's number.

    Projections are centred over rows first: what all rows share says nothing about which rows they are
    (and the mean is the same in any order). Rows of zeros (padding) have no code, nor have rows whose
    sums leave float32 (masks filled with its lowest number).
    """
    if not _are_whole(projected):
        projected = projected[np.any(projected != 0, axis=1) & np.isfinite(projected).all(axis=1)]
    return _signs_of_centred(projected) if len(projected) else np.empty(0, np.uint32)


def _are_whole(projected: NDArray[np.float32]) -> bool:
    """Whether, at a glance, all rows have a code: no sum is zero or infinite."""
    return bool((projected != 0).all() and np.isfinite(projected).all())


def _signs_of_centred(rows: NDArray[np.float32]) -> NDArray[np.uint32]:
    """Codes of projected rows, uint32 (..., families * rows), less the mean over rows in float64."""
    bits = rows > rows.mean(axis=-2, keepdims=True, dtype=np.float64)
    octets = np.packbits(bits.reshape(-1), bitorder="little").reshape(-1, CODE_FAMILIES, CODE_BITS // 8)
    codes = np.zeros((*octets.shape[:2], 4), np.uint8)
    codes[..., :-1] = octets
    codes[..., -1] = np.arange(CODE_FAMILIES)
    return codes.view("<u4").astype(np.uint32, copy=False).reshape(*rows.shape[:-2], -1)


def minhashes(stack: NDArray[np.float32]) -> list[NDArray[np.uint32]]:
    """The MinHash of the rows of each of many tensors of one shape, few enough to lie in memory: (k, rows, width)."""
    with np.errstate(over="ignore", invalid="ignore"):
        projected = np.matmul(stack, prefix_signs(stack.shape[2], SEED_CODES, _DIMS))
    return [minhash(codes) for codes in _codes_of_stack(projected)]


def _codes_of_stack(projected: NDArray[np.float32]) -> Iterator[NDArray[np.uint32]]:
    """`row_codes` of each of a stack, (k, rows, 48): at once where no row is without a code."""
    return iter(_signs_of_centred(projected)) if _are_whole(projected) else map(row_codes, projected)


def minhash(codes: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """MinHash (Broder 1997) of a set of codes, uint32 (128,): datasketch's scheme `affine32`, bit for bit.

    A code is mixed by MurmurHash3's finaliser, then h -> a h + b modulo 2**32 for 128 pairs (a, b), a odd. Computed
    here because datasketch takes half a second to import and hashes one Python object at a time.
    """
    multipliers, offsets = (column[:, None] for column in _permutations())
    least = np.full(PERMUTATIONS, 0xFFFFFFFF, np.uint32)
    mixed = _fmix32(codes)  # one that occurs twice changes nothing, and hashing it again costs less than looking
    for start in range(0, len(mixed), _CHUNK):  # each chunk takes codes x permutations of memory
        hashed = multipliers * mixed[start : start + _CHUNK]
        hashed += offsets
        np.minimum(least, hashed.min(axis=1), out=least)
    return least


def as_datasketch(values: NDArray[np.uint32]) -> MinHash:
    """A stored MinHash as a datasketch object, for its LSH indexes and estimators."""
    from datasketch import MinHash

    return MinHash(seed=SEED_MINHASH, scheme=MINHASH_SCHEME, hashfunc=int, hashvalues=values)


@cache
def _permutations() -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """The (a, b) that datasketch draws for `affine32`: legacy generator, whose stream NumPy keeps forever."""
    generator = np.random.RandomState(SEED_MINHASH)
    halves = generator.randint(0, 1 << 31, PERMUTATIONS, dtype=np.uint32)
    return halves * np.uint32(2) + np.uint32(1), generator.randint(0, 1 << 32, PERMUTATIONS, dtype=np.uint32)


def _fmix32(h: NDArray[np.uint32]) -> NDArray[np.uint32]:
    h = (h ^ (h >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    h = (h ^ (h >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return h ^ (h >> np.uint32(16))
