"""Claims about a model: from a card (front matter and plain statements), or from a TOML or JSON file of claims."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lineage.checkpoints.folders.card import MAX_CARD, MAX_PARENTS, parse_card
from lineage.checkpoints.io.bytes import PositionedFile
from lineage.checkpoints.io.strict_json import parse_object
from lineage.errors import Malformed
from lineage.policy.statements import UNCLEAR, statements
from lineage.policy.toml_lines import Source, read_text
from lineage.types import Claim, Meter

CARD = "README.md"
_MOST = 100
_KEYS = {
    "base_model": "base-model",
    "base_model_relation": "relation",
    "license": "licence",
    "licence": "licence",
    "license_name": "licence",
    "from_scratch": "from-scratch",
    "parameters": "parameters",
    "num_parameters": "parameters",
    "model_size": "parameters",
    "quantization": "quantisation",
    "quantisation": "quantisation",
    "own_tokenizer": "own-tokenizer",
}
_FLAGS = ("from_scratch", "own_tokenizer")

_SCHEME_TAG = re.compile(r"(?:[48]-bit|int[48]|fp8|nf4|w[48]a\d+)", re.IGNORECASE)


def read_claims(path: str | Path, name: str) -> tuple[Claim, ...]:
    """The claims of a file about the model of that name: TOML, JSON, or else a card; of a folder, its README.md.

    The first 64 KiB of a card are read. Raises Malformed (with the line) for a file that is not text or breaks its
    format, CheckpointError for a file that cannot be read.
    """
    place = Path(path)
    if place.is_dir():
        place /= CARD
    if place.suffix.lower() == ".toml":
        source = Source(place, read_text(place, "a file of claims"))
        found = list(_of_values(source.values, place, lambda key: source.line(key=key)))
    elif place.suffix.lower() == ".json":
        text = read_text(place, "a file of claims")
        lines = text.splitlines()
        found = list(
            _of_values(parse_object(place, text.encode(), "this file"), place, lambda key: _line_of(lines, f'"{key}"'))
        )
    else:
        found = list(of_card(_card_text(place), name))
    return tuple(dict.fromkeys(found))[:_MOST]


def of_card(text: str, name: str) -> Iterator[Claim]:
    """The claims of a card: of its front matter, then of its prose.

    Where the card names a base model, a sentence on training from scratch, or on a tokenizer of one's own, may well
    be about that base model: it is unclear.
    """
    lines = text.splitlines()
    fields = parse_card(text).fields
    end = next((i for i, line in enumerate(lines[1:], 1) if line.strip() == "---"), 0) if fields else 0
    front = lines[: end + 1]
    for key in ("base_model", "base_model_relation", *(["license_name"] if _is_other(fields) else ["license"])):
        for value in fields.get(key, ())[:MAX_PARENTS]:
            line = _line_of(front, value, _line_of(front, f"{key}:"))
            yield Claim(_kind(key), value, f"{key}: {value}", line)
    for key in (*_FLAGS, "parameters", "num_parameters", "model_size", "quantization", "quantisation"):
        for value in fields.get(key, ())[:1]:
            if key not in _FLAGS or value.lower() in ("true", "yes"):
                value = "yes" if key in _FLAGS else value  # noqa: PLW2901 - one value for both
                yield Claim(_kind(key), value, f"{key}: {value}", _line_of(front, f"{key}:"))
    for tag in fields.get("tags", ()):
        if _SCHEME_TAG.fullmatch(tag):
            yield Claim("quantisation", tag, f"tags: {tag}", _line_of(front, tag, _line_of(front, "tags:")))
    has_base = bool(fields.get("base_model"))
    for claim in statements("\n".join(lines[end + 1 if end else 0 :]), name, end + 2 if end else 1):
        is_of_base = has_base and claim.kind in ("from-scratch", "own-tokenizer")
        yield Claim(claim.kind, UNCLEAR, claim.words, claim.line) if is_of_base else claim


def _of_values(values: Mapping[str, Any], place: Path, line_of: Any) -> Iterator[Claim]:
    for key, value in values.items():
        line = line_of(key)
        if key not in _KEYS:
            raise Malformed(place, f"line {line}: unknown claim {str(key)[:64]!r}; choose from {', '.join(_KEYS)}")
        if key in _FLAGS:
            if not isinstance(value, bool):
                raise Malformed(place, f"line {line}: {key} must be true or false")
            if value:
                yield Claim(_kind(key), "yes", key, line)
            continue
        for one in value if isinstance(value, list) else [value]:
            text = str(one) if isinstance(one, str | int | float) and not isinstance(one, bool) else ""
            if not text.strip() or len(text) > 200 or not text.isprintable():
                raise Malformed(place, f"line {line}: {key} must be a short text, a number, or a list of them")
            yield Claim(_kind(key), text, f"{key}: {text}", line)


def _card_text(place: Path) -> str:
    """The first 64 KiB of a card; a character that is cut in two at the end is left out."""
    head = PositionedFile(place, Meter()).head(MAX_CARD)
    try:
        text = head.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3 or len(head) < MAX_CARD:
            raise Malformed(place, f"is not a card: byte {error.start:,} is not UTF-8 text") from error
        text = head[: error.start].decode("utf-8-sig")
    if "\0" in text:
        raise Malformed(place, "is not a card: it holds a NUL byte")
    return text


def _kind(key: str) -> Any:
    return _KEYS[key]


def _is_other(fields: Mapping[str, tuple[str, ...]]) -> bool:
    return "license_name" in fields and fields.get("license", ("other",))[0].lower() in ("other", "unknown")


def _line_of(lines: list[str], text: str, otherwise: int = 1) -> int:
    return next((i for i, line in enumerate(lines, 1) if text in line), otherwise)
