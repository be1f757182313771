"""Which vector of a file is the bias of a kernel or matrix, by their names."""

from __future__ import annotations

import re
from collections.abc import Mapping

Shape = tuple[int, ...]

# `conv.weight` and `conv.bias`, `conv1_w` and `conv1_b`, `w_0` and `b_0`, `f3` and `b3`, `W_conv1` and `b_conv1`.
_WEIGHT = r"weights?|kernels?|filters?|w|f"
_AT_END = re.compile(rf"(?P<before>(?:.*[_-])?)(?:{_WEIGHT})", re.IGNORECASE)
_AT_FRONT = re.compile(rf"(?:{_WEIGHT}|k)(?P<behind>_?[a-z]*_?\d+)", re.IGNORECASE)
_BIASES = ("bias", "biases", "b", "B", "Bias")


def bias_length(name: str, shapes: Mapping[str, Shape]) -> int | None:
    """How long the bias beside a kernel or matrix is, None without one; `shapes` are those of all tensors by name."""
    at = max(name.rfind("."), name.rfind("/")) + 1
    module, leaf = name[:at], name[at:]
    for other in _names(leaf):
        shape = shapes.get(module + other, ())
        if len(shape) == 1:
            return shape[0]
    return None


def _names(leaf: str) -> list[str]:
    at_end, at_front = _AT_END.fullmatch(leaf), _AT_FRONT.fullmatch(leaf)
    names = [at_end["before"] + bias for bias in _BIASES] if at_end else []
    return names + ([bias + at_front["behind"] for bias in _BIASES] if at_front else [])
