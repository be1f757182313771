"""HTML made safe by construction: whatever is not already Markup is text, and text is escaped."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from markupsafe import Markup, escape

from lineage.report.figures import plain

_VOID = frozenset({"link", "meta", "input", "rect", "path", "line", "circle", "polygon", "polyline", "br"})

_ELEMENT = re.compile(r"<[^>]*>")

Attribute = str | int | float | bool | None


def escaped(text: str) -> Markup:
    """`text` as HTML: no tag, entity, quote, control or reordering character of it takes effect."""
    return text if isinstance(text, Markup) else escape(plain(text))


def unmarked(text: str) -> Markup:
    """`text` without its elements, as attributes and titles need it: in Markup a bare `<` opens one of ours."""
    return Markup(_ELEMENT.sub("", text)) if isinstance(text, Markup) else escaped(text)  # noqa: S704 - less of it


def between(separator: str, parts: Iterable[str]) -> Markup:
    """Texts and Markup with a separator between them."""
    return escaped(separator).join(escaped(part) for part in parts)


def tag(name: str, /, *children: str | Iterable[str], **attributes: Attribute) -> Markup:
    """An element; `class_` is class, `aria_label` is aria-label, and an attribute that is None or False is left out."""
    head = "".join([f"<{name}", *(_attribute(key, value) for key, value in attributes.items())])
    if name in _VOID:
        element = f"{head}>" if name in ("link", "meta", "input", "br") else f"{head}/>"
    else:
        element = f"{head}>{joined(*children)}</{name}>"
    return Markup(element)  # noqa: S704 - names are ours, attributes and children escaped


def joined(*children: str | Iterable[str]) -> Markup:
    """Children one after another, texts escaped."""
    parts = (escaped(one) if isinstance(one, str) else joined(*one) for one in children)
    return Markup().join(parts)


def number(value: float) -> str:
    """A coordinate: one decimal, none where it is 0."""
    return f"{value:.1f}".removesuffix(".0")


def script_json(value: Any) -> Markup:
    """JSON for a script element that is never run: ASCII, and nothing in it can end the element or open a comment."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    bare = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return Markup(bare)  # noqa: S704 - nothing of HTML is left


def _attribute(key: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    name = key.removesuffix("_").replace("_", "-")
    if value is True:
        return f" {name}"
    shown = number(value) if isinstance(value, float) else str(value) if isinstance(value, int) else unmarked(value)
    return f' {name}="{shown}"'
