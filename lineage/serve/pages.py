"""The pages of the web interface: one shell, filled by scripts of this service, which call its own API only."""

from __future__ import annotations

import tomllib
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response

from lineage import __version__
from lineage.report.html.document import asset
from lineage.report.html.markup import script_json, tag
from lineage.report.words import Language
from lineage.serve.settings import MIB

_ASSETS = "lineage.serve.assets"
_SCRIPTS = ("app", "ask", "answer", "models", "model", "compare", "families", "layout", "files", "many")
VIEWS = {
    "/": "ask", "/answer": "answer", "/models": "models", "/model": "model", "/families": "families",
    "/compare": "compare", "/many": "many",
}  # fmt: skip
_MENU = {"ask": "/", "many": "/many", "models": "/models", "families": "/families", "compare": "/compare"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob: data:;"
    " frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

Words = Mapping[str, Mapping[str, str]]
Page = Callable[[Request], Awaitable[Response]]


@lru_cache
def words(language: Language) -> Words:
    """What the pages say in a language."""
    return tomllib.loads(_text(f"{language}.toml"))


def _text(name: str) -> str:
    return files(_ASSETS).joinpath(name).read_text(encoding="utf-8")


def page(view: str, path: str) -> Page:
    """The handler of one page."""

    async def shown(request: Request) -> Response:
        language = language_of(request)
        settings = request.app.state.service.settings
        offers = {
            "hub": str(settings.hub).lower(),
            "folders": str(bool(settings.folders)).lower(),
            "body": str(settings.limits.body_mib * MIB),
        }
        content = _shell(view, path, language, offers)
        return Response(content, headers={"Content-Security-Policy": POLICY}, media_type="text/html; charset=utf-8")

    return shown


def language_of(request: Request) -> Language:
    """The language that the address names, or else the one that the reader prefers."""
    asked = request.query_params.get("lang") or request.headers.get("accept-language", "")
    return "ko" if asked.lower().startswith("ko") else "en"


def _shell(view: str, path: str, language: Language, offers: Mapping[str, str]) -> str:
    say = words(language)
    title = say[view]["head"] if view != "model" else say["models"]["name"]
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("link", rel="icon", href="data:,"),
        tag("link", rel="stylesheet", href="/assets/style.css"),
        tag("title", f"{title} · lineage"),
    )
    other: Language = "en" if language == "ko" else "ko"
    items = [
        tag("li", tag("a", say["menu"][key], href=f"{to}?lang={language}", aria_current="page" if to == path else None))
        for key, to in _MENU.items()
    ]
    bar = tag(
        "div",
        tag("a", say["page"]["title"], href=f"/?lang={language}", class_="brand"),
        tag("nav", tag("ul", items), aria_label=say["page"]["menu"]),
        tag("a", say["page"]["language"], href=f"{path}?lang={other}", lang=other, hreflang=other, id="language"),
        class_="bar-top",
    )
    main = tag(
        "main",
        tag("h1", title),
        id="content",
        tabindex=-1,
        data_view=view,
        data_title=title,
        **{f"data_{key}": value for key, value in offers.items()},
    )
    foot = tag("footer", tag("p", say["page"]["footer"], " ", tag("span", "", id="index"), f" lineage {__version__}"))
    carried = tag("script", script_json(say), type="application/json", id="words")
    script = tag("script", "", type="module", src="/assets/app.js")
    skip = tag("a", say["page"]["skip"], class_="skip", href="#content")
    body = tag("body", skip, tag("header", bar), main, foot, carried, script)
    return f"<!doctype html>\n{tag('html', head, body, lang=language)}\n"


def _asset(content: str, media: str) -> Page:
    async def shown(_: Request) -> Response:
        return Response(content, headers={"Cache-Control": "no-cache"}, media_type=media)

    return shown


def _style() -> str:
    return f"{asset('style.css')}\n{_text('serve.css')}"


def pages() -> dict[str, Page]:
    """Every page and what it loads, by path."""
    made = {path: page(view, path) for path, view in VIEWS.items()}
    made |= {f"/assets/{name}.js": _asset(_text(f"{name}.js"), "text/javascript; charset=utf-8") for name in _SCRIPTS}
    return made | {"/assets/style.css": _asset(_style(), "text/css; charset=utf-8")}
