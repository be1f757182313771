"""A hub on this machine, for tests and measurements: lists repositories, redirects to a second origin, gives ranges.

It speaks the two addresses that lineage uses, and fails on demand: `faults` is asked about every request and may name
what goes wrong with it.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
BOUNDARY = "a-border-between-ranges"
COPIED = 1 << 20


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as the server saw it; `origin` is "hub" or "store"."""

    origin: str
    path: str
    range: str | None
    token: str | None


Fault = Callable[[Asked, int], str | None]
"""From a request and its number to what goes wrong with it, or None.

"429", "500", "503"; "cut": no answer; "half": of the body; "short", "long": a wrong length.
"""


@dataclass
class Hub:
    """What the two servers share. `repos` maps `org/name` to a folder; `gated` ones want `token`."""

    repos: dict[str, Path]
    gated: set[str] = field(default_factory=set)
    token: str = "secret"  # noqa: S105
    ranges: bool = True
    several_ranges: bool = True
    latency_s: float = 0.0
    faults: Fault = lambda _asked, _number: None
    etag: Callable[[Path], str | None] = lambda path: f'"{path.stat().st_size:x}-{path.stat().st_mtime_ns:x}"'
    redirect: str | None = None  # where every file is redirected to, instead of the store
    extra: list[Any] = field(default_factory=list)  # further entries of every listing
    signature: str = "1"
    expired: set[str] = field(default_factory=set)  # addresses at the store that are good no more
    asked: list[Asked] = field(default_factory=list)
    sent: int = 0
    url: str = ""
    store: str = ""
    guard: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._digests: dict[Path, str] = {}

    def digest(self, path: Path) -> str:
        """A digest for the listing; of the name and size, since large files would take long."""
        if path not in self._digests:
            text = f"{path} {path.stat().st_size} {path.stat().st_mtime_ns}"
            self._digests[path] = hashlib.sha256(text.encode()).hexdigest()
        return self._digests[path]


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """Start both servers of a hub on free ports of the loopback interface, and stop them."""
    servers = [_server(hub, "hub"), _server(hub, "store")]
    hub.url, hub.store = (f"http://127.0.0.1:{server.server_address[1]}" for server in servers)
    threads = [threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True) for server in servers]
    for thread in threads:
        thread.start()
    try:
        yield hub
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
        for thread in threads:
            thread.join()


@dataclass(frozen=True, slots=True)
class Around:
    """What goes with the bytes of a file: fields, the head of each part, the end of all parts."""

    fields: dict[str, str]
    heads: list[bytes] = field(default_factory=list)
    tail: bytes = b""


