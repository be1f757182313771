"""How text is put into an error: short, on one line, without control characters."""

from __future__ import annotations

import re

_AT_THE_HUB = re.compile(r"[A-Za-z0-9][\w.\-]*/[A-Za-z0-9][\w.\-]*")


def quoted(name: str) -> str:
    """Quote an untrusted name."""
    return repr(name if len(name) <= 120 else name[:117] + "...")


def reason(error: BaseException) -> str:
    """Take the message of an error that a parser of untrusted bytes raised."""
    line = " ".join(str(error).split())[:200]
    return "".join(character for character in line if character.isprintable())


def hub_hint(text: str) -> str:
    """What to write for a model of the hub, behind the message that a path is not there; "" for any other text."""
    return f"; a model at the hub is written hf:{text}" if _AT_THE_HUB.fullmatch(text) else ""
