"""Bearer tokens: what each allows, and how they are kept: as digests, never in clear."""

from __future__ import annotations

import hmac
import json
import secrets
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Literal

from lineage.atomic_write import write_whole
from lineage.errors import Malformed, Unknown

Role = Literal["ask", "ingest", "administer"]
ROLES: tuple[Role, ...] = ("ask", "ingest", "administer")
"""Each role allows what those before it allow, too."""

FILE = "tokens.json"
_PREFIX = "lineage_"
_BYTES = 32


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it is kept: `sha256` is its digest, `added` is ISO 8601 in UTC.

    A token is 32 random bytes, so that a plain digest cannot be inverted by guessing.
    """

    name: str
    role: Role
    sha256: str
    added: str


def allows(held: Role | None, needed: Role | None) -> bool:
    """Whether a role that someone holds (None: no token) reaches what a route needs (None: nothing)."""
    return needed is None or (held is not None and ROLES.index(held) >= ROLES.index(needed))


def tokens(state: Path) -> tuple[Token, ...]:
    """The tokens of a service, by name. Raises Malformed, OSError."""
    place = state / FILE
    if not place.exists():
        return ()
    try:
        read = [Token(**one) for one in json.loads(place.read_bytes())]
    except (ValueError, TypeError) as error:
        raise Malformed(place, f"is not a list of tokens ({error}): put it back from a copy, or delete it") from error
    if any(one.role not in ROLES or len(one.sha256) != 64 for one in read):
        raise Malformed(place, "names an unknown role or holds a broken digest")
    return tuple(sorted(read, key=lambda one: one.name))


def add_token(state: Path, name: str, role: Role) -> str:
    """Make a token, keep its digest, and return it: it is shown only this once. Raises Malformed for a name in use."""
    known = tokens(state)
    if any(one.name == name for one in known):
        raise Malformed(state / FILE, f"has a token {name!r} already: revoke it first, or choose another name")
    secret = _PREFIX + secrets.token_urlsafe(_BYTES)
    added = datetime.now(UTC).isoformat(timespec="seconds")
    _keep(state, (*known, Token(name, role, _digest(secret), added)))
    return secret


def revoke_token(state: Path, name: str) -> None:
    """Forget the token of that name; a running service refuses it at once. Raises Unknown."""
    known = tokens(state)
    left = tuple(one for one in known if one.name != name)
    if left == known:
        raise Unknown(f"{state / FILE}: has no token {name!r}")
    _keep(state, left)


def bearer(secret: str, known: tuple[Token, ...]) -> Token | None:
    """The token that was presented, or None. Every digest is compared, each in constant time."""
    asked = _digest(secret)
    found = None
    for one in known:
        if hmac.compare_digest(one.sha256, asked):
            found = one
    return found


def _digest(secret: str) -> str:
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _keep(state: Path, kept: tuple[Token, ...]) -> None:
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_whole(state / FILE, json.dumps([asdict(one) for one in kept], indent=2).encode())
