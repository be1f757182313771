"""Adapters among models and among each other: trained ones, and random ones against every pair of models.

tests/fixtures/adapters were made by scripts/make_adapters.py: three were trained on one model of the zoo, one was taken
out of a child of it that had an adapter merged into it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from lineage.ancestry import compare_adapters, graph, whois
from lineage.ancestry.adapter.additions import additions, correlations
from lineage.ancestry.adapter.fitting import fits
from lineage.ancestry.candidates import candidates
from lineage.checkpoints import open_checkpoint
from lineage.errors import SketchMismatch
from lineage.sketch import sketch_checkpoint, write_sketch
from lineage.sketch.adapters import is_adapter, products
from lineage.store import SketchFolder
from lineage.types import CheckpointSketch, Declared
from lineage.types.facts.descent import OneBase, SharedFactors
from lineage.types.facts.limits import WholeTensors
from tests.adapter_files import Factors, config_of, drawn, names_of, write_adapter, write_tensors
from tests.small_models import sketched, trained, tuned
from tests.synthetic import Arrays

FIXTURES = Path(__file__).parents[2] / "fixtures"
NAMES = ("first-1-qa", "first-1-qa-again", "first-3-headers", "taken-out-of-lora4")
BASE, CHILD = "gpt2-0-prose.sft", "gpt2-0-prose.sft.lora4"


@pytest.fixture(scope="module")
def adapters() -> dict[str, CheckpointSketch]:
    return {name: sketch_checkpoint(open_checkpoint(FIXTURES / "adapters" / name)) for name in NAMES}


@pytest.fixture(scope="module")
def zoo() -> SketchFolder:
    return SketchFolder(FIXTURES / "zoo")


def indexed(folder: Path, sketches: Iterable[CheckpointSketch]) -> SketchFolder:
    """An index of these sketches."""
    (folder / "sketches").mkdir(parents=True)
    for one in sketches:
        write_sketch(one, folder / "sketches" / f"{one.id}.sketch")
    return SketchFolder(folder)


def adapted(weights: Arrays, factors: Factors, by: float = 2.0) -> Arrays:
    """Weights with an adapter merged into them; the test's folders say alpha = 2 rank."""
    made = dict(weights)
    for module, (b, a) in factors.items():
        made[f"{module}.weight"] = made[f"{module}.weight"] + np.float32(by) * (b @ a)
    return made


WEIGHTS = trained(1)
MODULES = {
    name.removesuffix(".weight"): (array.shape[0], array.shape[1])
    for name, array in WEIGHTS.items()
    if array.ndim == 2 and "layer." in name
}


def adapter(folder: Path, factors: Factors, name: str = "lora", **settings: object) -> CheckpointSketch:
    return replace(sketch_checkpoint(open_checkpoint(write_adapter(folder / name, factors, **settings))), name=name)


