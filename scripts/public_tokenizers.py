"""The tokenizers of tokenizer_packages.toml: fetched, and sketched as a user's would be.

Nothing of a package is run. Two forms are not tokenizer files, but their data can be written as one: CLIP's list of
merges, and the base64 inside llama-tokenizer-js.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
import tempfile
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fetch_real import Package, fetch_package

from lineage.checkpoints.tokenizers import open_tokenizer
from lineage.checkpoints.tokenizers.spelling import BYTE_OF
from lineage.types import Vocabulary

TABLE = Path(__file__).with_name("tokenizer_packages.toml")
_CLIP_MERGES = 49152 - 256 - 2  # as clip/simple_tokenizer.py counts them
_BASE64 = re.compile(r"[\"`]([A-Za-z0-9+/=]{1000,})[\"`]")


@dataclass(frozen=True, slots=True)
class PublicTokenizer:
    """One tokenizer of a package; `text` is the origin where the table names no text."""

    name: str
    origin: str
    text: str
    package: Package
    path: str
    form: str | None
    title: str | None

    def vocabulary(self, cache: Path | None) -> Vocabulary:
        """Fetch it if it is not there, and read it. Raises FetchError, CheckpointError."""
        file = fetch_package(self.package, cache) / self.path
        if self.form is None:
            return open_tokenizer(file)
        with tempfile.TemporaryDirectory() as folder:
            written = Path(folder, "vocab.json")
            written.write_text(json.dumps({text: i for i, text in enumerate(_FORMS[self.form](file))}))
            return open_tokenizer(written)


def public_tokenizers() -> list[PublicTokenizer]:
    """Every tokenizer of the table, in its order."""
    return [tokenizer for row in tomllib.loads(TABLE.read_text(encoding="utf-8"))["package"] for tokenizer in _of(row)]


def _of(row: dict[str, Any]) -> list[PublicTokenizer]:
    entries = row.pop("tokenizer")
    package = Package(weights=(), **row)
    return [
        PublicTokenizer(
            entry["name"],
            entry["origin"],
            entry.get("text", entry["origin"]),
            package,
            entry["path"],
            entry.get("form"),
            entry.get("title"),
        )
        for entry in entries
    ]


def _clip(file: Path) -> list[str]:
    """Bytes, bytes that end a word, and what each merge makes, as CLIP numbers them."""
    merges = gzip.decompress(file.read_bytes()).decode().split("\n")[1 : _CLIP_MERGES + 1]
    alphabet = [chr(code) for code in BYTE_OF]
    return [*alphabet, *(text + "</w>" for text in alphabet), *("".join(merge.split()) for merge in merges)]


def _llama_js(file: Path) -> list[str]:
    """The first long base64 of the program: the tokens, a line each."""
    found = _BASE64.search(file.read_text(encoding="utf-8"))
    if found is None:
        raise ValueError(f"{file}: no vocabulary in it")
    return base64.b64decode(found[1]).decode().split("\n")


_FORMS: dict[str, Callable[[Path], list[str]]] = {"clip": _clip, "llama.js": _llama_js}
