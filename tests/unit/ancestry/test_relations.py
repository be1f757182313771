"""What was done to a model gets its word, and what was not done gets none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from operators import (
    cast,
    extended,
    int4_groups,
    int8_rows,
    layers_dropped,
    magnitude_pruned,
    matrices,
    mlp_permuted,
    noise,
    renamed,
    retrained,
    spliced,
    transposed,
)

from lineage.ancestry import compare
from lineage.ancestry.folding import fold
from lineage.ancestry.paired import as_answer
from lineage.policy.gates import gate_of_answer, gate_of_comparison
from lineage.report.components import scheme_words
from lineage.report.html.compare import compare_page
from lineage.sketch.bands import sampled
from lineage.types.facts.changes import MovedTokens, UnchangedValues
from tests.convolutions import convolutional
from tests.synthetic import HIDDEN, Arrays, encoder, sketch

TOKENS = "bert.embeddings.word_embeddings.weight"
LAYER = r"layer\.(\d+)\."
BASE = encoder(1)
MADE: dict[str, tuple[Callable[[Arrays], Arrays], str, str]] = {
    "copy": (dict, "identical", "identical"),
    "bf16": (cast("bfloat16"), "re-encoded", "derived"),
    "f16": (cast("float16"), "re-encoded", "derived"),
    "int8": (matrices(int8_rows), "quantized", "derived"),
    "int4": (matrices(int4_groups), "quantized", "derived"),
    "pruned": (matrices(magnitude_pruned), "pruned", "derived"),
    "noise 1%": (matrices(noise(0.01)), "fine-tuned", "derived"),
    "noise 10%": (matrices(noise(0.1)), "fine-tuned", "derived"),
    "noise 30%": (matrices(noise(0.3)), "fine-tuned", "derived"),
    "noise 60%": (matrices(noise(0.6)), "continued-pretraining", "derived"),
    "renamed": (renamed, "identical", "identical"),
    "shuffled": (lambda arrays: dict(sorted(arrays.items(), key=lambda item: item[0][::-1])), "identical", "identical"),
    "transposed": (transposed, "re-encoded", "identical"),
    "vocabulary": (lambda arrays: extended(arrays, TOKENS), "vocabulary-changed", "derived"),
    "layers dropped": (lambda arrays: layers_dropped(arrays, {1}, LAYER), "depth-changed", "derived"),
    "neurons permuted": (
        lambda a: mlp_permuted(a, "bert.encoder.layer.1.intermediate.dense", "bert.encoder.layer.1.output.dense"),
        "re-encoded",
        "derived",
    ),
}


@pytest.fixture(scope="module")
def base():
    return sketch(BASE, name="base")


def mixed(r: float, seed: int) -> Arrays:
    """A model whose matrices correlate by `r` with the base's: one initialisation, other training."""
    random = np.random.default_rng(seed)

    def one(a: np.ndarray) -> np.ndarray:
        return (r * a + np.sqrt(1 - r * r) * a.std() * random.standard_normal(a.shape)).astype(np.float32)

    return matrices(one)(BASE)


@pytest.mark.parametrize("name", MADE)
def test_what_was_done_has_its_word(base, name):
    operator, word, verdict = MADE[name]
    child = operator(BASE)
    found = compare(sketch(child, name="child"), base)
    assert (found.relation, found.verdict) == (word, verdict)
    assert found.evidence.log10_p < -100
    assert found.evidence.coverage > 0.8
    sizes = [sum(array.size for array in arrays.values()) for arrays in (child, BASE)]
    assert found.share == pytest.approx(min(1.0, sizes[1] / sizes[0]))  # rows of new tokens are nobody's


def test_equal_values_in_another_format_are_re_encoded(base):
    copy = replace(sketch(renamed(BASE)), format="onnx")
    found = compare(copy, base)
    assert (found.relation, found.verdict, found.direction) == ("re-encoded", "identical", "undirected")
    assert {c.relation for c in found.components} == {"re-encoded"}
    assert [len(group) for group in fold([base, copy])] == [2]  # a graph has one node for both


