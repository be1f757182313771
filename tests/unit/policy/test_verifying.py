"""Claims held against weights: contradicted on strong evidence alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lineage.policy import verify
from lineage.report.words import text
from lineage.types import Claim, Relation, Verdict
from tests.policy_cases import MODEL, case, compared, edge, evidence, node
from tests.synthetic import sketch as sketched
from tests.synthetic import tensor

BASE = node("org/base", "cc-by-nc-4.0")
INDEXED = (("org/base", "org/base"), ("org/other", "org/other"), (MODEL, "acme/Nova-7B"))
TUNED = case("apache-2.0", [BASE, node("org/other")], [edge("org/base")], indexed=INDEXED)
STRANGER = compared("org/other", {}, verdict=Verdict.INDEPENDENT, evidence=evidence(0.0, 0.2, 0.0))


def outcome(one, kind: str, value: str) -> tuple[str, str]:
    checked = verify(one, [Claim(kind, value, value, 1)], "README.md").checked
    assert len(checked) == 1
    return checked[0].outcome, text(checked[0].evidence)


class TestBaseModel:
    def test_a_measured_parent_is_consistent(self):
        said, why = outcome(TUNED, "base-model", "org/base")
        assert said == "consistent"
        assert "fine-tuned from org/base" in why

    def test_the_organisation_may_be_left_out(self):
        assert outcome(TUNED, "base-model", "Base")[0] == "consistent"
        assert outcome(TUNED, "base-model", "elsewhere/base")[0] == "unsupported"

    def test_an_ancestor_of_the_parent_is_consistent_too(self):
        above = case(
            ancestors=[BASE, node("org/mid")], edges=[edge("org/mid"), edge("org/base", "org/mid")], indexed=INDEXED
        )
        assert outcome(above, "base-model", "org/base")[0] == "consistent"

    def test_an_open_direction_is_consistent_and_says_so(self):
        open_one = case(ancestors=[BASE], edges=[edge("org/base", directed=False)], indexed=INDEXED)
        said, why = outcome(open_one, "base-model", "org/base")
        assert said == "consistent"
        assert "not measured" in why

    def test_what_is_not_in_the_index_is_unsupported(self):
        assert outcome(TUNED, "base-model", "far/away") == (
            "unsupported", "far/away is not in the index, so nothing could be compared with it",
        )  # fmt: skip

    def test_another_measured_parent_and_no_trace_of_the_named_one_contradict(self):
        said, why = outcome(replace(TUNED, parents=(STRANGER,)), "base-model", "org/other")
        assert said == "contradicted"
        assert "no trace of org/other" in why
        assert "org/base" in why

    @pytest.mark.parametrize(
        "one",
        [
            replace(TUNED, parents=(replace(STRANGER, evidence=evidence(0.0, 0.2, 0.0, coverage=0.2)),)),
            replace(TUNED, parents=(replace(STRANGER, evidence=replace(evidence(), min_detectable_r=0.8)),)),
            replace(TUNED, parents=(replace(STRANGER, verdict=Verdict.RELATED),)),
            replace(TUNED, parents=()),
            case(ancestors=[BASE], edges=[edge("org/base", directed=False)], indexed=INDEXED, parents=[STRANGER]),
            case(ancestors=[BASE], edges=[edge("org/base", confidence=0.5)], indexed=INDEXED, parents=[STRANGER]),
        ],
        ids=["little compared", "little power", "related", "not compared", "other parent open", "other parent weak"],
    )
    def test_weaker_evidence_does_not_contradict(self, one):
        assert outcome(one, "base-model", "org/other")[0] == "unsupported"

    def test_a_named_base_that_is_made_from_the_model_contradicts(self):
        turned = case(ancestors=[BASE], edges=[edge(MODEL, "org/base")], indexed=INDEXED)
        assert outcome(turned, "base-model", "org/base")[0] == "contradicted"
        weak = case(ancestors=[BASE], edges=[edge(MODEL, "org/base", basis=())], indexed=INDEXED)
        assert outcome(weak, "base-model", "org/base")[0] == "unsupported"


class TestFromScratch:
    def test_measured_descent_contradicts(self):
        said, why = outcome(TUNED, "from-scratch", "yes")
        assert said == "contradicted"
        assert "100% of the parameters" in why

    def test_one_component_is_told_with_its_share(self):
        part = edge("org/base", relation=Relation.COMPONENT_REUSED, component="vision encoder", share=0.021)
        said, why = outcome(case(ancestors=[BASE], edges=[part]), "from-scratch", "yes")
        assert said == "contradicted"
        assert "vision encoder (2.1% of the parameters)" in why

    @pytest.mark.parametrize(
        ("one", "value"),
        [
            (TUNED, "unclear"),
            (case(), "yes"),
            (case(ancestors=[BASE], edges=[edge("org/base", directed=False)]), "yes"),
            (case(ancestors=[BASE], edges=[edge("org/base", confidence=0.6)]), "yes"),
            (case(ancestors=[BASE], edges=[edge("org/base", relation=Relation.SHARED_INIT)]), "yes"),
            (case(ancestors=[node("acme/step1000")], edges=[edge("acme/step1000")]), "yes"),
            (
                case(ancestors=[BASE], edges=[edge("org/base", relation=Relation.INCONCLUSIVE, source="declared")]),
                "yes",
            ),
        ],
        ids=["unclear", "nothing found", "undirected", "weak", "shared-init", "same maker", "declared"],
    )
    def test_nothing_else_does_and_nothing_confirms_it(self, one, value):
        assert outcome(one, "from-scratch", value)[0] == "unsupported"


class TestParameters:
    SMALL = sketched({"encoder.layer.0.output.dense.weight": np.random.default_rng(0).normal(size=(70, 100))})

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ("7K", "consistent"), ("6.7k", "consistent"), ("8.5k", "consistent"), ("7,000", "unsupported"),
            ("12k", "unsupported"), ("70k", "contradicted"), ("3k", "contradicted"), ("many", "unsupported"),
        ],
    )  # fmt: skip
    def test_names_round(self, value, expected):
        assert outcome(case(tensors=self.SMALL.tensors), "parameters", value)[0] == expected


class TestQuantisation:
    RANDOM = np.random.default_rng(1).normal(size=(256, 256)).astype(np.float32)
    EVEN = (np.rint(RANDOM * 2).clip(-7, 7) / 2).astype(np.float32)

    def stored(self, values, dtype: str):
        return case(tensors=(replace(tensor(values), dtype=dtype),))

    @pytest.mark.parametrize(
        ("even", "dtype", "claim", "expected"),
        [
            (False, "awq int4 group 128", "int4", "consistent"),
            (False, "ggml q4_k", "4-bit", "consistent"),
            (False, "ggml q8_0", "int4", "contradicted"),
            (False, "float16", "int4", "contradicted"),
            (False, "float16", "int8", "contradicted"),
            (True, "float16", "int4", "consistent"),  # written out, still on its levels
            (False, "float16", "4-bit", "unsupported"),  # NF4 written out lies on no even levels
            (False, "float16", "gptq", "unsupported"),
            (False, "float16", "nice", "unsupported"),
            (False, "float16", "none", "consistent"),
            (False, "ggml q8_0", "bf16", "contradicted"),
        ],
    )
    def test_how_the_matrices_are_stored(self, even, dtype, claim, expected):
        one = self.stored(self.EVEN if even else self.RANDOM, dtype)
        assert outcome(one, "quantisation", claim)[0] == expected


class TestLicenceAndRelation:
    def test_a_licence_is_consistent_where_nothing_above_disagrees(self):
        mild = case("apache-2.0", [node("org/base", "mit")], [edge("org/base")])
        assert outcome(mild, "licence", "apache-2.0")[0] == "consistent"

    @pytest.mark.parametrize("one", [TUNED, case("mit"), case("mit", [node("org/base")], [edge("org/base")])])
    def test_weights_alone_contradict_no_licence(self, one):
        assert outcome(one, "licence", "apache-2.0")[0] == "unsupported"

    def test_the_claimed_licence_is_looked_at_and_not_that_of_the_card(self):
        assert "cc-by-nc-4.0 allows no commercial use" in outcome(TUNED, "licence", "mit")[1]
        assert "allows no commercial" not in outcome(TUNED, "licence", "cc-by-nc-4.0")[1]

    @pytest.mark.parametrize(
        ("measured", "claimed", "expected"),
        [
            ("fine-tuned", "finetune", "consistent"), ("adapter-merged", "adapter", "consistent"),
            ("quantized", "quantized", "consistent"), ("merged", "merge", "consistent"),
            ("merged", "quantized", "unsupported"), ("fine-tuned", "dream", "unsupported"),
        ],
    )  # fmt: skip
    def test_relations(self, measured, claimed, expected):
        one = case(ancestors=[BASE], edges=[edge("org/base", relation=measured)])
        assert outcome(one, "relation", claimed)[0] == expected

    @pytest.mark.parametrize("claimed", ["finetune", "merge"])
    def test_a_relation_whose_direction_is_open_says_so(self, claimed):
        one = case(ancestors=[BASE], edges=[edge("org/base", directed=False)])
        assert "which of the two is the parent is not measured" in outcome(one, "relation", claimed)[1]

    def test_equal_weights_are_no_fine_tune(self):
        same = case(ancestors=[BASE], edges=[edge("org/base", relation=Relation.IDENTICAL, directed=False)])
        same = replace(same, answer=replace(same.answer, verdict=Verdict.IDENTICAL))
        assert outcome(same, "relation", "finetune")[0] == "contradicted"
        assert outcome(case(), "relation", "finetune")[0] == "unsupported"