class TestTrained:
    def test_one_that_was_merged_is_found_in_the_child_on_top_of_its_base(self, adapters, zoo) -> None:
        (found,) = whois(adapters["taken-out-of-lora4"], [zoo]).adapted.additions
        assert (found.word, found.child_name, found.base_name) == ("merged", CHILD, BASE)
        assert found.r > 0.9999
        assert found.predicted == 1.0
        assert found.weight == pytest.approx(1.0, abs=1e-4)
        assert found.log10_p < -100

    @pytest.mark.parametrize("name", NAMES[:3])
    def test_others_of_the_same_base_are_found_in_no_child(self, adapters, zoo, name) -> None:
        answer = whois(adapters[name], [zoo])
        assert answer.adapted.additions == ()
        assert answer.adapted.pairs > 10
        assert (answer.verdict, answer.ancestors, answer.alternatives) == ("inconclusive", (), ())

    def test_the_declared_base_fits_and_so_do_others_of_its_shapes(self, adapters, zoo) -> None:
        found = whois(adapters["first-1-qa"], [zoo]).adapted
        declared, *others = found.fits
        assert (declared.model_name, declared.fitting, declared.declared) == (BASE, 20, True)
        assert CHILD in {fit.model_name for fit in others}
        assert all(fit.fitting == 20 and not fit.declared for fit in others)
        assert all("gpt2" in fit.model_name for fit in others)

    def test_the_same_first_factors_are_seen_and_called_no_descent(self, adapters) -> None:
        found = compare_adapters(adapters["first-1-qa"], adapters["first-1-qa-again"])
        assert (found.relation, found.verdict, found.direction) == ("shared-init", "related", None)
        assert found.evidence.r > 0.7
        assert found.basis == (SharedFactors(),)

    def test_the_same_data_and_other_factors_are_siblings(self, adapters) -> None:
        found = compare_adapters(adapters["first-3-headers"], adapters["taken-out-of-lora4"])
        assert (found.relation, found.verdict) == ("sibling", "related")
        assert found.basis == (OneBase(),)

    def test_no_two_of_them_are_derived(self, adapters) -> None:
        for a, b in combinations(NAMES, 2):
            assert compare_adapters(adapters[a], adapters[b]).verdict in ("related", "independent"), (a, b)

    def test_a_copy_is_identical_and_a_scaled_one_re_encoded(self, adapters, tmp_path) -> None:
        source = FIXTURES / "adapters" / "first-1-qa"
        one = adapters["first-1-qa"]
        assert compare_adapters(one, sketch_checkpoint(open_checkpoint(source))).relation == "identical"
        (tmp_path / "adapter_model.safetensors").write_bytes((source / "adapter_model.safetensors").read_bytes())
        text = (source / "adapter_config.json").read_text().replace('"lora_alpha": 4', '"lora_alpha": 7')
        (tmp_path / "adapter_config.json").write_text(text)
        scaled = compare_adapters(sketch_checkpoint(open_checkpoint(tmp_path)), one)
        assert (scaled.relation, scaled.verdict) == ("re-encoded", "derived")

    def test_an_index_that_has_adapters_tells_them_and_models_apart(self, adapters, zoo, tmp_path) -> None:
        models = [zoo.load(record.id) for record in zoo.models() if "gpt2-0" in record.name]
        index = indexed(tmp_path, [*models, *adapters.values()])
        ids = {one.id for one in adapters.values()}
        for one in adapters.values():
            assert set(candidates(products(one), index)) == ids
        for one in models:
            assert set(candidates(one, index)) == {model.id for model in models}
            assert whois(one, [index]).limits.models_searched == len(models)
        answer = whois(adapters["first-1-qa"], [index])
        assert answer.verdict == "identical"
        assert [other.relation for other in answer.alternatives] == ["shared-init"]
        assert answer.limits.models_searched == len(adapters)

    def test_answers_about_models_do_not_change_when_adapters_are_added(self, adapters, zoo, tmp_path) -> None:
        models = [zoo.load(record.id) for record in zoo.models() if "gpt2" in record.name]
        query = next(one for one in models if one.name == CHILD)
        before = whois(query, [indexed(tmp_path / "a", models)])
        after = whois(query, [indexed(tmp_path / "b", [*models, *adapters.values()])])
        assert (after.verdict, after.components, after.ancestors) == (
            before.verdict,
            before.components,
            before.ancestors,
        )


