"""Addresses of remote checkpoints: `hf:org/name[@revision][/file]` and `https://host/file`."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path, PosixPath
from urllib.parse import quote, unquote, urlsplit

from lineage.checkpoints.io.quoting import quoted
from lineage.errors import Malformed

ENDPOINT = "https://huggingface.co"
_REMOTE = re.compile(r"(hf:|https?://)", re.IGNORECASE)
_NAME = r"[A-Za-z0-9][\w.\-]*"
_REVISION = r"refs/[^/@]+/[^/@]+|[^/@]+"
_HUB = rf"hf:(?://)?(?P<repo>{_NAME}/{_NAME}|{_NAME}(?=@|$))(?:@(?P<revision>{_REVISION}))?(?:/(?P<path>.*))?"
_BRACKETS = re.compile(r"(?:[^\[\]]*@)?\[[0-9A-Fa-f:.]+(?:%[\w.]+)?\](?::[0-9]*)?")
_PAGE = rf"/?(?P<repo>{_NAME}/{_NAME})(?:/(?:tree|blob|resolve)/(?P<revision>{_REVISION})(?:/(?P<path>.*)?)?)?/?"


class Address(PosixPath):
    """What messages call a remote file or folder; its parts are names, and nothing on disk is meant."""

    def __str__(self) -> str:
        return re.sub(r"^(https?):/+", r"\1://", super().__str__())


@dataclass(frozen=True, slots=True)
class HubAddress:
    """A repository of a hub, a revision of it (branch, tag or commit), and a file or folder inside, "" for all."""

    repo: str
    revision: str
    path: str

    def __str__(self) -> str:
        return f"hf:{self.repo}@{self.revision}" + (f"/{self.path}" if self.path else "")


@dataclass(frozen=True, slots=True)
class WebAddress:
    """A file on a server. `url` may hold a secret in its query; the text of the address leaves the query out."""

    url: str

    def __str__(self) -> str:
        return _bare(self.url)


def is_remote(text: str | Path) -> bool:
    """Whether a checkpoint is named by an address, not by a path."""
    return _REMOTE.match(str(text)) is not None


def endpoint() -> str:
    """The hub: HF_ENDPOINT, or the public one. Raises Malformed for an HF_ENDPOINT that is not an address."""
    named = os.environ.get("HF_ENDPOINT", "").rstrip("/")
    if named and not is_url(named):
        raise Malformed("HF_ENDPOINT", "is not an address of a hub: write https://host")
    return named or ENDPOINT


def is_url(text: str) -> bool:
    """Whether this is the address of something on a server: a host that can be, and a port that can be, if any."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
        host.encode("ascii" if ":" in host else "idna")
        if "]" in parts.netloc and _BRACKETS.fullmatch(parts.netloc) is None:
            return False
    except ValueError:  # brackets, ports and labels of hosts, UnicodeError too
        return False
    return parts.scheme in ("http", "https") and bool(host) and port != 0 and host.isprintable() and " " not in host


def shown(text: str) -> str:
    """An address as it may be shown and kept: without what may be a secret."""
    return _bare(text) if is_remote(text) and not text.lower().startswith("hf:") else text


def parse(text: str) -> HubAddress | WebAddress:
    """Read an address; the page of a repository on the hub means the repository. Raises Malformed."""
    if text.lower().startswith("hf:"):
        match = re.fullmatch(_HUB, text[:3].lower() + text[3:])
        if match is None:
            raise Malformed(quoted(text), "is not an address of a model: write hf:org/name, hf:org/name@revision/file")
        return _hub(text, match)
    if not is_url(text) or urlsplit(text).username is not None:
        raise Malformed(shown(text), "is not an address that can be read: write https://host/file, without a user")
    page = re.fullmatch(_PAGE, urlsplit(text).path) if text.startswith(endpoint() + "/") else None
    return WebAddress(text) if page is None else _hub(text, page)


def _hub(text: str, match: re.Match[str]) -> HubAddress:
    path = unquote(match["path"] or "").strip("/")
    revision = unquote(match["revision"] or "main")
    if not is_plain(path) or not revision.isprintable() or ".." in revision:
        raise Malformed(quoted(text), "leads out of its repository: refused")
    return HubAddress(match["repo"], revision, path)


def is_plain(path: str) -> bool:
    """Whether a path is made of names alone, and stays where it begins; "" does."""
    return path.isprintable() and "\\" not in path and not {"", ".", ".."}.intersection(path.split("/") if path else [])


def below(url: str, path: str) -> str:
    """The URL of a file below a folder's URL."""
    return f"{url.rstrip('/')}/{quote(path)}"


def _bare(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:  # no address: without what may be a user or a query in it
        return re.sub(r"^(\w+://)[^/]*@", r"\1", re.split(r"[?#]", url, maxsplit=1)[0])
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"
