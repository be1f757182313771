"""Text that others wrote, on one line of a screen: what cannot be printed is shown by its code point."""

from __future__ import annotations


def printable(text: str) -> str:
    """`text` with each character that `str.isprintable` says no of shown by its code point."""
    return text if text.isprintable() else "".join(c if c.isprintable() else escaped(c) for c in text)


def escaped(character: str) -> str:
    """One character as Python and YAML 1.2 write its code point."""
    code = ord(character)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"
