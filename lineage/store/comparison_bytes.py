"""A comparison of two known models as bytes, for the cache of `lineage.store.comparison_cache`.

A header of two numbers (uint32: bytes of JSON, pairs of tensors), the JSON, then six columns over the pairs. Tensors
are numbers of those of the two sketches, so that their names, and the reasons for leaving one out, are read from these.
`index/FORMAT.md` section 8.2 defines it. Whatever does not have this shape is refused.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, NoReturn, TypeVar

import numpy as np
from numpy.typing import NDArray

from lineage.store.shaping import shaped
from lineage.types import (
    CheckpointSketch,
    Comparison,
    ComponentFinding,
    Cue,
    Direction,
    Evidence,
    Excluded,
    Inherited,
    InheritedPart,
    Relation,
    TensorMatch,
    Verdict,
)
from lineage.types.facts import KINDS, Fact, kinds
from lineage.types.facts.exclusions import Exclusion
from lineage.types.facts.schemes import Scheme

Read = TypeVar("Read")

FAULTS = (struct.error, ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError, RecursionError)
"""What `to_bytes` and `from_bytes` raise."""

_HEADER = struct.Struct("<II")
_COLUMNS: tuple[tuple[str, int], ...] = (("<i4", 2), ("<i4", 2), ("<u4", 1), ("u1", 1), ("<f8", 3))
_HOW = ("structure", "content", "rows")
_NO_LAYER = -1
_KNOWN = (1, 2, 4)  # bits of the figures r, cosine and z that a pair has


def to_bytes(found: Comparison, a: CheckpointSketch, b: CheckpointSketch) -> bytes:
    """The comparison of query `a` with reference `b`. Raises one of FAULTS for one that cannot be kept."""
    names = _Names(a, b)
    kept: dict[Any, int] = {}
    rows = [_row(match, names, kept) for match in found.tensors]
    held = {
        "relation": found.relation,
        "verdict": found.verdict,
        "direction": found.direction,
        "share": _number(found.share),
        "confidence": _number(found.confidence),
        "evidence": _evidence_row(found.evidence),
        "basis": _fact_rows(found.basis),
        "components": [_finding_row(one) for one in found.components],
        "excluded": [_excluded_row(one, a, names) for one in found.excluded],
        "cues": [[one.name, one.direction, _number(one.ratio), _fact_row(one.fact), one.certain] for one in found.cues],
        "kinds": [[*kind[:2], list(kind[2]), *kind[3:6], _of_reason(kind[6])] for kind in kept],
        "names": names.others,
    }
    text = json.dumps(held, separators=(",", ":")).encode()
    columns = (np.array([row[k] for row in rows], dtype).tobytes() for k, (dtype, _) in enumerate(_COLUMNS))
    return b"".join((_HEADER.pack(len(text), len(rows)), text, *columns))


def from_bytes(held: bytes, a: CheckpointSketch, b: CheckpointSketch) -> Comparison:
    """The comparison in `held`. Raises one of FAULTS if there is none of these two models in it."""
    length, count = _HEADER.unpack_from(held)
    widths = [np.dtype(dtype).itemsize * columns for dtype, columns in _COLUMNS]
    if len(held) != _HEADER.size + length + count * sum(widths):
        raise ValueError("another length")
    start = _HEADER.size + length
    said = json.loads(held[_HEADER.size : start])
    tables = []
    for (dtype, columns), width in zip(_COLUMNS, widths, strict=True):
        tables.append(np.frombuffer(held, dtype, count * columns, start).reshape(count, columns))
        start += count * width
    ours, theirs = ([*(t.name for t in sketch.tensors), *map(_text, said["names"])] for sketch in (a, b))
    return Comparison(
        model=b.id,
        model_name=b.name,
        verdict=Verdict(_text(said["verdict"])),
        relation=Relation(_text(said["relation"])),
        direction=_direction(said["direction"]),
        share=_number(said["share"]),
        evidence=_evidence(said["evidence"]),
        confidence=_number(said["confidence"]),
        basis=_facts(said["basis"]),
        components=tuple(map(_finding, said["components"])),
        tensors=tuple(_matches(tables, _kinds(said["kinds"]), ours, theirs)),
        excluded=tuple(_excluded(one, a) for one in said["excluded"]),
        cues=tuple(map(_cue, said["cues"])),
    )


class _Names:
    """The numbers of tensors by their names in either model; those of joined tensors follow, with others' names."""

    def __init__(self, a: CheckpointSketch, b: CheckpointSketch) -> None:
        self.ours, self.theirs = ({t.name: i for i, t in enumerate(one.tensors)} for one in (a, b))
        self._sizes = len(a.tensors), len(b.tensors)
        self.others: list[str] = []

    def of(self, a: str, b: str) -> tuple[int, int]:
        return self._of(a, self.ours, self._sizes[0]), self._of(b, self.theirs, self._sizes[1])

    def _of(self, name: str, known: Mapping[str, int], size: int) -> int:
        if name in known:
            return known[name]
        if name not in self.others:
            self.others.append(_text(name))
        return size + self.others.index(name)


