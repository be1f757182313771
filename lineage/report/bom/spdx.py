"""SPDX 3.0.1 as JSON-LD (spdx.github.io/spdx-spec/v3.0.1): models as AI packages, edges as relationships.

A directed edge is `descendantOf`, an undirected one `hasVariant`; an edge's facts are an extension of the relationship,
as properties in the manner of CycloneDX, which SPDX defines. The document does not claim to conform to the AI
profile: that asks for supplier, place and time of release of every model, which weights do not show.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID, uuid5

from lineage import __version__
from lineage.report.bom import packages
from lineage.report.bom.statement import date, edge_facts, identifier, node_facts, rendered, statement
from lineage.types import Lineage

Json = dict[str, Any]
_CONTEXT = "https://spdx.org/rdf/3.0.1/spdx-context.jsonld"
_CREATION = "_:creation"
_NO_DATE = "1970-01-01T00:00:00Z"  # SPDX must have one


def render(lineage: Lineage) -> bytes:
    """The whole document; dated by SOURCE_DATE_EPOCH, or 1970."""
    said = statement(lineage)
    return rendered({"@context": _CONTEXT, "@graph": _Document(said).elements()})


class _Document:
    """One statement as SPDX elements; their ids are made from the statement and from what each element is."""

    def __init__(self, said: Json) -> None:
        self._said = said
        self._id = identifier(said)
        self._parents = Counter(edge["child"] for edge in said["edges"] if edge["directed"])

    def elements(self) -> list[Json]:
        agent = self._element("SoftwareAgent", "agent", name=f"lineage {__version__}")
        creation = {
            "type": "CreationInfo",
            "@id": _CREATION,
            "specVersion": "3.0.1",
            "created": date() or _NO_DATE,
            "createdBy": [agent["spdxId"]],
        }
        nodes = self._said["nodes"]
        models = [self._model(node) for node in nodes]
        rest = [agent, *self._licences(nodes), *(one for node in nodes for one in self._files(node))]
        rest += [self._relationship(i, edge) for i, edge in enumerate(self._said["edges"])]
        about = self._said["about"]
        document = self._element(
            "SpdxDocument",
            "document",
            name="ancestry of model weights",
            comment="\n".join(self._said["contradictions"]) or None,
            profileConformance=["core", "extension", "simpleLicensing", "software"],
            rootElement=[self._name("model", node["id"]) for node in nodes if about in (None, node["id"])],
            element=[one["spdxId"] for one in (*models, *rest)],
        )
        return [creation, document, *models, *rest]

    def _model(self, node: Json) -> Json:
        return self._element(
            "ai_AIPackage",
            "model",
            node["id"],
            name=node["name"],
            software_primaryPurpose="model",
            software_packageVersion=packages.version(node["address"]),
            software_packageUrl=packages.purl(node["address"]),
            software_downloadLocation=packages.url(node["address"]),
            extension=_extension(node_facts(node)),
        )

    def _relationship(self, number: int, edge: Json) -> Json:
        """One edge, which is known to be incomplete where the child has further parents."""
        kind, ends = "descendantOf", (edge["child"], edge["parent"])
        if not edge["directed"]:
            kind, ends = "hasVariant", (edge["parent"], edge["child"])
        is_one_of_several = edge["directed"] and self._parents[edge["child"]] > 1
        return self._related(
            ends[0],
            kind,
            [self._name("model", ends[1])],
            str(number),
            comment=f"{edge['source']}: {edge['relation']}",
            completeness="incomplete" if is_one_of_several else "noAssertion",
            extension=_extension(edge_facts(edge)),
        )

    def _licences(self, nodes: Sequence[Json]) -> Iterable[Json]:
        """An element for each licence, one for its name where SPDX does not know it, and who declares it."""
        for text in dict.fromkeys(node["licence"] for node in nodes if node["licence"]):
            kind, value = packages.licence(text)
            custom = None
            if kind == "name":
                yield self._element(
                    "simplelicensing_SimpleLicensingText",
                    "licence text",
                    text,
                    name=text,
                    simplelicensing_licenseText=f"The model's card names this licence: {text}",
                )
                value = _reference(text, self._id)
                uri = self._name("licence text", text)
                custom = [{"type": "DictionaryEntry", "key": value, "value": uri}]
            yield self._element(
                "simplelicensing_LicenseExpression",
                "licence",
                text,
                simplelicensing_licenseExpression=value,
                simplelicensing_customIdToUri=custom,
            )
        for node in nodes:
            if node["licence"]:
                licence = self._name("licence", node["licence"])
                yield self._related(node["id"], "hasDeclaredLicense", [licence], "licence")

    def _files(self, node: Json) -> Iterable[Json]:
        made = [
            self._element(
                "software_File",
                "file",
                f"{node['id']} {file['name']}",
                name=file["name"],
                verifiedUsing=[{"type": "Hash", "algorithm": "sha256", "hashValue": file["sha256"]}],
            )
            for file in node["files"]
        ]
        if made:
            yield from made
            yield self._related(node["id"], "contains", [file["spdxId"] for file in made], "files")

    def _related(self, node: str, kind: str, to: list[str], what: str, **facts: Any) -> Json:
        ends = {"from": self._name("model", node), "relationshipType": kind, "to": to}
        return self._element("Relationship", f"relationship {what}", node, **ends, **facts)

    def _element(self, kind: str, what: str, key: str = "", **facts: Any) -> Json:
        known = {name: value for name, value in facts.items() if value is not None}
        return {"type": kind, "spdxId": self._name(what, key), "creationInfo": _CREATION} | known

    def _name(self, what: str, key: str) -> str:
        return uuid5(self._id, f"{what} {key}").urn


def _reference(text: str, document: UUID) -> str:
    """A LicenseRef, readable where the licence's name has the characters that one may have (SPDX 3.0.1, annex B)."""
    return f"LicenseRef-{text if re.fullmatch(r'[A-Za-z0-9.-]+', text) else uuid5(document, text)}"


def _extension(facts: Iterable[tuple[str, str]]) -> list[Json]:
    entries = [
        {"type": "extension_CdxPropertyEntry", "extension_cdxPropName": name, "extension_cdxPropValue": value}
        for name, value in facts
    ]
    return [{"type": "extension_CdxPropertiesExtension", "extension_cdxProperty": entries}]
