"""Cases for policies, made by hand: a model, its ancestors with their licences, and the edges between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from lineage.types import (
    Beside,
    Case,
    CheckpointSketch,
    Comparison,
    ComponentFinding,
    Direction,
    Edge,
    Evidence,
    Inherited,
    InheritedPart,
    Limits,
    Lineage,
    Node,
    Relation,
    Timings,
    Verdict,
    Whois,
)
from lineage.types.facts.cues import Computable
from lineage.types.facts.limits import NotTested

MODEL = "0123456789abcdef"
COMPONENTS = (("embeddings", 0.2), ("text decoder", 0.8))

ROUNDED = (Computable("this-model", "rounding"),)


def evidence(r: float = 0.99, z: float = 120.0, log10_p: float = -300.0, coverage: float = 1.0) -> Evidence:
    return Evidence(r, z, 8, 0, 0, 0.0, log10_p, coverage, 0.05, 1)


def finding(name: str, share: float, relation: str = "independent", **facts: Any) -> ComponentFinding:
    known = {"direction": None, "evidence": evidence(0.0, 0.3, 0.0), "confidence": 0.0, "basis": (), "layer_map": None}
    return ComponentFinding(name, int(share * 1e6), share, Relation(relation), **(known | facts))  # type: ignore[arg-type]


def sketch(name: str = "acme/Nova-7B", licence: str | None = None, **facts: Any) -> CheckpointSketch:
    made = CheckpointSketch(MODEL, "lineage-2", "full", name, "", "safetensors", "llama", 0, 0, (), licence)
    return replace(made, **facts)


GRAFT = Inherited(214_000, 0.214, 1000, (InheritedPart("attention", (0, 1, 2, 3), every=True),))
"""Attention of every layer, in a component of which the rest is the model's own."""


def grafted(model: str) -> Comparison:
    """A model whose text decoder has the attention of `model`, and nothing else from it."""
    made = compared(model, {"text decoder": "component-reused"}, relation=Relation.COMPONENT_REUSED, share=0.214)
    parts = [replace(one, inherited=GRAFT) if one.name == "text decoder" else one for one in made.components]
    return replace(made, components=tuple(parts))


def compared(model: str, relations: dict[str, str], name: str | None = None, **facts: Any) -> Comparison:
    """What the model is to an ancestor, component by component; those that `relations` leaves out are independent."""
    parts = tuple(
        finding(
            part,
            share,
            relations.get(part, "independent"),
            direction=Direction.CHILD,
            evidence=evidence(),
            confidence=1.0,
        )
        for part, share in COMPONENTS
    )
    known = {
        "verdict": Verdict.DERIVED,
        "relation": Relation.FINE_TUNED,
        "direction": Direction.CHILD,
        "share": 1.0,
        "evidence": evidence(),
        "confidence": 1.0,
        "basis": (),
        "components": parts,
        "tensors": (),
        "excluded": (),
    }
    return Comparison(model, name or model, **(known | facts))


def node(name: str, licence: str | None = None, **facts: Any) -> Node:
    return Node(name, name, 10**6, licence=licence, **facts)


def edge(parent: str, child: str = MODEL, relation: str = "fine-tuned", **facts: Any) -> Edge:
    known = {
        "directed": True,
        "source": "measured",
        "confidence": 0.99,
        "basis": ROUNDED,
        "share": 1.0,
    }
    return Edge(parent, child, Relation(relation), **(known | facts))  # type: ignore[arg-type]


def case(
    licence: str | None = "apache-2.0",
    ancestors: Sequence[Node] = (),
    edges: Sequence[Edge] = (),
    *,
    name: str = "acme/Nova-7B",
    parents: Sequence[Comparison] = (),
    beside: Beside | None = None,
    components: Sequence[ComponentFinding] | None = None,
    indexed: Sequence[tuple[str, str]] = (),
    **facts: Any,
) -> Case:
    """A model of that name and licence with these ancestors; components are independent unless given."""
    made = sketch(name, licence, **facts)
    parts = [finding(part, share) for part, share in COMPONENTS] if components is None else components
    answer = Whois(
        sketch=made,
        verdict=Verdict.INDEPENDENT,
        components=tuple((part, None, None) for part in parts),
        ancestors=(),
        alternatives=(),
        excluded=(),
        left_out=(),
        limits=Limits(40, "0123456789abcdef", 0.05, (), (NotTested("merge"),)),
        timings=Timings(0.0, 0.0, 0.0, 0.0),
        nearest=None,
    )
    lineage = Lineage((Node(MODEL, name, 10**6, licence=licence), *ancestors), tuple(edges))
    return Case(answer, lineage, MODEL, tuple(parents), beside, tuple(indexed))
