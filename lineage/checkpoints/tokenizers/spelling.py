"""How files spell tokens, and the bytes that they mean.

Byte-level files write each byte as a printable character (GPT-2: a space is U+0120), sentencepiece writes a space as
U+2581 and a byte as <0x0A>, WordPiece marks what continues a word by ##, CLIP the end of a word by </w>. Here a token
is the bytes that it stands for in a text; what begins a word has the space before it, in WordPiece too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import accumulate
from typing import Literal

Spelling = Literal["byte-level", "byte-level, word ends", "sentencepiece", "WordPiece", "plain"]

SPACE = "\u2581"
CONTINUES = "##"
WORD_END = "</w>"
_BYTE = re.compile(r"<0x[0-9A-Fa-f]{2}>")
_ENOUGH = 0.01  # of the tokens carry a spelling's mark; in the vocabularies of one language more than a tenth do


def _alphabet() -> dict[int, int]:
    """The printable character of each byte in byte-level files, as GPT-2 published it, by code point."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {**{byte: byte for byte in printable}, **{0x100 + place: byte for place, byte in enumerate(others)}}


BYTE_OF = _alphabet()
_CHARACTERS = frozenset(map(chr, BYTE_OF))


def looks_special(text: str) -> bool:
    """Whether a token is a name in brackets, such as <s>, <|end|> or [PAD], and not a piece of text."""
    return len(text) > 2 and ((text[0] == "<" and text[-1] == ">") or (text[0] == "[" and text[-1] == "]"))


def is_byte(text: str) -> bool:
    """Whether a token is a byte as sentencepiece writes it, such as <0x0A>."""
    return _BYTE.fullmatch(text) is not None


_APART = "\U0010fffd\U0010fffe"  # which hardly any token has; each stands for itself alone


def _joined(texts: Sequence[str]) -> str | None:
    """All texts as one, each behind two characters that none of them has in a row; None where one has."""
    joined = _APART + _APART.join(texts)
    return joined if joined.count(_APART) == len(texts) else None


def _beginning(texts: Sequence[str], mark: str) -> int:
    """How many texts begin with `mark`, counted at once."""
    joined = _joined(texts)
    return sum(text.startswith(mark) for text in texts) if joined is None else joined.count(_APART + mark)


def spelling_of(texts: Sequence[str]) -> Spelling:
    """Recognise a spelling by the marks of its tokens."""
    least = _ENOUGH * len(texts)
    if _beginning(texts, SPACE) > least:
        return "sentencepiece"
    if _beginning(texts, CONTINUES) - texts.count(CONTINUES) > least:
        return "WordPiece"
    byte_level = set(texts) >= _CHARACTERS
    if byte_level:
        ends = sum(text.endswith(WORD_END) for text in texts)
        return "byte-level, word ends" if ends > least else "byte-level"
    return "plain"


def to_bytes(texts: Sequence[str], spelling: Spelling) -> list[bytes]:
    """The bytes that each token stands for. Lone surrogates, which no UTF-8 has, become question marks."""
    if spelling == "byte-level":
        return _from_byte_level(texts)
    if spelling == "byte-level, word ends":
        return _from_byte_level([_ended(text) for text in texts])
    if spelling == "sentencepiece":
        return _encoded(texts, spaced=True)
    if spelling == "WordPiece":
        return [_word_piece(text).encode("utf-8", "replace") for text in texts]
    return _encoded(texts)


def _encoded(texts: Sequence[str], *, spaced: bool = False) -> list[bytes]:
    """Texts as UTF-8, U+2581 as a space where they are `spaced`: all at once, as a call for each takes long."""
    joined = _joined(texts)
    if joined is None:
        return [(text.replace(SPACE, " ") if spaced else text).encode("utf-8", "replace") for text in texts]
    whole = (joined.replace(SPACE, " ") if spaced else joined).encode("utf-8", "replace")
    return whole.split(_APART.encode())[1:]


def _from_byte_level(texts: Sequence[str]) -> list[bytes]:
    """All at once, since a call for each of 256,000 tokens takes a second; text that is not byte-level is UTF-8."""
    joined = "".join(texts)
    if _CHARACTERS.issuperset(joined):
        whole = joined.translate(BYTE_OF).encode("latin-1")
        ends = list(accumulate(map(len, texts)))
        return [whole[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)] if ends else []
    inside = [_CHARACTERS.issuperset(text) for text in texts]
    translated = iter(_from_byte_level([text for text, within in zip(texts, inside, strict=True) if within]))
    return [
        next(translated) if within else text.encode("utf-8", "replace")
        for text, within in zip(texts, inside, strict=True)
    ]


def _ended(text: str) -> str:
    return text.removesuffix(WORD_END) + "\u0120" if text.endswith(WORD_END) else text


def _word_piece(text: str) -> str:
    if looks_special(text):
        return text
    return text[2:] if text.startswith(CONTINUES) and len(text) > 2 else " " + text
