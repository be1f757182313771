"""Below the reports no sentence is made of what was found: facts travel, `lineage.report.words` says them.

Exempt are errors (what is raised, made to be raised, or kept in tables of what is wrong with a file), docstrings,
patterns, names of components and encodings, and SQL: whatever is not handed on as a fact or as a field of an answer.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import lineage
from lineage import types
from lineage.types import facts

HOUSE = Path(lineage.__file__).parent
STRICT = ("types", "anatomy", "sketch", "match", "ancestry")
"""Rooms in which no sentence stands at all."""
ROOMS = (*STRICT, "store", "checkpoints", "policy", "api")
NAMES = frozenset({"gate and up", "not in the index", "ncnn palette of 8 bits"})  # of units, of a node, of an encoding
WORD = re.compile(r"[A-Za-z][a-z'-]*[,.:;)]?")
PHRASE = 3  # words: names of components, methods and encodings have two


def answers() -> frozenset[str]:
    """The classes that carry facts up: all of lineage.types, and every kind of fact."""
    named = {name: getattr(types, name) for name in types.__all__}  # which are loaded when they are used
    for one in pkgutil.walk_packages(facts.__path__, "lineage.types.facts."):
        named |= vars(importlib.import_module(one.name))
    return frozenset({name for name, one in named.items() if dataclasses.is_dataclass(one)} | {"replace"})


ANSWERS = answers()


def text_of(node: ast.AST) -> str | None:
    """The words of a string or f-string, blanks for what is filled in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return " ".join(part.value for part in node.values if isinstance(part, ast.Constant))
    return None


def called(node: ast.AST) -> str:
    """The name of what is called, "" for anything else."""
    if not isinstance(node, ast.Call):
        return ""
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def sentences(source: str, *, strict: bool) -> Iterator[tuple[int, str]]:
    """Line and text of each sentence: in strict rooms anywhere, elsewhere where it is handed to an answer."""
    yield from _walk(ast.parse(source), strict, handed=False)


def _walk(node: ast.AST, strict: bool, handed: bool) -> Iterator[tuple[int, str]]:
    if isinstance(node, ast.Raise) or called(node) in ERRORS:
        return
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return  # a docstring
    text = text_of(node)
    if text is not None:
        words = [word for word in text.split() if WORD.fullmatch(word)]
        most = PHRASE - (strict and isinstance(node, ast.JoinedStr))
        if (handed or strict) and len(words) >= most and text not in NAMES:
            yield getattr(node, "lineno", 0), text
        return
    handed = handed or called(node) in ANSWERS
    for child in ast.iter_child_nodes(node):
        yield from _walk(child, strict, handed)


ERRORS = frozenset(
    name for name, one in vars(importlib.import_module("lineage.errors")).items() if isinstance(one, type)
)
ERRORS |= {"__init__", "compile"}


@pytest.mark.parametrize("room", ROOMS)
def test_no_sentence_is_handed_up(room: str):
    found = [
        f"{path.relative_to(HOUSE)}:{line}: {text}"
        for path in sorted((HOUSE / room).rglob("*.py"))
        for line, text in sentences(path.read_text(encoding="utf-8"), strict=room in STRICT)
    ]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        'def f(edge, n):\n    return replace(edge, basis=(f"{n} matrices are equal",))',
        'edge = Edge(a, b, "merged", True, "measured", basis=("put together from two models",))',
        'cue = Cue("layers", "child", 2.0, "the layers are copies")',
        'excluded = Excluded(name, "not a weight at all")',
        'fact = NamedIn(f"the card of {name}")',
    ],
)
def test_a_sentence_that_is_handed_up_is_found(source: str):
    assert len([*sentences(source, strict=False)]) == 1


@pytest.mark.parametrize(
    "source",
    [
        'REASON = "not a weight at all"',
        'def f(n):\n    yield f"rank {n} in many matrices"',
        'x = {"a": f"{n} equal matrices"}',
    ],
)
def test_a_sentence_anywhere_is_found_in_a_strict_room(source: str):
    assert len([*sentences(source, strict=True)]) == 1
    assert [*sentences(source, strict=False)] == []


@pytest.mark.parametrize(
    "source",
    [
        'def f():\n    """Say what was found in it."""',
        'raise Malformed(path, f"holds {n} tensors and no weights")',
        'def f():\n    return Malformed(path, "holds no weights at all")',
        'edge = Edge(a, b, "component-reused", True, "measured", basis=(EqualMatrices(1, 40),))',
    ],
)
def test_errors_docstrings_and_words_are_none(source: str):
    assert [*sentences(source, strict=True)] == []
