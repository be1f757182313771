"""What can be done to the bytes of a model: one case is a function of the seeds and a random generator."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping, Sequence
from random import Random

from fuzzing.containers import changed_inside
from fuzzing.structures import changed_structure

Files = Mapping[str, bytes]
"""A model by the paths of its files."""

Mutation = Callable[[bytes, bytes, Random], bytes]

_NUMBERS = (0, 1, 2, 3, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 1 << 24, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 40,
            (1 << 62), (1 << 63) - 1, 1 << 63, (1 << 64) - 1)  # fmt: skip
_WORDS = (
    b"0",
    b"-1",
    b"1",
    b"4294967295",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"1e999",
    b"NaN",
    b"null",
    b"[]",
    b"{}",
    b'""',
    b"true",
    b"9" * 400,
    b"../x",
    b"/etc/passwd",
    b"\x1b[2J",
    b"\0",
    b"[" * 500,
)
_WORD = re.compile(rb"-?\d+|[A-Za-z_][\w./-]{1,}")
_HEAD = 512


def case(seeds: Sequence[Files], random: Random) -> Files:
    """One of the seeds, one of its files damaged one to four times; now and then a file is missing or another's."""
    files = dict(random.choice(seeds))
    name = random.choice(sorted(files))
    other = random.choice(sorted((held for seed in seeds for held in seed.values()), key=len))
    chance = random.random()
    if len(files) > 1 and chance < 0.02:
        del files[name]
    elif chance < 0.04:
        files[name] = other
    else:
        files[name] = _damaged(files[name], other, random)
    return files


def _damaged(content: bytes, other: bytes, random: Random) -> bytes:
    if random.random() < 0.6:
        meant = changed_structure(content, random)
        if meant is not None:
            return meant if random.random() < 0.8 else _damaged(meant, other, random)
    if random.random() < 0.7:
        inside = changed_inside(content, lambda packed: _damaged(packed, other, random), random)
        if inside is not None:
            return inside
    for _ in range(random.choice((1, 1, 1, 2, 2, 3, 4))):
        content = random.choice(_MUTATIONS)(content, other, random)
    return content


def _place(content: bytes, random: Random) -> int:
    """A position: half of the time near the beginning or the end, where headers and directories are."""
    chance, size = random.random(), len(content)
    if chance < 0.4:
        return random.randrange(min(size, _HEAD) + 1)
    return size - random.randrange(min(size, _HEAD) + 1) if chance < 0.5 else random.randrange(size + 1)


def _byte(content: bytes, other: bytes, random: Random) -> bytes:  # noqa: ARG001 - all have one signature
    at = _place(content, random)
    value = random.choice((0, 1, 0x7F, 0x80, 0xFF, random.randrange(256)))
    return content[:at] + bytes([value]) + content[at + 1 :]


def _bit(content: bytes, other: bytes, random: Random) -> bytes:  # noqa: ARG001
    at = _place(content, random)
    flipped = bytes(byte ^ 1 << random.randrange(8) for byte in content[at : at + 1])
    return content[:at] + flipped + content[at + 1 :]


def _number(content: bytes, other: bytes, random: Random) -> bytes:  # noqa: ARG001
    """A number at an extreme, or near the size of the file, over what is there."""
    at, code = _place(content, random), random.choice("BHIQ")
    size = struct.calcsize(code)
    value = random.choice((*_NUMBERS, len(content), len(content) - at)) + random.choice((0, 0, 1, -1))
    packed = struct.pack(random.choice("<>") + code, value % (1 << 8 * size))
    return content[:at] + packed + content[at + size :]


def _more(content: bytes, other: bytes, random: Random) -> bytes:  # noqa: ARG001
    """A number that is there, made a little more or less."""
    at, code = _place(content, random), random.choice("BHIQ")
    size, order = struct.calcsize(code), random.choice("<>")
    if at + size > len(content):
        return content
    value = struct.unpack_from(order + code, content, at)[0] + random.choice((-1, 1, -8, 8, 1 << 8 * size - 2))
    return content[:at] + struct.pack(order + code, value % (1 << 8 * size)) + content[at + size :]


def _word(content: bytes, other: bytes, random: Random) -> bytes:  # noqa: ARG001
    """A number or name in a text, replaced."""
    at = _place(content, random)
    found = _WORD.search(content, at) or _WORD.search(content)
    if found is None:
        return content
    return content[: found.start()] + random.choice(_WORDS) + content[found.end() :]


def _cut(content: bytes, other: bytes, random: Random) -> bytes:  # noqa: ARG001
    return content[: _place(content, random)]


def _lost(content: bytes, other: bytes, random: Random) -> bytes:  # noqa: ARG001
    at = _place(content, random)
    return content[:at] + content[at + _length(random) :]


def _put_in(content: bytes, other: bytes, random: Random) -> bytes:  # noqa: ARG001
    at = _place(content, random)
    return content[:at] + random.randbytes(_length(random)) + content[at:]


def _twice(content: bytes, other: bytes, random: Random) -> bytes:  # noqa: ARG001
    at, length = _place(content, random), _length(random)
    return content[: at + length] + content[at : at + length] * random.choice((1, 1, 2, 100)) + content[at + length :]


def _moved(content: bytes, other: bytes, random: Random) -> bytes:  # noqa: ARG001
    at, source, length = _place(content, random), _place(content, random), _length(random)
    return content[:at] + content[source : source + length] + content[at + length :]


def _spliced(content: bytes, other: bytes, random: Random) -> bytes:
    at, source, length = _place(content, random), _place(other, random), _length(random)
    return content[:at] + other[source : source + length] + content[at + random.choice((0, length)) :]


def _length(random: Random) -> int:
    return random.choice((1, 2, 4, 8, random.randrange(1, 40), random.randrange(1, 1000)))


_MUTATIONS: tuple[Mutation, ...] = (
    _byte, _bit, _number, _number, _more, _word, _word, _cut, _lost, _put_in, _twice, _moved, _spliced,
)  # fmt: skip