def test_layers_that_face_another_component_were_not_dropped():
    """As an ONNX and a TFLite file of one model, one with the names of its two networks and one without."""
    random = np.random.default_rng(3)
    shapes = {
        "model.1": (128, 1536), "model.4": (128, 128), "model.7": (1, 128),
        "verifier_model.1": (64, 1536), "verifier_model.4": (64, 64), "verifier_model.7": (1, 64),
    }  # fmt: skip
    arrays = {name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    named = sketch({f"{name}.weight": array for name, array in arrays.items()})
    names = ("MatMul", "MatMul_1", "MatMul_2", "Const_10", "Const_14", "Const_18")
    bare = sketch(dict(zip(names, arrays.values(), strict=True)))
    assert len({t.part.component for t in named.tensors}) == 2
    for query, reference in ((named, bare), (bare, named)):
        assert compare(query, reference).relation == "identical"
        assert compare(query, replace(reference, format="tflite")).relation == "re-encoded"


def test_a_constant_that_a_file_numbers_is_no_layer(base):
    """As the anchors of a detector in its export: they stand in no row with the layers, so that none is missing."""
    export = {**BASE, "465": np.random.default_rng(5).standard_normal((1, 442, 2)).astype(np.float32)}
    for query, reference in ((BASE, export), (export, BASE)):
        found = compare(sketch(query), sketch(reference))
        assert (found.relation, found.direction) == ("re-encoded", "undirected")
        assert not found.cues


def test_what_was_changed_outside_the_sample_was_changed(base):
    """The digests differ though every sampled value is equal; a zero of the other sign is not a change."""
    whole = {"layer.1.weight": np.random.default_rng(4).standard_normal((700, 400)).astype(np.float32)}
    whole["layer.1.weight"][600, 5] = 0.0
    tuned, signed = ({name: array.copy() for name, array in whole.items()} for _ in range(2))
    tuned["layer.1.weight"][600:700] += np.float32(0.01)
    signed["layer.1.weight"][600, 5] = -0.0
    assert not set(range(600, 700)) & set(sampled(700).tolist())
    reference = sketch(whole)
    assert compare(sketch(tuned), reference).relation == "fine-tuned"
    assert compare(sketch(signed), reference).relation in ("identical", "re-encoded")
    assert compare(sketch(tuned, "sampled"), sketch(whole, "sampled")).relation == "identical"


def test_another_format_hides_no_change(base):
    head = {name: array for name, array in BASE.items() if name.endswith("LayerNorm.bias")}
    assert head
    tuned = replace(sketch({**BASE, **{name: array + np.float32(0.1) for name, array in head.items()}}), format="onnx")
    found = compare(tuned, base)
    assert (found.relation, found.verdict) == ("fine-tuned", "derived")


@pytest.mark.parametrize("name", ["copy", "bf16", "int8", "pruned", "noise 10%", "transposed"])
def test_the_word_does_not_hang_on_the_depth(base, name):
    operator, word, _ = MADE[name]
    assert compare(sketch(operator(BASE), "sampled"), sketch(BASE, "sampled")).relation == word
    assert compare(sketch(operator(BASE), "sampled"), base).relation == word


SCHEMES = {"bf16": "bfloat16", "f16": "float16", "int8": "int8", "int4": "int4, one scale for 32"}


@pytest.mark.parametrize(("name", "scheme"), SCHEMES.items())
def test_the_scheme_is_named(base, name, scheme):
    found = compare(sketch(MADE[name][0](BASE)), base)
    assert {scheme_words(c.schemes) for c in found.components} == {scheme}


def test_mixed_schemes_are_named_by_size_and_a_rare_one_is_not(base):
    by_eight, by_four = MADE["int8"][0](BASE), MADE["int4"][0](BASE)

    def scheme_with(part: str) -> str | None:
        mixed = {name: by_four[name] if part in name else array for name, array in by_eight.items()}
        return next(
            scheme_words(c.schemes) for c in compare(sketch(mixed), base).components if c.name == "text encoder"
        )

    assert scheme_with("layer.1.") == "int8 + int4, one scale for 32"
    assert scheme_with("layer.1.attention.self.query") == "int8"


def test_the_layers_that_were_kept_are_mapped(base):
    found = compare(sketch(layers_dropped(BASE, {1}, LAYER)), base)
    maps = {c.name: c.layer_map for c in found.components}
    assert ((0, 0), (1, 2), (2, 3)) in maps.values()


@pytest.mark.parametrize("seed", range(2, 10))
def test_independent_models_are_independent(base, seed):
    found = compare(sketch(encoder(seed), name="other"), base)
    assert (found.relation, found.verdict, found.direction) == ("independent", "independent", None)
    assert {c.relation for c in found.components} == {"independent"}
    assert abs(found.evidence.z) < 4
    assert found.evidence.log10_p > -3


def test_equal_gains_and_biases_alone_decide_nothing(base):
    other = retrained(BASE)
    assert np.array_equal(other["bert.embeddings.LayerNorm.weight"], BASE["bert.embeddings.LayerNorm.weight"])
    found = compare(sketch(other), base)
    assert (found.relation, found.verdict) == ("independent", "independent")
    assert found.evidence.log10_p > -3


@pytest.mark.parametrize("r", [0.1, 0.25, 0.4, 0.55, 0.65])
def test_a_shared_initialisation_is_related_never_derived(base, r):
    found = compare(sketch(mixed(r, seed=21)), base)
    assert found.verdict == "related"
    assert found.relation == "shared-init"
    assert found.direction is None
    assert not any(c.relation.is_of_whole for c in found.components)
    assert found.evidence.r == pytest.approx(r, abs=0.03)


def test_what_two_networks_of_one_beginning_never_trained_is_no_reuse(base):
    frozen = spliced(mixed(0.4, seed=21), BASE, "bert.embeddings.")
    found = compare(sketch(frozen), base)
    assert (found.relation, found.verdict, found.direction) == ("shared-init", "related", None)
    assert {c.relation for c in found.components} == {"shared-init"}


@pytest.mark.parametrize("drawn", ["classifier", "classifier features.5"])
def test_a_head_drawn_by_one_seed_is_no_common_beginning_of_what_it_stands_on(drawn):
    """Two networks that have nothing else in common were given the same head, and trained on."""
    noisy = np.random.default_rng(3)
    ours, theirs = convolutional(1), convolutional(2)
    for name in [n for n in ours if n.startswith(tuple(drawn.split())) and ours[n].ndim > 1]:
        theirs[name] = (ours[name] + 0.05 * noisy.standard_normal(ours[name].shape)).astype(np.float32)
    found = compare(sketch(ours, config={}), sketch(theirs, config={}))
    assert (found.verdict, found.relation) == ("independent", "independent")
    assert {c.relation for c in found.components} == {"independent"}
    # What is weakly alike everywhere began together, with or without such a head.
    alike = {n: (0.3 * a + noisy.standard_normal(a.shape)).astype(np.float32) for n, a in ours.items() if a.ndim > 1}
    kept = alike | {n: theirs[n] for n in alike if n.startswith("classifier")}
    assert {compare(sketch(ours, config={}), sketch(ours | one, config={})).relation for one in (alike, kept)} == {
        "shared-init"
    }


def test_between_shared_initialisation_and_training_nothing_is_claimed(base):
    query = sketch(mixed(0.75, seed=21))
    found = compare(query, base)
    assert (found.verdict, found.relation, found.direction) == ("related", "inconclusive", None)
    answer = as_answer(query, base, found, ())
    assert [one.relation for one in answer.place.open] == ["inconclusive"]
    assert gate_of_comparison(["derived"], found) == gate_of_answer(["derived"], answer) == "inconclusive"
    page = compare_page(answer, base, found, "1", "en").decode()
    assert "which of them came first" in page
    assert "began with the same weights" not in page  # one may come from the other
    assert "can have been trained from scratch" not in page  # and both may have begun alike


def test_one_component_in_an_independent_model_is_found_and_named(base):
    chimera = spliced(encoder(2), BASE, "bert.embeddings.")
    found = compare(sketch(chimera), base)
    words = {c.name: c.relation for c in found.components}
    assert (found.relation, found.verdict) == ("component-reused", "partly-derived")
    assert words == {"embeddings": "identical", "text encoder": "independent"}
    assert found.share == pytest.approx(sum(BASE[n].size for n in BASE if "embeddings" in n) / base.params, abs=1e-6)


def test_one_layer_in_an_independent_model_is_a_reused_part(base):
    found = compare(sketch(spliced(encoder(2), BASE, "bert.encoder.layer.1.")), base)
    assert (found.relation, found.verdict) == ("component-reused", "partly-derived")
    assert found.share < 0.5


def test_an_independent_tower_beside_a_reused_one_stays_independent():
    def towers(text: int, image: int) -> Arrays:
        parts = {"text_model.": encoder(text), "vision_model.": encoder(image)}
        return {prefix + n.removeprefix("bert."): a for prefix, arrays in parts.items() for n, a in arrays.items()}

    found = compare(sketch(towers(1, 3), config={}), sketch(towers(4, 3), config={}))
    words = {c.name: c.relation for c in found.components}
    assert set(words.values()) == {"identical", "independent"}
    assert {name for name, word in words.items() if word == "identical" and "text" in name} == set()
    assert found.relation == "component-reused"
    assert found.share == pytest.approx(0.5, abs=0.01)


def test_more_models_searched_weaken_the_evidence_by_their_number(base):
    child = sketch(mixed(0.15, seed=21))
    one, many = compare(child, base).evidence, compare(child, base, models=1000).evidence
    assert many.hypotheses == 1000 * one.hypotheses
    assert many.log10_p == pytest.approx(one.log10_p + 3)
    assert many.min_detectable_r > one.min_detectable_r


def renumbered(arrays: Arrays, seed: int = 9) -> Arrays:
    """The same model with its tokens in another order."""
    order = np.random.default_rng(seed).permutation(len(arrays[TOKENS]))
    return {**arrays, TOKENS: arrays[TOKENS][order]}


@pytest.mark.parametrize("body", [dict, matrices(noise(0.02))], ids=["equal", "tuned"])
def test_tokens_in_another_order_are_another_vocabulary(base, body):
    found = compare(sketch(renumbered(body(BASE))), base)
    assert (found.relation, found.direction) == ("vocabulary-changed", "undirected")
    assert MovedTokens() in found.basis


def test_a_rebuilt_vocabulary_is_another_one_without_a_direction(base):
    table = BASE[TOKENS][:180].copy()
    table[64:] = BASE[TOKENS][64:180][np.random.default_rng(9).permutation(116)]
    for query, reference in ((sketch({**BASE, TOKENS: table}), base), (base, sketch({**BASE, TOKENS: table}))):
        found = compare(query, reference)
        assert (found.relation, found.direction) == ("vocabulary-changed", "undirected")


def test_a_fresh_token_table_is_no_new_vocabulary(base):
    fresh = 0.05 * np.random.default_rng(9).standard_normal(BASE[TOKENS].shape)
    found = compare(sketch({**BASE, TOKENS: fresh.astype(np.float32)}), base)
    assert found.relation == "component-reused"


def test_one_component_of_a_larger_model_alone_is_a_reused_part():
    def towers(*kept: str) -> Arrays:
        parts = {"text_model.": encoder(1), "vision_model.": encoder(3)}
        return {p + n.removeprefix("bert."): a for p in kept for n, a in parts[p].items()}

    alone, whole = (
        sketch(towers("text_model."), config={}),
        sketch(towers("text_model.", "vision_model."), config={}),
    )
    for found in (compare(alone, whole), compare(whole, alone)):
        assert found.relation == "component-reused"


def test_what_is_too_small_to_be_judged_alone_is_no_copy_if_it_moved(base):
    name = "bert.embeddings.LayerNorm.weight"
    found = compare(sketch({**BASE, name: (BASE[name] * 1.01).astype(np.float32)}), base)
    assert (found.relation, found.verdict) == ("fine-tuned", "derived")


def test_the_share_of_values_that_did_not_move_is_told(base):
    random = np.random.default_rng(4)

    def sparse(a: np.ndarray) -> np.ndarray:
        moved = random.random(a.shape) < 0.4
        return np.where(moved, a + 0.01 * random.standard_normal(a.shape), a).astype(np.float32)

    found = compare(sketch(matrices(sparse)(BASE)), base)
    assert found.relation == "fine-tuned"
    (unchanged,) = (fact for fact in found.basis if isinstance(fact, UnchangedValues))
    assert 0.55 < unchanged.share < 0.65


POOLER = "bert.pooler.dense.weight"


def with_pooler(arrays: Arrays) -> Arrays:
    pooler = 0.02 * np.random.default_rng(3).standard_normal((HIDDEN, HIDDEN))
    return {**arrays, POOLER: pooler.astype(np.float32)}


@pytest.mark.parametrize(("body", "word"), [(matrices(noise(0.05)), "fine-tuned"), (matrices(int8_rows), "quantized")])
def test_a_small_head_that_is_new_in_part_does_not_name_the_whole(body, word):
    task = 0.02 * np.random.default_rng(4).standard_normal((130, HIDDEN))
    child = body(BASE) | {POOLER: with_pooler(BASE)[POOLER], "classifier.weight": task.astype(np.float32)}
    found = compare(sketch(child), sketch(with_pooler(BASE)))
    assert {c.name: c.relation for c in found.components}["head"] == "component-reused"
    assert (found.relation, found.verdict) == (word, "derived")


def test_how_far_a_small_head_moved_says_nothing_of_the_whole():
    base = with_pooler(BASE)
    found = compare(sketch({**base, POOLER: noise(0.9, seed=4)(base[POOLER])}), sketch(base))
    assert {c.name: c.relation for c in found.components}["head"] == "continued-pretraining"
    assert found.relation == "fine-tuned"
