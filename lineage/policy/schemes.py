"""How weights are stored, from the names that cards and formats use: bits, and whether levels are evenly spaced."""

from __future__ import annotations

import re
from typing import NamedTuple

from lineage.types import CheckpointSketch


class Scheme(NamedTuple):
    """A storage scheme: `bits` a weight, None where unknown; `is_even` for integers times a scale."""

    bits: int | None
    is_even: bool


class Stored(NamedTuple):
    """How the matrices of a model are stored, as shares of their parameters."""

    by_bits: dict[int | None, float]
    on_lattice: dict[int, float]  # bits -> share of matrices whose values lie on no more even levels than those
    names: tuple[str, ...]  # dtypes and schemes, the commonest first


_EVEN = re.compile(r"(?<![a-z])u?int(\d{1,2})\b|\bw(\d)a\d+|\bq(8)_0\b|\bq(4)_0\b", re.IGNORECASE)
_OTHER = re.compile(
    r"\b(\d)[ -]?bits?\b|\bi?q(\d)_|palette of (\d+) bits|\b(?:nf|mxfp|nvfp|fp|float)(4)\b"
    r"|\b(?:fp|float|mxfp)(8)(?:_|\b)|\bb?f(?:loat|p)?(16)\b|\bf(?:loat|p)?(32)\b",
    re.IGNORECASE,
)
_NONE = re.compile(r"none|no|false|unquanti[sz]ed|full precision", re.IGNORECASE)


def scheme_of(text: str) -> Scheme | None:
    """The scheme that a text names, or None. "none" counts as 16 bits, the fewest that are not a quantisation."""
    if _NONE.fullmatch(text.strip()):
        return Scheme(16, False)
    if found := _EVEN.search(text):
        return Scheme(_number(found), True)
    if found := _OTHER.search(text):
        return Scheme(_number(found), False)
    return (
        Scheme(None, False)
        if re.search(r"\b(gptq|awq|gguf|bnb|bitsandbytes|exl2|hqq|aqlm)\b", text, re.IGNORECASE)
        else None
    )


def stored(sketch: CheckpointSketch) -> Stored:
    """How the matrices of a sketched model are stored."""
    matrices = [t for t in sketch.tensors if len(t.shape) > 1 and t.part.excluded is None]
    total = max(1, sum(t.params for t in matrices))
    by_bits: dict[int | None, float] = {}
    names: dict[str, float] = {}
    lattice = dict.fromkeys((4, 8), 0.0)
    for tensor in matrices:
        scheme = scheme_of(tensor.dtype)
        bits = scheme.bits if scheme is not None else None
        by_bits[bits] = by_bits.get(bits, 0.0) + tensor.params / total
        names[tensor.dtype] = names.get(tensor.dtype, 0.0) + tensor.params
        levels = [n for n in (tensor.stats.levels_row, tensor.stats.levels_group) if n]
        for most in lattice:
            lattice[most] += tensor.params / total if levels and min(levels) <= 2**most else 0.0
    return Stored(by_bits, lattice, tuple(sorted(names, key=lambda name: -names[name])))


def _number(found: re.Match[str]) -> int:
    return int(next(group for group in found.groups() if group))