def _row(match: TensorMatch, names: _Names, kept: dict[Any, int]) -> tuple[Any, ...]:
    """A pair of tensors in the columns; what it has in common with others is kept once, in `kept`."""
    figures = match.r, match.cosine, match.z
    kind = match.role, match.component, match.shape, _HOW.index(match.how), match.transposed, match.used, match.why_not
    known = sum(bit for bit, figure in zip(_KNOWN, figures, strict=True) if figure is not None)
    return (
        names.of(match.a, match.b),
        tuple(_NO_LAYER if layer is None else _counted(layer) for layer in match.layers),
        kept.setdefault(kind, len(kept)),
        known,
        tuple(0.0 if figure is None else _float(figure) for figure in figures),
    )


def _matches(
    tables: Sequence[NDArray[Any]], shared: Sequence[tuple[Any, ...]], ours: Sequence[str], theirs: Sequence[str]
) -> list[TensorMatch]:
    places, layers, kind, known, figures = (table.tolist() for table in tables)
    if tables[0].size and (tables[0].min() < 0 or tables[1].min() < _NO_LAYER):
        raise ValueError("a tensor or layer below zero")
    found = []
    for (i, j), (m, n), (k,), (bits,), (r, cosine, z) in zip(places, layers, kind, known, figures, strict=True):
        role, component, shape, how, transposed, used, why_not = shared[k]
        found.append(
            TensorMatch(
                ours[i],
                theirs[j],
                role,
                component,
                (None if m < 0 else m, None if n < 0 else n),
                shape,
                how,
                transposed,
                r if bits & 1 else None,
                cosine if bits & 2 else None,
                z if bits & 4 else None,
                used,
                why_not,
            )
        )
    return found


def _kinds(held: Any) -> list[tuple[Any, ...]]:
    return [
        (
            _text(role), _text(component), tuple(map(_counted, shape)), _HOW[_counted(how)], _flag(transposed),
            _flag(used), None if why_not is None else _reason(why_not),
        )
        for role, component, shape, how, transposed, used, why_not in held
    ]  # fmt: skip


def _excluded_row(one: Excluded, a: CheckpointSketch, names: _Names) -> Any:
    """A tensor that was left out: its number where the sketch has the same reason, else its name and the reason."""
    place = names.ours.get(one.tensor)
    if place is not None and a.tensors[place].part.excluded == one.reason:
        return place
    return [_text(one.tensor), _fact_row(one.reason)]


def _excluded(held: Any, a: CheckpointSketch) -> Excluded:
    if isinstance(held, list):
        name, reason = held
        return Excluded(_text(name), _reason(reason))
    tensor = a.tensors[_counted(held)]
    if tensor.part.excluded is None:
        raise ValueError("a tensor that is not left out")
    return Excluded(tensor.name, tensor.part.excluded)


def _evidence_row(one: Evidence) -> list[Any]:
    return [
        *map(_figure, (one.r, one.z)), *map(_counted, (one.groups, one.agreeing, one.compared)),
        *map(_number, (one.expected, one.log10_p, one.coverage)), _figure(one.min_detectable_r),
        _counted(one.hypotheses), _figure(one.contained),
    ]  # fmt: skip


