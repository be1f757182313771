"""How untrusted text is put into an error: short, on one line, without control characters."""

from __future__ import annotations


def quoted(name: str) -> str:
    """Quote an untrusted name."""
    return repr(name if len(name) <= 120 else name[:117] + "...")


def reason(error: Exception) -> str:
    """Take the message of an error that a parser of untrusted bytes raised."""
    line = " ".join(str(error).split())[:200]
    return "".join(character for character in line if character.isprintable())
