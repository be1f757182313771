"""The shell of a page: one file, nothing fetched, and a content policy that forbids fetching anything."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files

from markupsafe import Markup

from lineage.report.html.markup import joined, tag
from lineage.report.html.texts import Texts

_ASSETS = "lineage.report.html.assets"
_LONG = 12  # rows of a table that is not folded


def document(say: Texts, title: str, body: Markup, script: str, data: Markup | None = None) -> bytes:
    """A whole page; `script` names the script in assets, `data` is JSON that the page carries along."""
    style, code = asset("style.css"), asset(script)
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_policy(style, code)),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("link", rel="icon", href="data:,"),
        tag("title", title),
        tag("style", style),
    )
    carried = () if data is None else (tag("script", data, type="application/json", id="lineage-json"),)
    skip = tag("a", say("page.skip"), class_="skip", href="#content")
    page = tag("html", head, tag("body", skip, body, *carried, tag("script", code)), lang=say.language)
    return f"<!doctype html>\n{page}\n".encode()


def section(key: str, heading: str, *children: str | tuple[str, ...]) -> Markup:
    """A landmark with a heading, which the table of contents links to."""
    title = tag("h2", heading, id=f"{key}-title")
    return tag("section", title, joined(*children), id=key, aria_labelledby=f"{key}-title")


def table(
    caption: str,
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    figures: Sequence[int] = (),
    prose: Sequence[int] = (),
) -> Markup:
    """A table that scrolls on its own; its first column names the row.

    `figures` are the columns that hold numbers, `prose` those that hold sentences.
    """
    kinds = dict.fromkeys(figures, "figure") | dict.fromkeys(prose, "prose")
    top = tag("tr", *(tag("th", head, scope="col", class_=kinds.get(i)) for i, head in enumerate(heads)))
    lines = [
        tag(
            "tr",
            tag("th", row[0], scope="row"),
            *(tag("td", cell, class_=kinds.get(i)) for i, cell in enumerate(row[1:], 1)),
        )
        for row in rows
    ]
    made = tag("table", tag("caption", caption), tag("thead", top), tag("tbody", lines))
    return scrolling(made, caption)


def scrolling(wide: str, name: str) -> Markup:
    """Something wide in a region that scrolls by itself, by keyboard too."""
    return tag("div", wide, class_="scroll", role="region", tabindex=0, aria_label=name)


def folded(name: Markup, shown: Markup, rows: int) -> Markup:
    """A long table folded; paper shows it unfolded."""
    return shown if rows <= _LONG else tag("details", tag("summary", name, f" ({rows})"), shown)


@lru_cache
def asset(name: str) -> Markup:
    """A style sheet or script of this package."""
    return Markup(files(_ASSETS).joinpath(name).read_text(encoding="utf-8"))  # noqa: S704 - of our own


def _policy(style: str, code: str) -> str:
    return (
        f"default-src 'none'; style-src {_source(style)}; script-src {_source(code)}; img-src data:;"
        " base-uri 'none'; form-action 'none'"
    )


def _source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
