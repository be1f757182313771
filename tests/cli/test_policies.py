"""`audit` and `verify`, as a person or a pipeline meets them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lineage import api
from lineage.errors import SketchMismatch
from lineage.policy import audit
from lineage.types import Audit, Checked, Claim, Verification
from lineage.types.facts_claims import SameWeights
from lineage.types.facts_policy import NeverProved
from tests.cli.conftest import Desk, Run
from tests.cli.test_schemas import check
from tests.policy_cases import case, edge, node
from tests.small_models import saved, sketched, trained, tuned

BERT = {"model_type": "bert", "num_attention_heads": 4, "hidden_size": 64}


def folder(path: Path, weights: dict[str, np.ndarray], card: str) -> Path:
    path.mkdir()
    saved(weights, path / "model.safetensors")
    (path / "README.md").write_text(card)
    (path / "config.json").write_text(json.dumps(BERT))
    return path


def halved(weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The smaller half of each matrix set to zero: made from the weights, never the other way round."""
    return {
        name: np.where(np.abs(w) < np.median(np.abs(w)), 0, w).astype(w.dtype) if w.ndim > 1 else w
        for name, w in weights.items()
    }


@pytest.fixture
def home(run: Run, tmp_path: Path) -> tuple[object, ...]:
    """An index of a non-commercial base and an unrelated model."""
    base = folder(tmp_path / "base", trained(1), "---\nlicense: cc-by-nc-4.0\n---\n")
    other = folder(tmp_path / "other", trained(3), "---\nlicense: mit\n---\n")
    assert run("ingest", base, other, "--index", tmp_path / "index").code == 0
    return ("--index", tmp_path / "index", "--no-reference")


@pytest.fixture
def child(tmp_path: Path) -> Path:
    """Made from the base, which shows in its weights; its card says otherwise."""
    card = "---\nlicense: apache-2.0\nbase_model: other\n---\n# Nova\nQuantization: int4\n"
    return folder(tmp_path / "nova", halved(trained(1)), card)


@pytest.fixture
def cousin(tmp_path: Path) -> Path:
    """Related to the base in a way that shows no direction."""
    return folder(tmp_path / "cousin", tuned(trained(1), 2), "---\nlicense: apache-2.0\n---\n")


@pytest.fixture
def stranger(tmp_path: Path) -> Path:
    return folder(tmp_path / "stranger", trained(9), "---\nlicense: mit\n---\nThis model was trained from scratch.\n")


