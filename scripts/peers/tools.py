"""Other tools that say where weights come from: how they are installed and asked, and how their answers are read.

Each is asked as its documentation shows for two local models, in JSON where it offers that. What an answer means is
the tool's own: its documentation says which words claim a relation and which deny one; a word that leaves it open is
neither right nor wrong. `details` has, for words that say what was done, the rows of which that is true.

Tools that list differences and answer nothing (modeldelta 0.4.4, mergelens 2.0.3: minutes a pair) are left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Said = Literal["related", "not related", "open"]


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool: `packages` for pip, the commands that answer whether `child` comes from `parent`, and its words.

    Commands are called one after the other with the folder of the environment's programs before the first word;
    `read` takes what each of them printed and returns the tool's word.
    """

    name: str
    packages: tuple[str, ...]
    commands: Callable[[str, str], tuple[tuple[str, ...], ...]]
    read: Callable[[tuple[str, ...]], str]
    words: Mapping[str, Said]
    details: Mapping[str, frozenset[str]] = field(default_factory=dict)
    python: tuple[int, int] = (3, 11)
    """The oldest Python that it declares to need."""
    decompose: Callable[[str, str, str], tuple[str, ...]] | None = None
    """The command that takes a merge of two models apart, and prints JSON that `shares` reads."""
    shares: Callable[[str], tuple[float, float]] | None = None

    def said(self, word: str) -> Said:
        """What a word means; one that the documentation does not have leaves it open."""
        return self.words.get(word, "open")


def weights(model: str) -> str:
    """The file of a model's weights, for tools that take no folder."""
    return str(Path(model) / "model.safetensors")


def _modeldna(printed: tuple[str, ...]) -> str:
    return str(json.loads(printed[0])["verdict"]["verdict"])


def _modeldna_shares(printed: str) -> tuple[float, float]:
    first, second = json.loads(printed)["alphas"].values()
    return float(first), float(second)


def _provenancekit(printed: tuple[str, ...]) -> str:
    return str(json.loads(printed[0])["scores"]["provenance_decision"])


def _weightscope(printed: tuple[str, ...]) -> str:
    rows = re.findall(r"^\| 1 \|.*\| `?([\w ]+)[^|]*\|$", printed[0], re.MULTILINE)
    return str(rows[0]).strip() if rows else "no answer"


def _fingerprint(printed: tuple[str, ...]) -> str:
    one, other = (json.loads(text)["content_fingerprint"] for text in printed)
    return "same" if one == other else "different"


def _lineage(printed: tuple[str, ...]) -> str:
    return str(json.loads(printed[0])["relation"])


LINEAGE = Tool(
    "lineage",
    (),
    lambda child, parent: (("lineage", "compare", child, parent, "--json"),),
    _lineage,
    {
        **dict.fromkeys(
            (
                "identical", "re-encoded", "quantized", "pruned", "fine-tuned", "adapter-merged",
                "continued-pretraining", "vocabulary-changed", "depth-changed", "width-pruned", "expert-upcycled",
                "merged", "component-reused", "disguised",
            ),
            "related",
        ),
        **dict.fromkeys(("independent", "shared-init"), "not related"),
        "inconclusive": "open",
    },
    {
        "fine-tuned": frozenset({"tuned", "continued"}),
        "continued-pretraining": frozenset({"continued"}),
        "quantized": frozenset({"quantized"}),
        "pruned": frozenset({"pruned"}),
        **dict.fromkeys(("disguised", "re-encoded"), frozenset({"disguised"})),
        "depth-changed": frozenset({"depth"}),
        "component-reused": frozenset({"grafted"}),
        "merged": frozenset({"merged"}),
    },
)  # fmt: skip
"""This project, read as the others are."""

TOOLS = (
    Tool(
        "modelDNA",
        ("modeldna==0.1.0",),
        lambda child, parent: (("modeldna", "compare", child, parent, "--json"),),
        _modeldna,
        {
            **dict.fromkeys(("EXACT_COPY", "QUANTIZED_COPY", "FINE_TUNE", "SAME_LINEAGE", "LIKELY_MERGE"), "related"),
            "NO_MATCH": "not related",
            "SAME_FAMILY_UNRESOLVED": "open",
            "INSUFFICIENT": "open",
        },
        {
            "QUANTIZED_COPY": frozenset({"quantized"}),
            "FINE_TUNE": frozenset({"tuned"}),
            "SAME_LINEAGE": frozenset({"continued"}),
            "LIKELY_MERGE": frozenset({"merged"}),
        },
        decompose=lambda child, one, other: ("modeldna", "decompose", child, one, other, "--json"),
        shares=_modeldna_shares,
    ),
    Tool(
        "Model Provenance Kit",
        ("torch==2.13.0", "cisco-ai-provenance-kit==1.0.0"),
        lambda child, parent: (("provenancekit", "compare", child, parent, "--json", "--no-cache"),),
        _provenancekit,
        {
            **dict.fromkeys(("Confirmed Match", "High-Confidence Match", "Weak Match"), "related"),
            "Not Matched": "not related",
        },
        python=(3, 12),
    ),
    Tool(
        "weightscope",
        ("torch==2.13.0", "weightscope==0.4.3"),
        lambda child, parent: (("weightscope", "lineage", child, parent),),
        _weightscope,
        {
            **dict.fromkeys(("derived_from_base", "likely_descendant"), "related"),
            "independent": "not related",
            "architecture_mismatch": "open",
            "failed": "open",
        },
        {"derived_from_base": frozenset({"tuned"}), "likely_descendant": frozenset({"tuned", "continued"})},
    ),
    Tool(
        "model-fingerprint",
        ("model-fingerprint==0.1.1",),
        lambda child, parent: tuple(("model-fingerprint", "--json", weights(one)) for one in (child, parent)),
        _fingerprint,
        {"same": "related", "different": "not related"},
    ),
)
