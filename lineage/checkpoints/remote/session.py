"""Requests to servers: connections kept open, redirects followed, failures tried again, a token for its owner alone.

Tries are counted here; `urllib3.Retry` reads what a Retry-After asks for. It would pause in `time.sleep`, up to
`LONGEST_PAUSE_S` that no `stop` ends, not at all before the second try, and one thread alone where a server means all;
and an answer that breaks off in its body is no failure to it, as bodies are read after it has returned.

Source: RFC 9110 (HTTP semantics), sections 10.2.3 (Retry-After) and 15.4 (redirection).
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

from lineage.checkpoints.remote.address import is_url
from lineage.errors import MissingExtra, Unreachable

CONNECTIONS = 8
TRIES = 6
TRIES_TO_CONNECT = 3
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 120.0
TIMEOUT_S = (10.0, 30.0)  # to connect, and between two pieces of an answer
SLOWEST = 8 << 10  # bytes a second; what comes slower is taken for a trap, after PATIENCE_S
PATIENCE_S = 60.0
MAX_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_TRY_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_PIECE = 1 << 20  # bytes read at a time
_DRAINED = 1 << 16  # bytes of an unwanted answer that are read to keep the connection

T = TypeVar("T")


class Broken(Exception):
    """An answer that is not what was asked for, as after a cut connection: ask again."""


class _Passing(Exception):
    """A failure that may pass; `is_for_all` where the server asks for a pause, not this request alone."""

    def __init__(self, problem: str, *, tries: int = TRIES, pause: float = 0.0, is_for_all: bool = False) -> None:
        super().__init__(problem)
        self.tries = tries
        self.pause = pause
        self.is_for_all = is_for_all


class Reply:
    """An answer whose body has not been read; `url` is where it came from, after all redirects."""

    def __init__(self, raw: Any, url: str) -> None:
        self.status: int = raw.status
        self.reason: str = raw.reason or ""
        self.headers: Mapping[str, str] = raw.headers
        self.url = url
        self._raw = raw

    def body(self, limit: int) -> bytes:
        """Read the body to its end, but no more than `limit` bytes of it. Raises Broken for one that trickles."""
        parts, left, deadline = [], limit, time.monotonic() + PATIENCE_S + limit / SLOWEST
        while left and (part := self._raw.read1(min(left, _PIECE))):
            parts.append(part)
            left -= len(part)
            if time.monotonic() > deadline:
                raise Broken(f"sends less than {SLOWEST:,} bytes a second")
        return b"".join(parts)


class Session:
    """All requests for one checkpoint, from CONNECTIONS threads at most.

    `tokens` maps an origin ("https://host") to the token that goes there and nowhere else. Raises MissingExtra
    without urllib3.
    """

    def __init__(self, tokens: Mapping[str, str]) -> None:
        self._urllib3 = _urllib3()
        self._tokens = tokens
        self._pools: dict[str, Any] = {}
        self._guard = threading.Lock()
        self._stopped = threading.Event()
        self._resume_at = 0.0
        self.gives_several: dict[str, bool] = {}  # by host, whether it gives several ranges in one answer
        self.probing = threading.Lock()  # held to find that out

    def stop(self) -> None:
        """Give up every request that waits for its next try."""
        self._stopped.set()

    def get(self, shown: object, url: str, headers: Mapping[str, str], take: Callable[[Reply], T]) -> T:
        """Send a GET and give what `take` makes of the answer; after a passing failure, pause and ask again.

        `shown` is what messages call the file. Raises Unreachable.
        """
        attempt = 0
        while True:
            attempt += 1
            self._wait(shown, self._resume_at - time.monotonic())
            try:
                return self._once(shown, url, headers, take)
            except _Passing as failure:
                pause = max(failure.pause, FIRST_PAUSE_S * 2 ** (attempt - 1) * random.uniform(0.5, 1.5))  # noqa: S311
                if attempt >= failure.tries or pause > LONGEST_PAUSE_S:
                    line = f"{_host(url)} {failure}, {attempt} times over: try again later"
                    raise Unreachable(str(shown), line) from failure
                if failure.is_for_all:
                    self._resume_at = max(self._resume_at, time.monotonic() + pause)
            self._wait(shown, pause)

    def _once(self, shown: object, url: str, headers: Mapping[str, str], take: Callable[[Reply], T]) -> T:
        """One try. Raises _Passing for a failure that the next one may not meet."""
        errors = self._urllib3.exceptions
        try:
            with self._answer(shown, url, headers) as reply:
                if reply.status not in _TRY_AGAIN:
                    return take(reply)
                pause = _asked_pause(reply.headers.get("Retry-After"))
                raise _Passing(f"answers {reply.status} {reply.reason}".rstrip(), pause=pause, is_for_all=True)
        except errors.NewConnectionError as error:
            raise _Passing("cannot be reached", tries=TRIES_TO_CONNECT) from error
        except errors.LocationValueError as error:
            raise Unreachable(str(shown), "is not a valid address") from error
        except errors.HTTPError as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise Unreachable(str(shown), f"{_host(url)} has no certificate that is trusted here") from error
            raise _Passing(f"breaks off ({type(error).__name__})") from error
        except Broken as error:
            raise _Passing(str(error)) from error

    def _wait(self, shown: object, pause: float) -> None:
        """Wait, unless the session is stopped."""
        if self._stopped.wait(pause) if pause > 0 else self._stopped.is_set():
            raise Unreachable(str(shown), "was not read to its end: stopped")

    @contextmanager
    def _answer(self, shown: object, url: str, headers: Mapping[str, str]) -> Iterator[Reply]:
        """The answer after all redirects; its connection is used again only if the body was read to its end."""
        for _ in range(MAX_REDIRECTS + 1):
            raw = self._pool(url).request(
                "GET", url, headers=self._addressed(url, headers), preload_content=False, redirect=False, retries=False
            )
            try:
                if raw.status not in _REDIRECTS or not raw.headers.get("Location"):
                    yield Reply(raw, url)
                    return
                url = _redirected(shown, url, raw.headers["Location"])
                raw.read(_DRAINED)
            finally:
                if raw.length_remaining != 0:
                    raw.close()
                raw.release_conn()
        raise Unreachable(str(shown), f"{_host(url)} redirects more than {MAX_REDIRECTS} times: refused")

    def _addressed(self, url: str, headers: Mapping[str, str]) -> dict[str, str]:
        from lineage import __version__

        token = self._tokens.get(origin(url))
        own = {"User-Agent": f"weight-lineage/{__version__}", "Accept-Encoding": "identity"}
        return {**own, **headers, **({"Authorization": f"Bearer {token}"} if token else {})}

    def _pool(self, url: str) -> Any:
        """The connections to a server, through the proxy that the environment names for it, if any."""
        from urllib.request import getproxies, proxy_bypass

        parts = urlsplit(url)
        proxy = "" if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme, "")
        with self._guard:
            if proxy not in self._pools:
                connect, read = TIMEOUT_S
                timeout = self._urllib3.Timeout(connect=connect, read=read)
                settings: dict[str, Any] = {"maxsize": CONNECTIONS, "timeout": timeout}
                make = self._urllib3.ProxyManager if proxy else self._urllib3.PoolManager
                try:
                    self._pools[proxy] = make(proxy, **settings) if proxy else make(**settings)
                except ValueError as error:  # what urllib3 cannot take apart is one
                    line = f"the proxy that the environment sets for {parts.scheme} is not an address"
                    raise Unreachable(_host(url), line) from error
            return self._pools[proxy]


def origin(url: str) -> str:
    """Scheme, host and port of a URL: whom a token belongs to."""
    parts = urlsplit(url)
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)
    return f"{parts.scheme}://{parts.hostname}:{port}"


def _redirected(shown: object, url: str, location: str) -> str:
    """Where a redirect leads. Raises Unreachable for no address, a way out of HTTP, or from HTTPS to plain HTTP."""
    try:
        target = urljoin(url, location)
        scheme = urlsplit(target).scheme
    except ValueError:
        target, scheme = "", ""
    if scheme in ("", "http", "https") and not is_url(target):
        raise Unreachable(str(shown), f"{_host(url)} redirects to something that is not an address: refused")
    if scheme not in ("http", "https") or (urlsplit(url).scheme == "https" and scheme == "http"):
        raise Unreachable(str(shown), f"{_host(url)} redirects to an address of scheme {scheme[:20]!r}: refused")
    return target


def _asked_pause(text: str | None) -> float:
    """Seconds that a Retry-After asks for: a number or a date."""
    urllib3 = _urllib3()
    try:
        return float(urllib3.Retry().parse_retry_after(text)) if text else 0.0
    except (urllib3.exceptions.InvalidHeader, ValueError, OverflowError):
        return 0.0


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]


def _urllib3() -> Any:
    try:
        return import_module("urllib3")
    except ImportError as error:
        raise MissingExtra("reading from a server needs urllib3: pip install 'weight-lineage[hub]'") from error
