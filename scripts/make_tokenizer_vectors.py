"""Make the known answers of section 12 of index/FORMAT.md: index/vectors/tokenizers.json.

    python scripts/make_tokenizer_vectors.py

The vocabulary is a formula, so that nobody needs a file. Run it only when the family changes its name.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from blake3 import blake3

from lineage.sketch.tokenizer import TOKENIZER_FAMILY, sketch_tokenizer
from lineage.sketch.tokenizer_hashes import token_hashes
from lineage.types import TokenizerSketch, Vocabulary

ANSWERS = Path(__file__).parent.parent / "index" / "vectors" / "tokenizers.json"
TOKENS = 5000
FORMULA = (
    "Token i, for i from 0 to 4999, has the id i and, with x = 7919 i mod 5000, the text: '<|x|>' if x mod 500 = 0; "
    "x in decimal if x mod 50 = 1; '=' (x mod 7 + 2) times if x mod 50 = 2; the character U+AC00 + x if x mod 50 = 3; "
    "else a space if x is even, then for each decimal digit d of x the d-th of ba ce di fo gu ha ke li mo nu, and if 5 "
    "divides x the character U+0430. No token is marked; the special ones are those in <| |>; texts are in UTF-8."
)
STRINGS = ("", "a", " the", "exactly8", "nine bytes", "caf\u00e9", "\u2581", "x" * 40)
_SYLLABLES = ["ba", "ce", "di", "fo", "gu", "ha", "ke", "li", "mo", "nu"]


def text(i: int) -> str:
    """Token `i` of the formula."""
    x = 7919 * i % TOKENS
    if x % 500 == 0:
        return f"<|{x}|>"
    fixed = {1: str(x), 2: "=" * (x % 7 + 2), 3: chr(0xAC00 + x)}.get(x % 50)
    word = " " * (x % 2 == 0) + "".join(_SYLLABLES[int(digit)] for digit in str(x)) + "\u0430" * (x % 5 == 0)
    return fixed or word


def vocabulary() -> Vocabulary:
    """The vocabulary of the formula."""
    texts = [text(i) for i in range(TOKENS)]
    special = tuple((token, i) for i, token in enumerate(texts) if token.startswith("<|"))
    return Vocabulary(
        name="formula", path="", format="formula", algorithm=None, tokens=tuple(token.encode() for token in texts),
        ids=np.arange(TOKENS), marked=np.zeros(TOKENS, np.bool_), special=special,
    )  # fmt: skip


def answers(sketch: TokenizerSketch) -> dict[str, Any]:
    """What the file says: digests of whole arrays, and the first of each."""
    arrays = {name: getattr(sketch, name) for name in ("hashes", "ids", "marks", "runs", "minhash", "special")}
    return {
        "family": TOKENIZER_FAMILY,
        "formula": FORMULA,
        "hashes_of_texts": {string: int(token_hashes([string.encode()])[0]) for string in STRINGS},
        "ordinary": sketch.ordinary,
        "fixed": dict(sketch.fixed),
        "digest": sketch.digest,
        "content": sketch.content,
        "arrays": {
            name: {"first": array[:4].tolist(), "blake3": blake3(array.tobytes()).hexdigest()}
            for name, array in arrays.items()
        },
    }


def main() -> None:
    """Write the file."""
    text_ = json.dumps(answers(sketch_tokenizer(vocabulary())), indent=1, ensure_ascii=True)
    ANSWERS.write_text(text_ + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
