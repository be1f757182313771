"""The address of an index on a server: `milvus://HOST:PORT/NAME?sketches=URL`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlsplit

from lineage.errors import StoreError

SCHEME = "milvus://"
TOKEN = "LINEAGE_MILVUS_TOKEN"  # noqa: S105 - the name of the variable
"""The environment variable with `user:password` or an API key; it is not part of the address, which is printed."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_PORT = 19530
_FORM = f"{SCHEME}HOST:PORT/NAME?sketches=URL"


@dataclass(frozen=True, slots=True)
class MilvusAddress:
    """Host and port of a server, the name of the index there, and where its sketches lie (a URL that fsspec knows).

    `is_encrypted` (`&tls=true`) has the server spoken to over TLS.
    """

    host: str
    port: int
    name: str
    sketches: str
    is_encrypted: bool = False

    def __str__(self) -> str:
        place = f"[{self.host}]" if ":" in self.host else self.host
        secured = "&tls=true" if self.is_encrypted else ""
        return f"{SCHEME}{place}:{self.port}/{self.name}?sketches={quote(self.sketches, safe=':/@')}{secured}"


def milvus_address(text: str) -> MilvusAddress:
    """The address that is written so. Raises StoreError, whose message repeats nothing that could be a secret."""
    try:
        parts = urlsplit(text)
        given = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True))
        host, port = parts.hostname, parts.port or _PORT
    except ValueError:
        raise StoreError(f"the address of an index on a server has the form {_FORM}") from None
    if parts.username is not None or re.search(r"//[^/]*:[^/]*@", given.get("sketches", "")):
        raise StoreError(f"an address holds no password: put the token of the server into the variable {TOKEN}")
    name, tls = parts.path.removeprefix("/"), given.pop("tls", "false")
    sketches = given.pop("sketches", "").rstrip("/")
    if not host or not _NAME.fullmatch(name) or "://" not in sketches or given or tls not in ("true", "false"):
        raise StoreError(f"the address of an index on a server has the form {_FORM}, where NAME is a word")
    return MilvusAddress(host, port, name, sketches, tls == "true")