class TestMerged:
    @pytest.fixture
    def factors(self) -> Factors:
        return drawn(MODULES, rank=4, seed=5, size=0.004)

    def asked(self, folder: Path, factors: Factors, models: dict[str, Arrays], **settings: object):
        index = indexed(folder / "index", [sketched(arrays, name) for name, arrays in models.items()])
        return whois(adapter(folder, factors, **settings), [index]).adapted

    @pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16])
    def test_the_childs_type_does_not_matter(self, tmp_path, factors, dtype) -> None:
        child = {name: array.astype(dtype).astype(np.float32) for name, array in adapted(WEIGHTS, factors).items()}
        base = {name: array.astype(dtype).astype(np.float32) for name, array in WEIGHTS.items()}
        merged = adapted(base, factors)
        child = {name: array.astype(dtype).astype(np.float32) for name, array in merged.items()}
        (found,) = self.asked(tmp_path, factors, {"base": base, "child": child, "stranger": trained(7)}).additions
        assert (found.word, found.child_name, found.base_name) == ("merged", "child", "base")

    def test_the_weight_is_told(self, tmp_path, factors) -> None:
        models = {"base": WEIGHTS, "child": adapted(WEIGHTS, factors, by=2.0 * 0.6)}
        (found,) = self.asked(tmp_path, factors, models).additions
        assert found.word == "merged"
        assert found.weight == pytest.approx(0.6, abs=1e-3)

    def test_trained_on_after_the_merge_it_is_only_alike(self, tmp_path, factors) -> None:
        child = tuned(adapted(WEIGHTS, factors), 3, by=0.05)
        (found,) = self.asked(tmp_path, factors, {"base": WEIGHTS, "child": child}).additions
        assert (found.word, found.child_name, found.base_name) == ("alike", "child", "base")
        assert found.predicted < 0.9

    def test_of_two_bases_that_do_as_well_the_declared_one_is_named(self, tmp_path, factors) -> None:
        copy = {**WEIGHTS, "extra.weight": np.random.default_rng(1).standard_normal((40, 40), dtype=np.float32)}
        models = {"one": copy, "two": WEIGHTS, "child": adapted(WEIGHTS, factors)}
        for name in ("one", "two"):
            found = self.asked(tmp_path / name, factors, models, base_model_name_or_path=f"org/{name}").additions
            assert [(one.child_name, one.base_name) for one in found] == [("child", name)]

    def test_another_adapter_merged_onto_the_same_base_is_not_it(self, tmp_path, factors) -> None:
        other = drawn(MODULES, rank=4, seed=6, size=0.004)
        assert self.asked(tmp_path, factors, {"base": WEIGHTS, "child": adapted(WEIGHTS, other)}).additions == ()

    def test_the_same_first_factors_and_like_second_ones_are_not_it_either(self, tmp_path, factors) -> None:
        noise = np.random.default_rng(2)
        again = {
            module: ((b + 0.1 * b.std() * noise.standard_normal(b.shape)).astype(np.float32), a)
            for module, (b, a) in factors.items()
        }
        (found,) = self.asked(tmp_path, factors, {"base": WEIGHTS, "child": adapted(WEIGHTS, again)}).additions
        assert found.word == "alike"
        assert found.r > 0.99

    def test_a_base_whose_shapes_do_not_fit_is_told(self, tmp_path, factors) -> None:
        short = trained(4, layers=1)
        found = self.asked(tmp_path, factors, {"short": short}, base_model_name_or_path="org/short")
        assert [(fit.model_name, fit.declared, fit.fitting) for fit in found.fits] == [
            ("short", True, len(MODULES) // 2)
        ]
        assert found.pairs == 0

    def test_a_base_that_stores_its_matrices_the_other_way_round(self, tmp_path, factors) -> None:
        def turned(arrays: Arrays) -> Arrays:
            return {
                n: np.ascontiguousarray(a.T) if n.removesuffix(".weight") in MODULES else a for n, a in arrays.items()
            }

        models = {"base": turned(WEIGHTS), "child": turned(adapted(WEIGHTS, factors))}
        (found,) = self.asked(tmp_path, factors, models).additions
        assert found.word == "merged"


class TestFalseAlarms:
    """Nothing may be found where nothing is."""

    def test_random_adapters_against_all_pairs_of_the_zoo(self, zoo, tmp_path) -> None:
        model = next(zoo.load(record.id) for record in zoo.models() if record.name == BASE)
        shapes = {
            t.name.removesuffix(".weight"): t.shape for t in model.tensors if len(t.shape) == 2 and ".h." in t.name
        }
        for seed in range(8):
            rank = (1, 4, 16)[seed % 3]
            factors = drawn({m: (s[0], s[1]) for m, s in shapes.items()}, rank, seed)
            if seed > 3:  # most of what they change is in a few rows and columns
                factors = {m: (b**5 / b.std() ** 4, a**5 / a.std() ** 4) for m, (b, a) in factors.items()}
            answer = whois(adapter(tmp_path, factors, f"lora-{seed}"), [zoo])
            assert answer.adapted.pairs > 10
            assert (answer.verdict, answer.adapted.additions) == ("inconclusive", ()), seed

    def test_random_adapters_against_each_other(self, tmp_path) -> None:
        made = [adapter(tmp_path, drawn(MODULES, (1, 4, 16)[seed % 3], seed), f"lora-{seed}") for seed in range(9)]
        for a, b in combinations(made, 2):
            assert compare_adapters(a, b).relation == "independent", (a.name, b.name)

    def test_a_direction_that_all_adapters_share_on_one_side_is_no_evidence(self, tmp_path) -> None:
        """Gradients of one base have a common row direction in what writes to the stream; the other side is random."""
        common = np.random.default_rng(0).standard_normal(2048).astype(np.float32)
        for seed in range(6):
            one, two = (
                {m: (0.01 * common[: b.shape[0], None], a) for m, (b, a) in drawn(MODULES, 1, 100 * seed + k).items()}
                for k in (1, 2)
            )
            models = {"base": WEIGHTS, "child": adapted(WEIGHTS, one)}
            index = indexed(tmp_path / f"{seed}", [sketched(arrays, name) for name, arrays in models.items()])
            changes = products(adapter(tmp_path, two, f"lora-{seed}"))
            found, pairs = additions(changes, fits(changes, [index]).fitted, frozenset())
            assert (found, pairs) == ((), 2), seed

    def test_an_adapter_that_was_never_trained_changes_nothing_and_is_found_nowhere(self, tmp_path) -> None:
        still = {m: (np.zeros_like(b), a) for m, (b, a) in drawn(MODULES, 2, 1).items()}
        index = indexed(tmp_path / "index", [sketched(WEIGHTS, "base"), sketched(tuned(WEIGHTS, 2), "child")])
        one, other = adapter(tmp_path, still), adapter(tmp_path, still, "other")
        assert products(one).tensors == ()
        answer = whois(one, [index])
        assert (answer.verdict, answer.adapted.fits, answer.adapted.pairs) == ("inconclusive", (), 0)
        assert compare_adapters(one, other).verdict == "inconclusive"

    def test_far_and_equal_models_are_no_pairs(self, tmp_path) -> None:
        models = {"base": WEIGHTS, "copy": dict(WEIGHTS), "stranger": trained(5)}
        held = [sketched(arrays, name, path=name) for name, arrays in models.items()]
        index = indexed(tmp_path / "index", held)
        changes = products(adapter(tmp_path, drawn(MODULES, 4, 1)))
        fitted = fits(changes, [index]).fitted
        assert np.isnan(correlations(changes, fitted)).all()


class TestKinds:
    def test_an_adapter_and_a_model_are_not_compared(self, tmp_path) -> None:
        one, model = adapter(tmp_path, drawn(MODULES, 4, 1)), sketched(WEIGHTS, "base")
        assert is_adapter(one)
        assert not is_adapter(model)
        for pair in ((one, model), (model, one)):
            with pytest.raises(SketchMismatch, match="lora is an adapter and base a model"):
                compare_adapters(*pair)

    def test_whole_tensors_are_kept_and_left_out_of_every_comparison(self, tmp_path) -> None:
        factors = drawn(MODULES, 4, 1)
        whole = {"base_model.model.classifier.weight": next(a for n, a in WEIGHTS.items() if "word_embeddings" in n)}
        folder = write_tensors(tmp_path / "lora", names_of(factors) | whole, config_of(4))
        one = sketch_checkpoint(open_checkpoint(folder))
        assert [t.dtype for t in one.tensors if t.name == "classifier.weight"] == ["float32"]
        index = indexed(
            tmp_path / "index", [sketched(WEIGHTS, "base"), adapter(tmp_path, drawn(MODULES, 4, 2), "other")]
        )
        answer = whois(one, [index])
        assert answer.adapted.wholes == 1
        assert answer.limits.not_tested[1] == WholeTensors(1)
        assert (answer.verdict, answer.ancestors) == ("independent", ())

    def test_the_graph_joins_it_to_what_it_declares_and_nothing_else(self, tmp_path) -> None:
        factors = drawn(MODULES, 4, 1)
        one = adapter(tmp_path, factors, "lora", base_model_name_or_path="org/base")
        child = replace(sketched(adapted(WEIGHTS, factors), "child"), declared=(Declared("lora", None, "README.md"),))
        models = [sketched(WEIGHTS, "base"), child]
        alone = graph([indexed(tmp_path / "a", models)])
        held = indexed(tmp_path / "b", [*models, one])
        whole = graph([held])
        assert [e for e in whole.edges if e.source == "measured"] == [e for e in alone.edges if e.source == "measured"]
        own = [edge for edge in whole.edges if one.id in (edge.parent, edge.child)]
        assert {(e.source, e.parent == one.id) for e in own} == {("declared", False), ("declared", True)}
        assert whole.contradictions == ()
        assert not next(node for node in whole.nodes if node.id == one.id).root
        assert graph([held], known=alone).nodes == graph([held], known=whole).nodes
        assert {n.id for n in graph([held], known=alone).nodes} == {n.id for n in whole.nodes}