class TestAudit:
    @pytest.mark.parametrize("policy", ["licence", "from-scratch"])
    def test_measured_descent_violates_and_the_gate_says_20(self, run, home, child, policy):
        done = run("audit", child, "--policy", policy, *home, "--json")
        assert (done.code, done.json["verdict"]) == (0, "violated")
        assert run("audit", child, "--policy", policy, "--gate", *home).code == 20
        assert done.json["ancestors"][0]["model_name"] == "base"

    @pytest.mark.parametrize("policy", ["licence", "from-scratch", "t-class"])
    def test_an_open_direction_is_inconclusive_and_the_gate_says_30(self, run, home, cousin, policy):
        done = run("audit", cousin, "--policy", policy, *home, "--json")
        assert (done.code, done.json["verdict"]) == (0, "inconclusive")
        assert run("audit", cousin, "--policy", policy, "--gate", *home).code == 30

    @pytest.mark.parametrize("policy", ["licence", "from-scratch", "t-class"])
    def test_nothing_found_passes_the_gate(self, run, home, stranger, policy):
        done = run("audit", stranger, "--policy", policy, "--gate", *home, "--json")
        assert (done.code, done.json["verdict"]) == (0, "nothing-found")

    def test_the_class_of_a_pruned_copy_and_of_a_stranger(self, run, home, child, stranger):
        assert run("audit", child, "--policy", "t-class", *home, "--json").json["bound"] == "T2"
        assert run("audit", stranger, "--policy", "t-class", *home, "--json").json["bound"] == "T4-1"

    def test_a_model_of_the_index_is_asked_about_by_name(self, run, home):
        value = run("audit", "base", "--policy", "from-scratch", *home, "--json").json
        assert (value["verdict"], value["limits"]["models_searched"]) == ("nothing-found", 1)

    def test_a_sketch_gets_the_audit_of_its_checkpoint(self, run, home, child, tmp_path):
        assert run("sketch", child, "-o", tmp_path / "nova.sketch").code == 0
        of_sketch = run("audit", tmp_path / "nova.sketch", "--policy", "licence", *home, "--json").json
        of_folder = run("audit", child, "--policy", "licence", *home, "--json").json
        assert of_sketch["verdict"] == of_folder["verdict"]
        assert [a["model"] for a in of_sketch["ancestors"]] == [a["model"] for a in of_folder["ancestors"]]

    def test_files_beside_the_weights_meet_what_is_asked(self, run, home, tmp_path):
        card = "---\nlicense: cc-by-nc-4.0\n---\nMade from base.\n"
        good = folder(tmp_path / "good", halved(trained(1)), card)
        (good / "LICENSE").write_text("...")
        done = run("audit", good, "--policy", "licence", "--gate", *home, "--json")
        assert done.code == 0
        assert {f["rule"]: f["standing"] for f in done.json["findings"]} == {
            "licence-text": "met", "attribution": "met", "state-changes": "due",
        }  # fmt: skip

    def test_the_screen_fits_one_and_says_what_it_is_not(self, run, home, child):
        screens = {policy: run("audit", child, "--policy", policy, *home).out for policy in ("licence", "t-class")}
        assert all(len(screen.splitlines()) <= 40 for screen in screens.values())
        assert "VIOLATED" in screens["licence"]
        assert "not legal advice" in screens["licence"]
        assert "Seung Hyun Lee" in screens["t-class"]
        assert "github.com/epoko77-ai/sovereign-ai-tclass-2.0" in screens["t-class"]
        assert "REFUTED" in run("audit", child, "--policy", "from-scratch", *home).out

    def test_rules_of_ones_own(self, run, home, stranger, child, tmp_path):
        rules = tmp_path / "ours.toml"
        rules.write_text(
            'format = 1\npolicy = "t-class"\n[[rule]]\nid = "own"\nabout = "model"\nsays = "violated"\n'
            'text = "{bound} is too low"\nwhen = { class-below = "T4-1" }\n'
        )
        words = ("--policy", "t-class", "--rules", rules, "--gate", *home)
        assert run("audit", child, *words).code == 20
        assert run("audit", stranger, *words).code == 0

    def test_a_broken_rule_file_is_refused_before_any_work(self, run, tmp_path):
        rules = tmp_path / "ours.toml"
        rules.write_text('format = 1\npolicy = "licence"\n[[rule]]\nid = "x"\nabot = "model"\n')
        done = run("audit", tmp_path / "absent", "--policy", "licence", "--rules", rules)
        assert (done.code, done.out) == (12, "")
        assert done.err == f"lineage: {rules}: line 5: unknown key 'abot'; did you mean 'about'?\n"
        rules.write_text('format = 1\npolicy = "t-class"\n')
        assert run("audit", "x", "--policy", "licence", "--rules", rules).code == 12

    def test_an_adapter_alone_is_no_model(self, home, tmp_path):
        adapter = replace(sketched(trained(1)), format="peft-safetensors")
        for ask in (lambda: api.audit(adapter, "licence"), lambda: api.verify(adapter, tmp_path)):
            with pytest.raises(SketchMismatch, match="is an adapter"):
                ask()

    def test_a_policy_has_to_be_named(self, run, child):
        assert run("audit", child).code == 2
        assert run("audit", child, "--policy", "vibes").code == 2

    def test_without_an_index_the_code_is_10(self, run, child, tmp_path):
        done = run("audit", child, "--policy", "licence", "--index", tmp_path / "none", "--gate")
        assert (done.code, done.out) == (10, "")

    def test_the_graph_of_the_index_is_left_as_it_was(self, run, home, child, tmp_path):
        run("audit", "base", "--policy", "licence", *home)
        before = self.held(tmp_path / "index")
        run("audit", child, "--policy", "licence", *home)
        assert self.held(tmp_path / "index") == before

    @staticmethod
    def held(index):
        """The files of an index, without what is kept of comparisons."""
        return {p: p.read_bytes() for p in index.rglob("*") if p.is_file() and p.parent.name != "comparisons"}


