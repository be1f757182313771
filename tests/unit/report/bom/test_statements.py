"""What each format says of a model that is handed on."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import yaml

from lineage.report import graphs
from lineage.report.graphs import network
from lineage.report.words import text
from lineage.types import Lineage
from tests.hand_made import FAMILY, HANDED_ON, HOSTILE, STRANGERS, edge, node
from tests.standards import facts

NOVA, BASE = b"nova".hex(), b"base".hex()


def value(lineage: Lineage, ending: str) -> dict:
    return json.loads(graphs.render(lineage, f"x{ending}"))


class TestCycloneDX:
    def test_the_model_is_the_subject_and_its_ancestors_are_in_its_pedigree(self):
        bom = value(HANDED_ON, ".cdx.json")
        assert bom["metadata"]["component"]["name"] == "nova"
        assert "nova" not in {one["name"] for one in bom["components"]}
        pedigree = bom["metadata"]["component"]["pedigree"]
        assert [one["name"] for one in pedigree["ancestors"]] == ["base", "hidden parent", "vision tower", "claimed"]
        assert [one["name"] for one in pedigree["variants"]] == ["cousin"]

    def test_a_variant_is_one_at_both_ends(self):
        (cousin,) = (one for one in value(HANDED_ON, ".cdx.json")["components"] if one["name"] == "cousin")
        assert [one["name"] for one in cousin["pedigree"]["variants"]] == ["nova"]

    def test_what_is_measured_has_its_method_and_confidence_and_what_is_declared_has_none(self):
        base, *_, claimed = value(HANDED_ON, ".cdx.json")["metadata"]["component"]["pedigree"]["ancestors"]
        (identity,) = base["evidence"]["identity"]
        assert (identity["field"], identity["concludedValue"]) == ("purl", base["purl"])
        assert identity["methods"] == [
            {"technique": "binary-analysis", "confidence": 0.94, "value": "r 0.97, z 88.25, log10_p -310.5"}
        ]
        assert facts(base)["lineage:relation"] == "merged"
        assert facts(base)["lineage:weight"] == "0.6"
        assert facts(base)["lineage:basis"] == '["odds 40"]'
        assert facts(claimed)["lineage:source"] == "declared"
        assert "evidence" not in claimed

    def test_licences_are_declared_and_are_ids_expressions_or_names(self):
        bom = value(replace(HANDED_ON, about=None), ".cdx.json")
        said = {one["name"]: one["licenses"] for one in bom["components"] if "licenses" in one}
        declared = {"acknowledgement": "declared"}
        assert said == {
            "base": [{"license": {"id": "Apache-2.0"} | declared}],
            "vision tower": [{"license": {"name": "llama3.1"} | declared}],
            "nova": [{"expression": "MIT OR Apache-2.0"} | declared],
            "cousin": [{"license": {"name": "my own terms, see LICENSE"} | declared}],
        }

    def test_another_graph_has_another_serial_number(self):
        numbers = {
            value(one, ".cdx.json")["serialNumber"]
            for one in (HANDED_ON, replace(HANDED_ON, about=None), FAMILY, STRANGERS)
        }
        assert len(numbers) == 4

    def test_a_wrong_card_is_told(self):
        assert facts(value(HANDED_ON, ".cdx.json")) == {"lineage:contradiction": text(HANDED_ON.contradictions[0])}


class TestSpdx:
    def relations(self, lineage: Lineage) -> list[tuple[str, str, list[str], str | None]]:
        graph = value(lineage, ".spdx.json")["@graph"]
        names = {one.get("spdxId"): one.get("name") for one in graph}
        return [
            (names[one["from"]], one["relationshipType"], [names[to] for to in one["to"]], one.get("completeness"))
            for one in graph
            if one["type"] == "Relationship"
        ]

    def test_directed_is_descent_and_undirected_a_variant(self):
        said = self.relations(HANDED_ON)
        assert ("nova", "descendantOf", ["base"], "incomplete") in said
        assert ("nova", "descendantOf", ["claimed"], "incomplete") in said
        assert ("cousin", "hasVariant", ["nova"], "noAssertion") in said
        assert ("nova", "contains", [name for name, _ in HANDED_ON.nodes[2].files], None) in said

    def test_one_parent_may_still_not_be_all(self):
        assert ("left", "descendantOf", ["root"], "noAssertion") in self.relations(FAMILY)

    def test_a_licence_that_spdx_does_not_know_is_defined_in_the_document(self):
        graph = value(HANDED_ON, ".spdx.json")["@graph"]
        texts = {one["spdxId"]: one["name"] for one in graph if one["type"] == "simplelicensing_SimpleLicensingText"}
        expressions = [one for one in graph if one["type"] == "simplelicensing_LicenseExpression"]
        known = {one["simplelicensing_licenseExpression"]: one for one in expressions}
        assert {"Apache-2.0", "MIT OR Apache-2.0", "LicenseRef-llama3.1"} < set(known)
        (entry,) = known["LicenseRef-llama3.1"]["simplelicensing_customIdToUri"]
        assert (entry["key"], texts[entry["value"]]) == ("LicenseRef-llama3.1", "llama3.1")
        assert "simplelicensing_customIdToUri" not in known["Apache-2.0"]

    def test_the_model_is_the_root_of_the_document_and_the_date_is_not_a_clocks(self):
        graph = value(HANDED_ON, ".spdx.json")["@graph"]
        (document,) = (one for one in graph if one["type"] == "SpdxDocument")
        (root,) = document["rootElement"]
        assert [one["name"] for one in graph if one.get("spdxId") == root] == ["nova"]
        assert graph[0]["created"] == "1970-01-01T00:00:00Z"


class TestProv:
    def test_what_has_no_direction_is_no_derivation(self):
        said = value(HANDED_ON, ".prov.json")
        derived = {(one["prov:generatedEntity"], one["prov:usedEntity"]) for one in said["wasDerivedFrom"].values()}
        cousin = b"cousin".hex()
        assert (f"lineage:model/{NOVA}", f"lineage:model/{BASE}") in derived
        assert not any(cousin in end for ends in derived for end in ends)
        assert {one["prov:entity"] for one in said["hadMember"].values()} == {
            f"lineage:model/{NOVA}",
            f"lineage:model/{cousin}",
        }


class TestInToto:
    def test_subjects_are_files_where_they_are_known(self):
        said = value(HANDED_ON, ".intoto.json")
        assert said["_type"] == "https://in-toto.io/Statement/v1"
        assert [(one["name"], one["digest"]) for one in said["subject"]] == [
            (name, {"sha256": digest}) for name, digest in HANDED_ON.nodes[2].files
        ]

    def test_a_content_id_is_never_called_a_sha256(self):
        said = value(replace(HANDED_ON, about=BASE), ".intoto.json")
        (subject,) = said["subject"]
        assert subject["digest"] == {"lineageContent": BASE}

    def test_a_parent_that_nobody_has_seen_is_no_subject(self):
        names = [one["name"] for one in value(replace(HANDED_ON, about=None), ".intoto.json")["subject"]]
        assert "hidden parent" not in names
        assert "claimed" in names

    def test_namesakes_are_told_apart(self):
        twins = Lineage((node("x"), node("x", id="ff"), node("")), ())
        names = [one["name"] for one in value(twins, ".intoto.json")["subject"]]
        assert names == ["x 78", "x ff", " 00"]

    def test_files_of_one_name_are_told_apart(self):
        one, other = (node("x", id=id_, files=(("model.pt", f"{id_}" * 32),)) for id_ in ("aa", "bb"))
        third = node("y", files=(("other.pt", "cc" * 32),))
        names = [subject["name"] for subject in value(Lineage((one, other, third), ()), ".intoto.json")["subject"]]
        assert names == ["model.pt aa", "model.pt bb", "other.pt"]

    def test_the_predicate_is_the_graph(self):
        predicate = value(HANDED_ON, ".intoto.json")["predicate"]
        graph = json.loads(graphs.render(HANDED_ON, "x.json"))
        assert {key: one for key, one in predicate.items() if key != "tool"} == graph


class TestCard:
    def patches(self, lineage: Lineage) -> list[dict]:
        return list(yaml.safe_load_all(graphs.render(lineage, "x.card.yaml")))

    def test_names_direct_measured_parents_and_how_the_model_was_made_of_them(self):
        assert self.patches(HANDED_ON) == [
            {"base_model": ["acme/base", "vision tower"], "base_model_relation": "merge"}
        ]

    def test_tells_what_is_measured_what_is_declared_and_what_nobody_has_seen(self):
        said = graphs.render(HANDED_ON, "x.card.yaml").decode()
        assert '- "acme/base"  # measured: merged 0.60, confidence 0.94\n' in said
        assert '- "vision tower"  # measured: component-reused (vision encoder); not known to be at the hub\n' in said
        assert "# declared, which is not evidence: claimed\n" in said
        assert "# measured: a parent that is not in the index\n" in said

    @pytest.mark.parametrize(
        ("relations", "word"),
        [
            (["fine-tuned"], "finetune"),
            (["adapter-merged"], "finetune"),
            (["quantized"], "quantized"),
            (["quantized", "pruned"], "finetune"),
            (["merged", "merged"], "merge"),
            (["re-encoded"], None),
            (["component-reused", "component-reused"], None),
        ],
    )
    def test_relations_in_the_words_of_the_hub(self, relations, word):
        parents = [f"p{i}" for i in range(len(relations))]
        edges = tuple(edge(parent, "x", relation) for parent, relation in zip(parents, relations, strict=True))
        lineage = Lineage(tuple(map(node, (*parents, "x"))), edges, about=b"x".hex())
        expected = {"base_model": parents} | ({"base_model_relation": word} if word else {})
        assert self.patches(lineage) == [expected]

    def test_without_a_model_there_is_a_patch_for_each_that_has_a_parent(self):
        said = graphs.render(FAMILY, "x.card.yaml").decode()
        assert [line for line in said.splitlines() if line.startswith("# ") and " " not in line[2:]] == [
            "# left", "# right", "# soup", "# deep", "# vision",
        ]  # fmt: skip
        assert len(self.patches(FAMILY)) == 5

    def test_a_model_without_parents_gets_an_empty_patch(self):
        assert self.patches(replace(HANDED_ON, about=BASE)) == [{}]

    def test_a_parent_of_several_components_is_named_once(self):
        edges = tuple(edge("p", "x", "component-reused", component=name) for name in ("a", "b"))
        assert self.patches(Lineage((node("p"), node("x")), edges)) == [{"base_model": ["p"]}]

    @pytest.mark.parametrize("name", HOSTILE)
    def test_a_name_stays_one_text(self, name):
        parent = node(name, id="aa")
        lineage = Lineage((parent, node("x")), (replace(edge("p", "x"), parent="aa"),), about=b"x".hex())
        (patch,) = self.patches(lineage)
        assert patch == {"base_model": [network.xml_text(name)], "base_model_relation": "finetune"}
