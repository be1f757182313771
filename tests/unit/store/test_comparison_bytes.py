"""A comparison as bytes: the known ones, and nothing but what has their shape."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage.store.comparison_bytes import FAULTS, from_bytes, to_bytes
from lineage.types import (
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
from lineage.types.facts.cues import SpreadGains
from lineage.types.facts.descent import NamedIn
from lineage.types.facts.exclusions import Stated, Vector
from lineage.types.facts.schemes import FewBits, StoredAs
from tests.synthetic import encoder, sketch

GOLDEN = Path(__file__).parents[2] / "golden" / "comparison.bytes"
A, B = (sketch(encoder(seed, 1), name=name) for seed, name in ((1, "query"), (2, "reference")))
OURS, THEIRS = ([tensor.name for tensor in one.tensors] for one in (A, B))
EVIDENCE = Evidence(0.5, -1.25, 2, 3, 1 << 40, 0.1, -30.5, 1.0, None, 7, 1e-300)
NOTHING = Evidence(None, None, 0, 0, 0, 0.0, 0.0, 0.0, 0.25, 1)
PARTS = (InheritedPart("attention", (0, 3), True), InheritedPart(None, (), False, True))
NORM = "norm", "network", (None, 3), (64,)
FOUND = Comparison(
    model=B.id,
    model_name="reference",
    verdict=Verdict.PARTLY_DERIVED,
    relation=Relation.COMPONENT_REUSED,
    direction=Direction.CHILD,
    share=1,
    evidence=EVIDENCE,
    confidence=0.1 + 0.2,
    basis=(NamedIn("card"), FewBits("int4", 32)),
    components=(
        ComponentFinding(
            "network", 10, 0.75, Relation.FINE_TUNED, None, EVIDENCE, 0.9, (NamedIn("é"),), ((0, 1), (2, 0)),
            (StoredAs("gguf q8_0"),), ((0, "mlp"), (1, 5)), Inherited(9, 0.7, 1, PARTS),
        ),
        ComponentFinding("head", 1, 0.25, Relation.INDEPENDENT, Direction.PARENT, NOTHING, 0.0, (), None),
    ),
    tensors=(
        TensorMatch(
            OURS[2], THEIRS[1], "query", "network", (0, None), (64, 64), "structure", False, 0.5, -0.5, 9.0, True
        ),
        TensorMatch("fused", "joined", *NORM, "rows", True, None, 1e-310, None, False, Vector()),
        TensorMatch(OURS[0], "joined", *NORM, "content", True, 1.0, None, -0.0, False, Vector()),
    ),
    excluded=(Excluded(OURS[0], Stated("in words")),),
    cues=(Cue("spread", Direction.PARENT, 3.5, SpreadGains("this-model", 0.25), certain=True),),
)  # fmt: skip


def test_the_bytes_are_the_known_ones():
    assert to_bytes(FOUND, A, B) == GOLDEN.read_bytes()
    assert repr(from_bytes(GOLDEN.read_bytes(), A, B)) == repr(FOUND)


def test_names_are_those_of_the_models_that_are_asked_about():
    renamed = replace(B, name="another name")
    assert from_bytes(GOLDEN.read_bytes(), A, renamed) == replace(FOUND, model_name="another name")


def test_what_cannot_come_back_is_refused():
    impossible = [
        replace(FOUND, share="0.5"),
        replace(FOUND, evidence=replace(EVIDENCE, groups=True)),
        replace(FOUND, evidence=replace(EVIDENCE, hypotheses=-1)),
        replace(FOUND, components=(replace(FOUND.components[0], layer_map=((0, -1),)),)),
        replace(FOUND, tensors=(replace(FOUND.tensors[0], layers=(-1, 0)),)),
        replace(FOUND, tensors=(replace(FOUND.tensors[0], how="other"),)),
        replace(FOUND, tensors=(replace(FOUND.tensors[0], r=1),)),
    ]
    for one in impossible:
        with pytest.raises(FAULTS):
            from_bytes(to_bytes(one, A, B), A, B)


def parts(held: bytes) -> tuple[dict, bytes]:
    length, _ = struct.unpack_from("<II", held)
    return json.loads(held[8 : 8 + length]), held[8 + length :]


def whole(said: object, columns: bytes, count: int = 3) -> bytes:
    text = json.dumps(said).encode()
    return struct.pack("<II", len(text), count) + text + columns


SAID, COLUMNS = parts(to_bytes(FOUND, A, B))


def changed(**fields: object) -> bytes:
    return whole(SAID | fields, COLUMNS)


HOSTILE = {
    "nothing": b"",
    "no more than a header": struct.pack("<II", 0, 0),
    "more pairs than it holds": whole(SAID, COLUMNS, 1 << 31),
    "fewer pairs": whole(SAID, COLUMNS, 2),
    "a list": whole([], COLUMNS),
    "deep": struct.pack("<II", 200_000, 0) + b"[" * 200_000,
    "no relation": changed(relation="stolen"),
    "a number for a relation": changed(relation=1),
    "a share of text": changed(share="1"),
    "a share of truth": changed(share=True),
    "evidence of another length": changed(evidence=[0.5]),
    "an unknown fact": changed(basis=[["no-such-fact", {}]]),
    "a fact of another shape": changed(basis=[["named-in", {"z": 1}]]),
    "a fact for a reason": changed(excluded=[["x", ["named-in", {"where": "card"}]]]),
    "a tensor that is not left out": changed(excluded=[2]),
    "a tensor that is not there": changed(excluded=[1 << 40]),
    "kinds that are not there": changed(kinds=[]),
    "a kind with a shape of text": changed(kinds=[["a", "b", ["c"], 0, True, True, None]] * 3),
    "names that are not text": changed(names=[1, 2]),
    "too few names": changed(names=[]),
    "a place below zero": whole(SAID, b"\xff" * 8 + COLUMNS[8:]),
    "a layer below none": whole(SAID, COLUMNS[:24] + b"\xfe" + b"\xff" * 7 + COLUMNS[32:]),
}


@pytest.mark.parametrize("held", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_has_another_shape_is_refused(held):
    with pytest.raises(FAULTS):
        from_bytes(held, A, B)


@given(st.data())
def test_damaged_bytes_are_read_or_refused(data):
    held = bytearray(GOLDEN.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        held[data.draw(st.integers(0, len(held) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = from_bytes(bytes(held[: data.draw(st.sampled_from([len(held), len(held) // 2]))]), A, B)
    except FAULTS:
        return
    assert found.model == B.id