class TestVerify:
    def test_strong_evidence_contradicts_and_the_gate_says_21(self, run, home, child):
        done = run("verify", child, "--claims", child, *home, "--json")
        outcomes = {claim["kind"]: claim["outcome"] for claim in done.json["claims"]}
        assert outcomes == {"base-model": "contradicted", "licence": "unsupported", "quantisation": "contradicted"}
        assert done.code == 0
        assert run("verify", child, "--claims", child / "README.md", "--gate", *home).code == 21

    def test_from_scratch_is_contradicted_by_a_measured_parent_alone(self, run, home, child, cousin, stranger):
        codes = [run("verify", one, "--claims", stranger, "--gate", *home).code for one in (child, cousin, stranger)]
        assert codes == [21, 30, 30]

    def test_consistent_claims_pass_the_gate(self, run, home, child, tmp_path):
        claims = tmp_path / "claims.toml"
        claims.write_text('base_model = "base"\nparameters = "86k"\nquantization = "none"\n')
        done = run("verify", child, "--claims", claims, "--gate", *home, "--json")
        assert done.code == 0, done.out
        assert {claim["outcome"] for claim in done.json["claims"]} == {"consistent"}

    def test_a_base_that_the_index_does_not_hold_is_unsupported(self, run, home, child, tmp_path):
        claims = tmp_path / "claims.json"
        claims.write_text('{"base_model": "far/away"}')
        done = run("verify", child, "--claims", claims, "--gate", *home, "--json")
        assert (done.code, done.json["claims"][0]["outcome"]) == (30, "unsupported")

    def test_no_claims_are_said_and_inconclusive(self, run, home, child, tmp_path):
        (tmp_path / "card.md").write_text("# A model\n")
        done = run("verify", child, "--claims", tmp_path / "card.md", *home)
        assert (done.code, "NO CLAIMS FOUND" in done.out) == (0, True)
        assert run("verify", child, "--claims", tmp_path / "card.md", "--gate", *home).code == 30

    def test_the_screen_shows_claim_line_and_evidence(self, run, home, child):
        out = run("verify", child, "--claims", child, *home).out
        assert 'CONTRADICTED  "Quantization: int4" (line 6)' in out
        assert "no trace of other was found" in out

    def test_a_card_that_is_none_is_one_line_and_12(self, run, home, child, tmp_path):
        (tmp_path / "card.md").write_bytes(b"\xff\xfe\x00\x01")
        done = run("verify", child, "--claims", tmp_path / "card.md", *home)
        assert (done.code, done.out, done.err.count("\n")) == (12, "", 1)


class TestSchemas:
    @pytest.mark.parametrize("policy", ["licence", "from-scratch", "t-class"])
    def test_audit(self, run, home, child, cousin, stranger, policy):
        for model in (child, cousin, stranger):
            check("audit.json", run("audit", model, "--policy", policy, *home, "--json").json)

    def test_verify(self, run, home, child, stranger):
        for model in (child, stranger):
            check("verify.json", run("verify", model, "--claims", model, *home, "--json").json)

    def test_every_kind_of_finding_and_claim(self, run, desk: Desk, monkeypatch: pytest.MonkeyPatch):
        run("ingest", desk.base, "--index", desk.index)
        bases = [node("org/a", "cc-by-sa-4.0"), node("org/b", "cc-by-nc-4.0"), node("org/c")]
        edges = [edge("org/a"), edge("org/b", directed=False), edge("org/c", source="declared", confidence=None)]
        found: Audit = audit(case("apache-2.0", bases, edges), "licence")
        monkeypatch.setattr(api, "audit", lambda *_, **__: found)
        value = run("audit", desk.child, "--policy", "licence", "--json").json
        check("audit.json", value)
        assert {f["certainty"] for f in value["findings"]} >= {"measured", "possible", "declared"}
        kinds = ("base-model", "relation", "licence", "parameters", "from-scratch", "quantisation")
        said = tuple(Checked(Claim(kind, "x", "x: x", 1), "unsupported", SameWeights()) for kind in kinds)
        monkeypatch.setattr(
            api, "verify", lambda *_, **__: Verification(found.answer, "card.md", said, (NeverProved(),))
        )
        check("verify.json", run("verify", desk.child, "--claims", desk.base, "--json").json)
