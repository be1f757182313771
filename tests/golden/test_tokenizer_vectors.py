"""The known answers for tokenizers: this package gives them, and so does a second, plain reading of the format."""

from __future__ import annotations

import json
from typing import Any

import make_tokenizer_vectors as vectors
import numpy as np

from lineage.sketch.tokenizer import TOKENIZER_FAMILY, sketch_tokenizer
from lineage.sketch.tokenizer_hashes import token_hashes

KNOWN: dict[str, Any] = json.loads(vectors.ANSWERS.read_text(encoding="utf-8"))
MASK = 2**64 - 1


def mix64(x: int) -> int:
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & MASK
    x = (x ^ x >> 27) * 0x94D049BB133111EB & MASK
    return x ^ x >> 31


def plain_hash(token: bytes) -> int:
    found = mix64(len(token) * 0x9E3779B97F4A7C15 & MASK)
    for start in range(0, len(token), 8):
        word = int.from_bytes(token[start : start + 8], "little")
        found = mix64((found ^ word) * 0x9E3779B97F4A7C15 & MASK)
    return found


def test_the_answers_are_given() -> None:
    assert KNOWN["family"] == TOKENIZER_FAMILY
    assert vectors.answers(sketch_tokenizer(vectors.vocabulary())) == KNOWN


def test_a_plain_reading_of_the_format_gives_the_same() -> None:
    for string, known in KNOWN["hashes_of_texts"].items():
        assert plain_hash(string.encode()) == known
    tokens = vectors.vocabulary().tokens
    special, digits, repeats, characters, ordinary = [], [], [], [], []
    for i, token in enumerate(tokens):
        bare = token.decode().removeprefix(" ")
        if token.startswith(b"<"):
            special.append(i)
        elif len(bare) == 1:
            characters.append(i)
        elif bare.isdigit():
            digits.append(i)
        elif len(set(bare)) == 1:
            repeats.append(i)
        else:
            ordinary.append(i)
    kinds = {"characters": len(characters), "digits": len(digits), "repeats": len(repeats), "reserved": len(special)}
    assert kinds == KNOWN["fixed"]
    hashes = {plain_hash(tokens[i]): i for i in reversed(ordinary)}
    assert len(hashes) == KNOWN["ordinary"]
    least = sorted(hashes)[:4]
    assert least == KNOWN["arrays"]["hashes"]["first"]
    assert [hashes[h] for h in least] == KNOWN["arrays"]["ids"]["first"]
    place = ordinary.index(hashes[least[0]])
    following = [plain_hash(tokens[i]) & 0xFFFFFFFF for i in ordinary[place + 1 : place + 7]]
    assert following == KNOWN["arrays"]["runs"]["first"][0]


def test_hashes_of_many_are_those_of_each() -> None:
    random = np.random.default_rng(1)
    tokens = [random.bytes(int(n)) for n in random.integers(0, 60, 500)]
    assert token_hashes(tokens).tolist() == [plain_hash(token) for token in tokens]
    assert token_hashes([]).tolist() == []
