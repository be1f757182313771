"""Answers as responses: their media types, their names as files, the index that they were made from."""

from __future__ import annotations

from starlette.responses import Response

from lineage import report
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
}
FORMATS = [ending.removeprefix(".") for ending in report.graphs.ENDINGS]
PAGES = ("html", "ko.html")


def answer(
    content: bytes, media: str, index_id: str, headers: dict[str, str] | None = None, status: int = 200
) -> Response:
    """What was asked for, with the id of the index behind it."""
    return Response(content, status, {INDEX_HEADER: index_id, **(headers or {})}, media)


def rendered(content: bytes, ending: str, index_id: str, stem: str) -> Response:
    """A page or a graph; a browser shows pages and pictures, and saves the rest under a name of its own."""
    way = "inline" if ending in (*PAGES, "svg", "png") else "attachment"
    named = {"Content-Disposition": f'{way}; filename="{stem}.{ending}"'}
    return answer(content, MEDIA.get(ending, JSON), index_id, named)


def require_parts(ending: str) -> None:
    """Raise MissingExtra for a format that needs a part which is not installed."""
    report.graphs.check(f"graph.{ending}")
