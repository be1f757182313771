"""An in-toto Statement v1 (github.com/in-toto/attestation): whose weights they are, to be signed by its maker.

Subjects are files with their SHA-256 where these were read for this answer. A model that is known by its sketch alone
is a subject by its content id, under a digest name of our own: such a subject can be distinguished from a file.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from lineage import __version__
from lineage.errors import LineageError
from lineage.report.bom import packages
from lineage.report.bom.statement import NAMESPACE, rendered, statement
from lineage.types import Lineage

Json = dict[str, Any]
CONTENT = "lineageContent"
PREDICATE = f"{NAMESPACE}graph:1"


def render(lineage: Lineage) -> bytes:
    """The statement, unsigned; its predicate is `lineage/graph/1`. Raises LineageError for a graph without models."""
    said = statement(lineage, with_facts=True)
    about = said["about"]
    subjects = [node for node in said["nodes"] if node["observed"] and about in (None, node["id"])]
    if not subjects:
        raise LineageError("an in-toto statement needs a subject: this graph has no model of the index")
    names = Counter(name for node in subjects for name in _names(node))
    return rendered(
        {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [subject for node in subjects for subject in _subjects(node, names)],
            "predicateType": PREDICATE,
            "predicate": said | {"tool": {"name": "lineage", "version": __version__}},
        }
    )


def _names(node: Json) -> list[str]:
    """The names of the subjects of a model if there were no others."""
    return [file["name"] for file in node["files"]] or [node["name"]]


def _subjects(node: Json, names: Counter[str]) -> list[Json]:
    """The subjects of a model; the model's id is added to a name that another subject has too."""
    called = [name if name and names[name] == 1 else f"{name} {node['id']}" for name in _names(node)]
    if node["files"]:
        return [
            {"name": name, "digest": {"sha256": file["sha256"]}}
            for name, file in zip(called, node["files"], strict=True)
        ]
    package = packages.purl(node["address"])
    return [{"name": called[0], "digest": {CONTENT: node["id"]}} | ({"uri": package} if package else {})]
