"""Answers as responses: their media types, their names as files, the index that they were made from."""

from __future__ import annotations

from starlette.responses import Response

from lineage import report
from lineage.serve.answering import LOG, RECIPE, SHEET, TEXT
from lineage.serve.endpoints import INDEX_HEADER

JSON = "application/json"
EVENTS = "text/event-stream"
MEDIA = {
    "html": "text/html; charset=utf-8",
    "ko.html": "text/html; charset=utf-8",
    "svg": "image/svg+xml",
    "png": "image/png",
    "csv": "text/csv; charset=utf-8",
    "graphml": "application/xml",
    "gexf": "application/xml",
    "dot": "text/vnd.graphviz; charset=utf-8",
    "mmd": "text/plain; charset=utf-8",
    "card.yaml": "text/plain; charset=utf-8",
    TEXT: "text/plain; charset=utf-8",
    LOG: "application/sarif+json",
    RECIPE: "application/yaml",
}
FORMATS = [ending.removeprefix(".") for ending in report.graphs.ENDINGS]
PAGES = ("html", "ko.html")
REPORTS: dict[str, tuple[str, ...]] = {
    "whois": (*PAGES, TEXT, *(one for one in FORMATS if one not in PAGES)),
    "compare": (*PAGES, TEXT, *(one for one in FORMATS if one not in PAGES and f".{one}" not in report.graphs.UPWARD)),
    "decompose": (TEXT, RECIPE),
    "audit": (TEXT, LOG),
    "verify": (TEXT, LOG),
    "table": (SHEET,),
}
"""The formats of the answer of each kind of job besides JSON; the first is the default."""


def answer(
    content: bytes, media: str, index_id: str, headers: dict[str, str] | None = None, status: int = 200
) -> Response:
    """The requested answer, with the id of the index behind it."""
    return Response(content, status, {INDEX_HEADER: index_id, **(headers or {})}, media)


def rendered(content: bytes, ending: str, index_id: str, stem: str) -> Response:
    """A page or a graph; a browser shows pages and pictures, and saves the rest under a name of its own."""
    way = "inline" if ending in (*PAGES, "svg", "png", TEXT) else "attachment"
    named = {"Content-Disposition": f'{way}; filename="{stem}.{ending}"'}
    return answer(content, MEDIA.get(ending, JSON), index_id, named)


def require_parts(ending: str) -> None:
    """Raise MissingExtra for a format of graphs that needs a part which is not installed."""
    if ending in FORMATS:
        report.graphs.check(f"graph.{ending}")
