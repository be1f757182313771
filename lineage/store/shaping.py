"""JSON that should hold a dataclass: built where every value is of the type that its field has, else refused."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import fields
from enum import EnumType, StrEnum
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

Made = TypeVar("Made")


def shaped(kind: type[Made], held: Any) -> Made:
    """An object of the dataclass `kind` from its fields by name. Raises TypeError where one is missing or unfit."""
    about: Any = kind
    hints = _hints(about)
    if not isinstance(held, dict) or not held.keys() <= hints.keys():
        raise TypeError(f"no {kind.__name__}")
    return kind(**{name: fitted(value, hints[name]) for name, value in held.items()})


def fitted(value: Any, hint: Any) -> Any:
    """A value as the type `hint` has it: lists as tuples, words as members. Raises TypeError where it has none."""
    kind, parts = get_origin(hint), get_args(hint)
    if kind in (Union, types.UnionType):
        if value is None and type(None) in parts:
            return None
        (hint,) = (part for part in parts if part is not type(None))
        return fitted(value, hint)
    words = tuple(hint) if isinstance(hint, EnumType) else parts if kind is Literal else ()
    for word in words:
        if word == value and type(value) is (str if isinstance(word, StrEnum) else type(word)):
            return word
    if kind is tuple and isinstance(value, list):
        inner = parts[:1] * len(value) if parts[1:] == (...,) else parts
        if len(inner) == len(value):
            return tuple(map(fitted, value, inner))
    if hint is float and type(value) is int:
        return value
    if isinstance(hint, type) and type(value) is hint:
        return value
    raise TypeError(f"{value!r:.40} is not a {hint}")


@cache
def _hints(kind: Any) -> Mapping[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}
