"""The sketch of one tensor, written a second time from index/FORMAT.md alone: plain Python, slow, nothing shared."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence

from blake3 import blake3

MASK = 2**64 - 1
GOLDEN = 0x9E3779B97F4A7C15


def mix64(x: int) -> int:
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB & MASK
    return x ^ (x >> 31)


def sign_word(position: int, seed: int) -> int:
    start = mix64(seed * GOLDEN & MASK)
    return mix64(((position + 1) * GOLDEN & MASK) ^ start)


def sign(position: int, seed: int, k: int) -> int:
    return 1 if sign_word(position, seed) >> k & 1 else -1


def sampled(length: int) -> list[int]:
    found = list(range(min(length, 64)))
    octave = 64
    while octave < length:
        run = 32 if octave < 512 else 16
        slot = mix64(octave * 2654435761 & MASK) % (octave // 2 // run)
        start = octave + run * slot
        found += range(start, start + run)
        octave *= 2
    return [p for p in found if p < length]


def grid(length: int, dense: int, an_octave: int) -> list[int]:
    found: list[int] = []
    seen: dict[int, int] = {}
    for p in sampled(length):
        octave = p.bit_length()
        if p < dense or seen.get(octave, 0) < an_octave:
            found.append(p)
        seen[octave] = seen.get(octave, 0) + 1
    return found


def digest(values: Sequence[float], shape: Sequence[int]) -> str:
    """The floats `values` are exact numbers of the stored dtype."""
    for name, encode in (("bfloat16", _bf16), ("float16", _packed("<e")), ("float32", _packed("<f"))):
        encoded = [encode(v) for v in values]
        if None not in encoded:
            return _sealed(name, shape, b"".join(e for e in encoded if e is not None))
    return _sealed("float64", shape, b"".join(struct.pack("<d", v) for v in values))


def _bf16(value: float) -> bytes | None:
    whole = _packed("<f")(value)
    return whole[2:] if whole is not None and whole[:2] == b"\0\0" else None


def _packed(code: str):
    def pack(value: float) -> bytes | None:
        try:
            packed = struct.pack(code, value)
        except OverflowError:
            return None
        return packed if struct.unpack(code, packed)[0] == value else None

    return pack


def _sealed(name: str, shape: Sequence[int], content: bytes) -> str:
    text = f"{name}[{', '.join(map(str, shape))}]".encode()
    return blake3(text + blake3(content).digest()).hexdigest()[:32]


class Tensor:
    """Elements by (row, channel, kernel position), and what the format makes of them."""

    def __init__(self, elements: Sequence[float], shape: Sequence[int]) -> None:
        self.elements = elements
        self.shape = list(shape) or [1]
        self.channels = self.shape[1] if len(self.shape) > 1 else 1
        self.kernel = math.prod(self.shape[2:])

    def at(self, row: int, channel: int, place: int) -> float:
        return self.elements[(row * self.channels + channel) * self.kernel + place]

    def band(self) -> tuple[list[float], list[int]]:
        width = self.channels * self.kernel
        rows = sampled(self.shape[0])
        return [v for r in rows for v in self.elements[r * width : (r + 1) * width]], [len(rows), *self.shape[1:]]

    def units(self) -> tuple[list[list[float]], list[list[float]]]:
        places = sampled(self.kernel)
        across = [list(self._unit_of_row(r, places)) for r in sampled(self.shape[0])]
        down = [list(self._unit_of_channel(c, places)) for c in sampled(self.channels)]
        return across, down

    def _unit_of_row(self, row: int, places: list[int]) -> Iterator[float]:
        words = [(self.at(row, c, p), sign_word(c + p * 2**32, 1)) for c in sampled(self.channels) for p in places]
        for k in range(32):
            yield math.fsum(v if w >> k & 1 else -v for v, w in words)

    def _unit_of_channel(self, channel: int, places: list[int]) -> Iterator[float]:
        words = [(self.at(r, channel, p), sign_word(r + p * 2**32, 1)) for r in sampled(self.shape[0]) for p in places]
        for k in range(32):
            yield math.fsum(v if w >> k & 1 else -v for v, w in words)

    def grid(self) -> tuple[list[int], list[int]]:
        if len(self.shape) == 1:
            return sampled(self.shape[0]), [0]
        if self.kernel == 1:
            return grid(self.shape[0], 16, 2), grid(self.channels, 16, 2)
        places = grid(self.kernel, 8, 1)[:9]
        return grid(self.shape[0], 8, 1), [c * self.kernel + p for c in grid(self.channels, 8, 1) for p in places]

    def row_codes(self) -> set[int]:
        width = self.channels * self.kernel
        words = [sign_word(column, 2) for column in range(width)]
        projected = []
        for r in range(self.shape[0]):
            row = self.elements[r * width : (r + 1) * width]
            sums = [math.fsum(v if w >> k & 1 else -v for v, w in zip(row, words, strict=True)) for k in range(48)]
            if any(sums):
                projected.append(sums)
        mean = [math.fsum(row[k] for row in projected) / len(projected) for k in range(48)]
        return {
            family << 24 | sum(1 << k for k in range(24) if row[24 * family + k] - mean[24 * family + k] > 0)
            for row in projected
            for family in (0, 1)
        }


def twister(seed: int) -> Iterator[int]:
    """MT19937 (Matsumoto and Nishimura 1998) from init_genrand(seed)."""
    state = [seed]
    for i in range(1, 624):
        state.append((1812433253 * (state[-1] ^ (state[-1] >> 30)) + i) & 0xFFFFFFFF)
    while True:
        for i in range(624):
            y = (state[i] & 0x80000000) | (state[(i + 1) % 624] & 0x7FFFFFFF)
            state[i] = state[(i + 397) % 624] ^ (y >> 1) ^ (0x9908B0DF if y & 1 else 0)
        for word in state:
            x = word ^ (word >> 11)
            x ^= x << 7 & 0x9D2C5680
            x ^= x << 15 & 0xEFC60000
            yield x ^ (x >> 18)


def permutations() -> tuple[list[int], list[int]]:
    draws = twister(1)
    a = [2 * (next(draws) & 0x7FFFFFFF) + 1 for _ in range(128)]
    return a, [next(draws) for _ in range(128)]


def minhash(codes: set[int]) -> list[int]:
    a, b = permutations()
    mixed = [_fmix32(code) for code in codes]
    return [min(((ak * h + bk) & 0xFFFFFFFF for h in mixed), default=0xFFFFFFFF) for ak, bk in zip(a, b, strict=True)]


def _fmix32(h: int) -> int:
    h = (h ^ (h >> 16)) * 0x85EBCA6B & 0xFFFFFFFF
    h = (h ^ (h >> 13)) * 0xC2B2AE35 & 0xFFFFFFFF
    return h ^ (h >> 16)
