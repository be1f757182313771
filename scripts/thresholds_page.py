#!/usr/bin/env python3
"""Writes docs/thresholds.md: the numbers that decide an answer, each with where it comes from.

    python scripts/thresholds_page.py

The numbers stay beside the code that they decide; the page is read off the modules of the two rooms where evidence is
weighed. A test holds the page to the code, and no number there may go without a reason.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOMS = {"match": "Matching: which tensors correspond, and how strong that is", "ancestry": "Ancestry: what it means"}
PACKAGE = Path(__file__).parents[1] / "lineage"
PAGE = Path(__file__).parents[1] / "docs" / "thresholds.md"
HEAD = """# Thresholds

The numbers that modules of matching and ancestry name: what each bounds, and why it is that. Those that were fitted are
in `lineage/ancestry/pair/calibration.toml`. This page is read off the code by `python scripts/thresholds_page.py`;
change the comment beside the number, not the page. "Calibration half" is the half of a zoo that thresholds may be set
on ([results](results.md)). A reason without a measurement is a choice.
"""
_CONSTANT = re.compile(r"_?[A-Z][A-Z0-9_]*")


@dataclass(frozen=True, slots=True)
class Threshold:
    """A number that a module names: `value` as it is written there, `reason` the comments beside it."""

    module: str
    name: str
    value: str
    reason: str


def page() -> str:
    """The whole page: a table for each room."""
    parts = [HEAD]
    for room, title in ROOMS.items():
        parts.append(f"## {title}\n\n| module | name | value | why |\n| --- | --- | --- | --- |")
        before = Threshold("", "", "", "")
        for one in thresholds(room):
            is_next = one.module == before.module
            reason = "the same" if is_next and one.reason == before.reason else one.reason
            name = ", ".join(each.lstrip("_") for each in one.name.split(", "))
            parts.append(f"| {'' if is_next else one.module} | `{name}` | `{one.value}` | {reason} |")
            before = one
        parts.append("")
    return "\n".join(parts)


def thresholds(room: str) -> Iterator[Threshold]:
    """The numbers of all modules of a room, in the order of their names and of the lines in each."""
    for path in sorted((PACKAGE / room).rglob("*.py")):
        module = path.relative_to(PACKAGE).with_suffix("").as_posix()
        text = path.read_text(encoding="utf-8")
        yield from (Threshold(module, *found) for found in numbers(text))


def numbers(text: str) -> Iterator[tuple[str, str, str]]:
    """(name, value, reason) of every number that a module names at its top."""
    lines = text.splitlines()
    body = ast.parse(text).body
    shared, after = "", 0  # a comment above holds for the numbers that follow without a line between
    for place, node in enumerate(body):
        name = _name(node)
        if name is None or node.end_lineno is None or not isinstance(node, ast.Assign | ast.AnnAssign):
            continue
        above = _above(lines, node.lineno - 1)
        shared = above or (shared if node.lineno == after + 1 else "")
        after = node.end_lineno
        beside = lines[node.end_lineno - 1][node.end_col_offset :].strip().removeprefix("#").strip()
        value = node.value
        assert value is not None
        reasons = [part for part in (beside, shared, _below(body, place)) if part]
        yield name, ast.unparse(value), "; ".join(reasons).replace("|", "\\|")


def _name(node: ast.stmt) -> str | None:
    """The name of a number, or of several."""
    match node:
        case ast.Assign(targets=[ast.Name() | ast.Tuple() as target], value=value):
            name = ast.unparse(target).strip("()")
        case ast.AnnAssign(target=ast.Name(name), value=value) if value is not None:
            pass
        case _:
            return None
    if all(map(_CONSTANT.fullmatch, name.split(", "))) and _is_number(value):
        return name
    return None


def _is_number(node: ast.expr) -> bool:
    match node:
        case ast.Constant(value=bool()):
            return False
        case ast.Constant(value=value):
            return isinstance(value, int | float)
        case ast.UnaryOp(operand=operand):
            return _is_number(operand)
        case ast.BinOp(left=left, right=right):
            return _is_number(left) and _is_number(right)
        case ast.Tuple(elts=elements):
            return bool(elements) and all(map(_is_number, elements))
    return False


def _above(lines: list[str], line: int) -> str:
    """The comment that ends on the line above."""
    first = line
    while first and lines[first - 1].startswith("#"):
        first -= 1
    return " ".join(one.lstrip("# ") for one in lines[first:line])


def _below(body: list[ast.stmt], place: int) -> str:
    """The text under a number, as documentation tools read it."""
    match body[place + 1 : place + 2]:
        case [ast.Expr(ast.Constant(str() as text))]:
            return " ".join(text.split())
    return ""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
