"""The documents of the project, and the commands that they show."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Fence:
    """One fenced block: its language, and its text."""

    language: str
    text: str


def fences(page: str) -> list[Fence]:
    """The fenced blocks of a page that name a language, in order."""
    return [Fence(*found) for found in re.findall(r"^```(\w+)\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)]


def commands(page: str) -> list[list[str]]:
    """Every `lineage ...` line of the shell blocks, without prompt and comment, split like a shell would."""
    lines = [line for fence in fences(page) if fence.language in {"sh", "console"} for line in fence.text.splitlines()]
    split = [shlex.split(line.removeprefix("$ "), comments=True) for line in lines]
    return [words[1:] for words in split if words[:1] == ["lineage"]]