def _evidence(held: Any) -> Evidence:
    r, z, groups, agreeing, compared, expected, log10_p, coverage, reach, hypotheses, contained = held
    return Evidence(
        _figure(r), _figure(z), _counted(groups), _counted(agreeing), _counted(compared), _number(expected),
        _number(log10_p), _number(coverage), _figure(reach), _counted(hypotheses), _figure(contained),
    )  # fmt: skip


def _finding_row(one: ComponentFinding) -> list[Any]:
    came = one.inherited
    return [
        one.name, _counted(one.params), _number(one.share), one.relation, one.direction, _evidence_row(one.evidence),
        _number(one.confidence), _fact_rows(one.basis), one.layer_map, _fact_rows(one.schemes), one.expert_map,
        None if came is None else [
            _counted(came.params), _number(came.share), _counted(came.untested),
            [[part.kind, part.layers, part.every, part.some] for part in came.parts],
        ],
    ]  # fmt: skip


def _finding(held: Any) -> ComponentFinding:
    name, params, share, relation, direction, evidence, confidence, basis, layers, schemes, experts, came = held
    return ComponentFinding(
        name=_text(name),
        params=_counted(params),
        share=_number(share),
        relation=Relation(_text(relation)),
        direction=_direction(direction),
        evidence=_evidence(evidence),
        confidence=_number(confidence),
        basis=_facts(basis),
        layer_map=None if layers is None else tuple((_counted(own), _counted(other)) for own, other in layers),
        schemes=tuple(map(_scheme, schemes)),
        expert_map=None if experts is None else tuple((_counted(own), _expert(other)) for own, other in experts),
        inherited=None if came is None else _inherited(came),
    )


def _inherited(held: Any) -> Inherited:
    params, share, untested, parts = held
    return Inherited(_counted(params), _number(share), _counted(untested), tuple(map(_inherited_part, parts)))


def _inherited_part(held: Any) -> InheritedPart:
    kind, layers, every, some = held
    return InheritedPart(None if kind is None else _text(kind), tuple(map(_counted, layers)), _flag(every), _flag(some))


def _cue(held: Any) -> Cue:
    name, direction, ratio, fact, certain = held
    return Cue(_text(name), Direction(_text(direction)), _number(ratio), _fact(fact), _flag(certain))


def _fact_rows(facts: Sequence[Fact]) -> list[Any]:
    return [_fact_row(one) for one in facts]


def _of_reason(why_not: Fact | None) -> Any:
    return None if why_not is None else _fact_row(why_not)


def _fact_row(one: Fact) -> list[Any]:
    return [one.id, asdict(one)]


def _facts(held: Any) -> tuple[Fact, ...]:
    return tuple(map(_fact, held))


def _fact(held: Any) -> Fact:
    name, values = held
    return shaped(KINDS[name] if name in KINDS else kinds()[name], values)


def _reason(held: Any) -> Exclusion:
    fact = _fact(held)
    return fact if isinstance(fact, Exclusion) else _refuse(held, Exclusion)


def _scheme(held: Any) -> Scheme:
    fact = _fact(held)
    return fact if isinstance(fact, Scheme) else _refuse(held, Scheme)


def _direction(held: Any) -> Direction | None:
    return None if held is None else Direction(_text(held))


def _expert(held: Any) -> Any:
    return held if held == "mlp" else _counted(held)


def _is(kind: type[Read]) -> Callable[[Any], Read]:
    def checked(held: Any) -> Read:
        return held if type(held) is kind else _refuse(held, kind)

    return checked


_text, _flag, _integer, _float = _is(str), _is(bool), _is(int), _is(float)


def _counted(held: Any) -> int:
    number = _integer(held)
    return number if 0 <= number < 1 << 62 else _refuse(held, int)


def _number(held: Any) -> float:
    """A float, or an integer in the place of one, which stays what it is."""
    if type(held) is not float and type(held) is not int:
        _refuse(held, float)
    return held


def _figure(held: Any) -> float | None:
    return None if held is None else _number(held)


def _refuse(held: Any, kind: type) -> NoReturn:
    raise TypeError(f"{held!r:.40} is not a {kind.__name__}")
