"""Ancestry graphs made by hand: every kind of node and edge, and names that try to break out of a format."""

from __future__ import annotations

from lineage.types import Edge, Lineage, Node, Relation
from lineage.types.facts.descent import Contradiction, DeclaredUnrelated, NamedIn

HOSTILE = (
    '"; evil -> x; "',
    "back\\slash\\",
    "</title><script>alert(1)</script>",
    "&amp; & &#x0a; #quot; `code` |pipe| ]] %%{init}%% end",
    "=HYPERLINK(0)",
    "\t@SUM(1)",
    "line\nbreak\x00\x1b[2J\u202eltr\ufffe",
    "$\\frac{1}{2$",
    "모델/노바-한국어 é",
    "-->",
    "",
)

DECAYED, ODDS = (NamedIn("weight decay"), NamedIn("zeros kept")), (NamedIn("odds 40"),)


def node(name: str, **facts: object) -> Node:
    return Node(**({"id": name.encode().hex() or "00", "name": name, "params": 1000} | facts))  # type: ignore[arg-type]


def edge(parent: str, child: str, relation: str = "fine-tuned", **facts: object) -> Edge:
    ends = {"parent": parent.encode().hex() or "00", "child": child.encode().hex() or "00"}
    return Edge(**({"relation": Relation(relation), "directed": True, "source": "measured"} | ends | facts))  # type: ignore[arg-type]


def against(child: str, parent: str, source: str = "card") -> Contradiction:
    return DeclaredUnrelated(child.encode().hex() or "00", parent.encode().hex() or "00", child, parent, source)


FAMILY = Lineage(
    (
        node("root", root=True, licence="mit", aliases=("copy", "other copy")),
        node("left"),
        node("right", params=22_700_000),
        node("soup"),
        node("deep"),
        node("twin"),
        node("hidden parent", observed=False, root=True),
        node("vision"),
        node("claimed", root=True),
        node("alone", root=True),
    ),
    (
        edge(
            "root",
            "left",
            r=0.99,
            z=120.5,
            log10_p=-400.0,
            confidence=0.98,
            basis=(NamedIn("weight decay"), NamedIn("zeros kept")),
        ),
        edge("root", "right", "continued-pretraining", r=0.9, z=80.0, layer_map=((0, 0), (1, 2))),
        edge("left", "soup", "merged", weight=0.7, confidence=0.9),
        edge("right", "soup", "merged", weight=0.3, confidence=0.9),
        edge("soup", "deep", "quantized", z=float("inf")),
        edge("twin", "left", "sibling", directed=False, r=0.6),
        edge("root", "vision", "component-reused", component="text decoder", share=0.6),
        edge("hidden parent", "vision", "component-reused", component="vision encoder", share=0.4),
        edge("claimed", "deep", "inconclusive", source="declared", basis=(NamedIn("card"),)),
        edge("right", "soup", source="declared", basis=(NamedIn("card"),)),
    ),
    (against("deep", "claimed"),),
)
STRANGERS = Lineage(
    tuple(node(name, root=i == 0, licence=name, aliases=(name,)) for i, name in enumerate(HOSTILE)),
    tuple(
        edge(HOSTILE[i // 2], HOSTILE[i], component=HOSTILE[i], basis=(NamedIn(HOSTILE[i]),), weight=0.5)
        for i in range(1, len(HOSTILE))
    ),
    tuple(against(name, name, name) for name in HOSTILE),
)
NOTHING = Lineage((), ())
HANDED_ON = Lineage(
    (
        node("base", root=True, licence="apache-2.0", address=f"hf:acme/base@{'c0ffee' * 6}c0ff"),
        node("vision tower", root=True, licence="llama3.1", address="pypi:Vision_Tower==1.0.2"),
        node(
            "nova",
            licence="mit or apache-2.0",
            aliases=("nova copy",),
            files=(("model-00001-of-00002.safetensors", "0f" * 32), ("model-00002-of-00002.safetensors", "1e" * 32)),
        ),
        node("hidden parent", observed=False, root=True),
        node("cousin", licence="my own terms, see LICENSE", address="https://host.example/cousin.safetensors"),
        node("claimed", root=True),
    ),
    (
        edge(
            "base",
            "nova",
            "merged",
            weight=0.6,
            r=0.97,
            z=88.25,
            log10_p=-310.5,
            confidence=0.94,
            basis=(NamedIn("odds 40"),),
        ),
        edge("hidden parent", "nova", "merged", weight=0.4, confidence=0.6),
        edge(
            "vision tower",
            "nova",
            "component-reused",
            component="vision encoder",
            share=0.25,
            layer_map=((0, 0), (1, 2)),
        ),
        edge("cousin", "nova", "shared-init", directed=False, r=0.21, z=9.5, confidence=0.99),
        edge("claimed", "nova", "inconclusive", source="declared", basis=(NamedIn("card"),)),
    ),
    (against("nova", "claimed"),),
    about=b"nova".hex(),
)
"""A model to hand on with its ancestors: files, packages, licences of each kind, a hidden parent, a wrong card."""
