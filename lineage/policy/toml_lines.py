"""Untrusted TOML: parsed by the standard library, with the line of an error."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from lineage.checkpoints.io.bytes import PositionedFile, read
from lineage.errors import Malformed
from lineage.types import Meter

MAX_BYTES = 256 << 10
_HEADER = re.compile(r"\s*\[+\s*([\w-]+)")
_LONG_KEY = re.compile(r"""(?<![\w-])(?=[\w"'-])(?:["']?+[\w-]*+["']?+[ \t]*+\.[ \t]*+){32}""")
_AT_LINE = re.compile(r"\s*\(at line (\d+), column \d+\)$")


class Source:
    """One TOML file: its values, and where each of them stands. Raises Malformed, CheckpointError."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self._lines = text.splitlines()
        self.values = self._parsed(text)

    def fault(self, problem: str, table: str | None = None, number: int = 0, key: str | None = None) -> Malformed:
        """The error for what is wrong at `key` of the `number`th `[[table]]`, with its line."""
        return self._at(self.line(table, number, key), problem)

    def line(self, table: str | None = None, number: int = 0, key: str | None = None) -> int:
        """The line, from 1, of a key in the `number`th `[[table]]`, or of that table, or of a key at the top."""
        starts = [i for i, line in enumerate(self._lines) if (m := _HEADER.match(line)) and m[1] == table]
        start = starts[min(number, len(starts) - 1)] if starts else 0
        if key is not None:
            pattern = re.compile(rf"""(^|[{{,.\s\["'])["']?{re.escape(key)}["']?\s*[=.\]]""")
            for i in range(start, len(self._lines)):
                if i > start and table is not None and self._begins_another(i, table):
                    break
                if pattern.search(self._lines[i]):
                    return i + 1
        return start + 1

    def _begins_another(self, i: int, table: str) -> bool:
        """Whether line `i` opens a table outside `table`."""
        match = _HEADER.match(self._lines[i])
        return match is not None and not re.match(rf"\s*\[\s*{table}\s*\.", self._lines[i])

    def _parsed(self, text: str) -> dict[str, Any]:
        long = _LONG_KEY.search(text)
        if long is not None:  # the parser's time grows with the square of a key's length
            raise self._at(text.count("\n", 0, long.start()) + 1, "holds a name of more than 32 parts")
        try:
            return tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            where = _AT_LINE.search(str(error))
            line = int(where[1]) if where else max(1, len(self._lines))
            raise self._at(line, _AT_LINE.sub("", str(error)).replace("(at end of document)", "at the end")) from error
        except (RecursionError, ValueError) as error:
            raise self._at(1, "is nested too deeply or holds a number out of range") from error

    def _at(self, line: int, problem: str) -> Malformed:
        return Malformed(self.path, f"line {line}: {problem}")


def read_text(path: Path, what: str, limit: int = MAX_BYTES) -> str:
    """The text of a small file. Raises CheckpointError, Malformed if too long, not UTF-8 or not a regular file."""
    file = PositionedFile(path, Meter())
    if file.size > limit:
        raise Malformed(path, f"is {file.size:,} bytes long, more than the {limit:,} allowed for {what}")
    try:
        text = read(file, 0, file.size).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Malformed(path, f"is not text: byte {error.start:,} is not UTF-8") from error
    if "\0" in text:
        raise Malformed(path, f"is not text: line {text[: text.index(chr(0))].count(chr(10)) + 1} holds a NUL byte")
    return text