class _Servers(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of those who hang up."""


def _server(hub: Hub, origin: str) -> ThreadingHTTPServer:
    handler = type("Handler", (_Handler,), {"hub": hub, "origin": origin})
    return _Servers(("127.0.0.1", 0), handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16
    disable_nagle_algorithm = True
    hub: Hub
    origin: str

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Count, delay, fail if that is wanted, else answer."""
        hub = self.hub
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None
        asked = Asked(self.origin, self.path, self.headers.get("Range"), token)
        with hub.guard:
            hub.asked.append(asked)
            number = len(hub.asked)
        if hub.latency_s:
            time.sleep(hub.latency_s)
        self.fault = hub.faults(asked, number)
        try:
            if self.fault in ("429", "500", "503"):
                self._answer(int(self.fault), b"busy", {"Retry-After": "0"} if self.fault == "429" else {})
            elif self.path in hub.expired:
                self._answer(403, b"expired")
            elif self.fault == "cut":
                self.close_connection = True
            else:
                self._route(unquote(urlsplit(self.path).path))
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _route(self, path: str) -> None:
        if path == "/api/models":
            self._answer(200, b"[]", {"Content-Type": "application/json"})
        elif path.startswith("/api/models/"):
            repo, _, revision = path.removeprefix("/api/models/").partition("/revision/")
            self._listing(repo, revision)
        elif path.startswith("/plain/"):
            owner, model, name = path.removeprefix("/plain/").split("/", 2)
            self._file(self.hub.repos[f"{owner}/{model}"] / name)
        else:
            repo, _, rest = path.lstrip("/").partition("/resolve/")
            self._resolve(repo, *rest.split("/", 1))

    def _listing(self, repo: str, revision: str) -> None:
        folder = self._folder(repo)
        if folder is None:
            return
        if revision not in ("main", COMMIT):
            self._answer(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
            return
        blobs = "blobs" in parse_qs(urlsplit(self.path).query)
        siblings = []
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            facts = {"size": path.stat().st_size, "blobId": self.hub.digest(path)[:40]} if blobs else {}
            siblings.append({"rfilename": path.relative_to(folder).as_posix(), **facts})
        body = json.dumps({"id": repo, "sha": COMMIT, "siblings": siblings + self.hub.extra}).encode()
        self._answer(200, body, {"Content-Type": "application/json"})

    def _resolve(self, repo: str, commit: str, name: str) -> None:
        folder = self._folder(repo, is_file=True)
        if folder is None:
            return
        if commit not in ("main", COMMIT) or not (folder / name).is_file():
            self._answer(404, b"", {"X-Error-Code": "EntryNotFound"})
        elif name.endswith((".json", ".md")):
            self._file(folder / name)
        else:
            target = self.hub.redirect or f"{self.hub.store}/plain/{repo}/{quote(name)}?signature={self.hub.signature}"
            self._answer(302, b"", {"Location": target})

    def _folder(self, repo: str, is_file: bool = False) -> Path | None:
        """The folder of a repository, or None once a refusal has been sent."""
        known = (self.headers.get("Authorization") or "") == f"Bearer {self.hub.token}"
        if repo not in self.hub.repos:
            self._answer(404 if known else 401, b"{}", {"X-Error-Code": "RepoNotFound"})
            return None
        if is_file and repo in self.hub.gated and not known:
            self._answer(401, b"{}", {"X-Error-Code": "GatedRepo"})
            return None
        return self.hub.repos[repo]

    def _file(self, path: Path) -> None:
        if not path.is_file():
            self._answer(404, b"")
            return
        size, etag = path.stat().st_size, self.hub.etag(path)
        common = {"ETag": etag} if etag else {}
        spans = _spans(self.headers.get("Range"), size) if self.hub.ranges else None
        if self.headers.get("If-Range") not in (None, etag):
            spans = None
        if spans is not None and not spans:
            self._answer(416, b"", {**common, "Content-Range": f"bytes */{size}"})
        elif spans is None or (len(spans) > 1 and not self.hub.several_ranges):
            self._send(200, path, [(0, size)], size, Around(common))
        elif len(spans) == 1:
            start, stop = spans[0]
            fields = {**common, "Content-Range": f"bytes {start}-{stop - 1}/{size}"}
            self._send(206, path, spans, stop - start, Around(fields))
        else:
            self._several(path, spans, size, common)

    def _several(self, path: Path, spans: list[tuple[int, int]], size: int, common: dict[str, str]) -> None:
        heads = [
            f"\r\n--{BOUNDARY}\r\nContent-Type: application/octet-stream\r\n"
            f"Content-Range: bytes {start}-{stop - 1}/{size}\r\n\r\n".encode()
            for start, stop in spans
        ]
        tail = f"\r\n--{BOUNDARY}--\r\n".encode()
        length = sum(len(head) for head in heads) + sum(stop - start for start, stop in spans) + len(tail)
        fields = {**common, "Content-Type": f"multipart/byteranges; boundary={BOUNDARY}"}
        self._send(206, path, spans, length, Around(fields, heads, tail))

    def _send(self, status: int, path: Path, spans: list[tuple[int, int]], length: int, around: Around) -> None:
        claimed = max(0, length + {"long": 100, "short": -1}.get(self.fault or "", 0))
        self.send_response(status)
        for name, value in {**around.fields, "Content-Length": str(claimed)}.items():
            self.send_header(name, value)
        self.end_headers()
        left = claimed // 2 if self.fault == "half" else claimed
        for place, (start, stop) in enumerate(spans):
            left -= self._write(around.heads[place][:left]) if around.heads else 0
            left -= self._copy(path, start, min(stop, start + left))
        self._write(around.tail[:left])
        if self.fault in ("half", "long", "short"):
            self.close_connection = True

    def _copy(self, path: Path, start: int, stop: int) -> int:
        with path.open("rb") as file:
            for at in range(start, stop, COPIED):
                file.seek(at)
                self._write(file.read(min(COPIED, stop - at)))
        return stop - start

    def _write(self, content: bytes) -> int:
        self.wfile.write(content)
        with self.hub.guard:
            self.hub.sent += len(content)
        return len(content)

    def _answer(self, status: int, body: bytes, fields: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**(fields or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self._write(body)


def _spans(header: str | None, size: int) -> list[tuple[int, int]] | None:
    """The spans of a Range header as [start, stop), those that begin inside the file; None without a header."""
    if header is None:
        return None
    pairs = (part.split("-") for part in header.removeprefix("bytes=").split(","))
    return [(int(a), min(int(b or size) + 1, size)) for a, b in pairs if int(a) < size]
