"""Write the sketches of public tokenizers that ship with the package: index/tokenizers.

    python scripts/build_reference_tokenizers.py [--cache DIR]

`title` in tokenizer_packages.toml is what an answer calls a tokenizer. Those without one do not ship: copies of others,
smaller sizes of one training, and a file that holds another vocabulary than its package says.
"""

from __future__ import annotations

import argparse
import re
from dataclasses import replace
from pathlib import Path

from public_tokenizers import public_tokenizers

from lineage.sketch import sketch_tokenizer, write_tokenizer

TARGET = Path(__file__).parent.parent / "index" / "tokenizers"


def main() -> None:
    """Write each file anew."""
    parser = argparse.ArgumentParser(description="Write the reference sketches of public tokenizers.")
    parser.add_argument("--cache", type=Path, default=None)
    cache = parser.parse_args().cache
    TARGET.mkdir(exist_ok=True)
    for tokenizer in public_tokenizers():
        if tokenizer.title is None:
            continue
        made = sketch_tokenizer(tokenizer.vocabulary(cache))
        stem = re.sub(r"[^a-z0-9]+", "-", tokenizer.title.lower()).strip("-")
        write_tokenizer(replace(made, name=tokenizer.title), TARGET / f"{stem}.tokenizer")


if __name__ == "__main__":
    main()
