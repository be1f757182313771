"""JSON from untrusted bytes: objects without repeated names, or one clear error."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from lineage.checkpoints.io.bytes import PositionedFile, read
from lineage.checkpoints.io.quoting import quoted, reason
from lineage.errors import Malformed

_LARGEST = 3.4028234663852886e38  # of float32


def parse_object(path: Path, text: bytes, what: str) -> dict[str, Any]:
    """Parse a JSON object. Raises Malformed for anything else, and for a name that appears twice in one object."""
    value = _parsed(path, text, what)
    if not isinstance(value, dict):
        raise Malformed(path, f"{what} is not a JSON object")
    return value


def read_object(file: PositionedFile, limit: int) -> dict[str, Any]:
    """Read and parse a JSON file of at most `limit` bytes that holds an object."""
    value = read_json(file, limit)
    if not isinstance(value, dict):
        raise Malformed(file.path, "this file is not a JSON object")
    return value


def read_json(file: PositionedFile, limit: int) -> Any:
    """Read and parse a JSON file of at most `limit` bytes, with a value of any kind."""
    if file.size > limit:
        raise Malformed(file.path, f"is {file.size:,} bytes long, more than the {limit:,} allowed for it")
    return _parsed(file.path, read(file, 0, file.size), "this file")


def _parsed(path: Path, text: bytes, what: str) -> Any:
    try:
        return json.loads(text.decode("utf-8-sig"), object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError) as error:
        why = "nested too deeply" if isinstance(error, RecursionError) else reason(error)
        raise Malformed(path, f"{what} is not valid JSON: {why}") from error


def as_float32(value: Any) -> float | None:
    """A parsed number as a float; None for anything but a number that float32 can hold."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and abs(value) <= _LARGEST else None


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
        raise ValueError(f"the name {quoted(twice)} appears twice")
    return found
