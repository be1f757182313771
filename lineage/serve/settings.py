"""What the operator of a service allows."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from lineage.errors import Malformed

MIB = 1 << 20
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on requests from untrusted clients.

    `body_mib` is the largest upload, `body_seconds` how long one may take; `workers` is the number of questions worked
    on at a time, each at most `seconds` long and with `memory_mib` of data (0: no bound; systems without RLIMIT_DATA
    have none); `waiting` is the number of accepted jobs that may wait; `prepared` is the number of models of the index
    whose questions each of the processes works on before anyone asks, while nobody does. Jobs and uploads are kept for
    `keep_days`, the newest `keep_jobs` jobs and `uploads_mib` of uploads at most.
    """

    body_mib: int = 256
    body_seconds: int = 120
    workers: int = 2
    seconds: int = 600
    memory_mib: int = 4096
    waiting: int = 256
    prepared: int = 256
    keep_days: int = 30
    keep_jobs: int = 10_000
    uploads_mib: int = 20_480


@dataclass(frozen=True, slots=True)
class Settings:
    """Where a service listens, what it serves, and what it allows.

    `index` is the folder or address of the index (None: the default one, if any); `state` holds jobs, uploads and
    tokens; checkpoints below `folders` can be asked about by path, models of the hub if `hub`. `hosts` are the names
    by which the service is addressed, beside `host` and those of the loopback. `anonymous` says whether one may ask
    without a token; None allows it on the loopback alone.
    """

    state: Path
    index: str | Path | None = None
    reference: bool = True
    host: str = "127.0.0.1"
    port: int = 8350
    folders: tuple[Path, ...] = ()
    hub: bool = True
    hosts: tuple[str, ...] = ()
    anonymous: bool | None = None
    limits: Limits = Limits()

    @property
    def may_ask_without_token(self) -> bool:
        """Whether a request without a token has the role `ask`."""
        return self.host in _LOOPBACK if self.anonymous is None else self.anonymous

    @property
    def names(self) -> frozenset[str]:
        """Host names that a request may be addressed to, so that no page elsewhere can pose as this one (rebinding)."""
        return frozenset({*_LOOPBACK, self.host, *self.hosts})


def default_state() -> Path:
    """The folder of jobs, uploads and tokens of this user's service."""
    from platformdirs import user_state_path

    return user_state_path("lineage", appauthor=False) / "serve"


def with_file(settings: Settings, path: Path) -> Settings:
    """`settings` with the values of a TOML file: `folders`, `hub`, `hosts`, `anonymous`, and a table `[limits]`.

    Raises Malformed for an unknown key or a value of another type, OSError.
    """
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Malformed(path, f"is not TOML: {error}") from error
    limits = _limits(path, said.pop("limits", {}))
    kinds: dict[str, type] = {"folders": list, "hub": bool, "hosts": list, "anonymous": bool}
    for name, value in said.items():
        if name not in kinds:
            raise Malformed(path, f"{name!r} is not a setting; there are {', '.join(kinds)} and [limits]")
        is_list_of_texts = isinstance(value, list) and all(isinstance(one, str) for one in value)
        if not (is_list_of_texts if kinds[name] is list else isinstance(value, bool)):
            raise Malformed(path, f"{name} must be {'a list of texts' if kinds[name] is list else 'true or false'}")
    folders = tuple(Path(one) for one in said.get("folders", ()))
    return replace(
        settings,
        folders=(*settings.folders, *folders),
        hub=said.get("hub", settings.hub),
        hosts=(*settings.hosts, *said.get("hosts", ())),
        anonymous=said.get("anonymous", settings.anonymous),
        limits=limits,
    )


def _limits(path: Path, said: Any) -> Limits:
    known = [field.name for field in fields(Limits)]
    if not isinstance(said, dict):
        raise Malformed(path, "limits must be a table: [limits]")
    for name, value in said.items():
        if name not in known:
            raise Malformed(path, f"limits.{name} is not a setting; there are {', '.join(known)}")
        least = 0 if name in ("memory_mib", "prepared") else 1
        if type(value) is not int or not least <= value <= 10_000_000:
            raise Malformed(path, f"limits.{name} must be a whole number from {least} on")
    return Limits(**said)
