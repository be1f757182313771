"""The policies find and never phrase: no sentence is built there, but for errors."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import lineage.policy

FOLDER = Path(lineage.policy.__file__).parent
OF_ERRORS = {"Malformed", "fault", "_at", "read_text", "parse_object", "_known", "unknown", "missing"}
"""What makes an error of the texts that it is given."""
_PHRASE = re.compile(r"[a-z]{2,},? [a-z]{2,}")


def sentences(source: str) -> Iterator[str]:
    """Texts of two English words and more that are not a docstring, a pattern or a part of an error."""
    tree = ast.parse(source)
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Raise) or id(node) in docstrings or _is_spared(node):
            continue
        if isinstance(node, ast.JoinedStr):
            shown = "".join(part.value if isinstance(part, ast.Constant) else "x" for part in node.values)
            yield from [shown] if _PHRASE.search(shown) else []
            waiting += [part for part in node.values if not isinstance(part, ast.Constant)]
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _PHRASE.search(node.value):
            yield node.value
        waiting += ast.iter_child_nodes(node)


def _is_spared(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    called = node.func
    if isinstance(called, ast.Attribute):
        is_pattern = isinstance(called.value, ast.Name) and called.value.id == "re"
        return is_pattern or called.attr in OF_ERRORS
    return isinstance(called, ast.Name) and called.id in OF_ERRORS


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('def f(n):\n    """Says something."""\n    return "no parent was measured"\n', 1),
        ('def f(n):\n    return f"the two are {n}, sadly"\n', 1),
        ("def f(n):\n    return f\"{n}{'which of them' if n else ''}\"\n", 1),
        ('NOTES = ("weights never prove it",)\n', 1),
        ('def f(n):\n    return Fact("it is open")\n', 1),
        ('def f(n):\n    raise Malformed(n, f"line {n}: is not a table")\n', 0),
        ('P = re.compile(r"trained from scratch")\nX = f"{P}: {P}"\nY = "fine-tuned"\n', 0),
    ],
)
def test_a_sentence_is_seen(source, found):
    assert len(list(sentences(source))) == found


def test_no_policy_builds_a_sentence():
    files = [path for path in FOLDER.rglob("*.py") if path.name != "refusals.py"]  # parts of errors
    assert len(files) > 15
    assert {path.name: said for path in files if (said := list(sentences(path.read_text(encoding="utf-8"))))} == {}
