"""Shares count what was inherited, tensor by tensor; a part is named; words fit the shares beside them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from operators import matrices, noise

from lineage.ancestry import compare, whois
from lineage.ancestry.pair.comparison import compare as compare_pair
from lineage.report.text.terminal import compare_screen
from lineage.store import MemoryIndex
from lineage.types import Comparison, ComponentFinding, InheritedPart
from tests.synthetic import Arrays, encoder, sketch

BASE, FRESH = encoder(1), encoder(2)
OTHER_VECTORS = {n: a if a.ndim > 1 else FRESH[n] for n, a in BASE.items()}
TOTAL = sum(array.size for array in BASE.values())
ATTENTION = re.compile(r"attention\.(self|output\.dense)")
TOKENS, POSITIONS = (f"bert.embeddings.{name}_embeddings.weight" for name in ("word", "position"))


def layer_of(name: str) -> int | None:
    found = re.search(r"layer\.(\d)\.", name)
    return int(found[1]) if found else None


def is_attention(name: str) -> bool:
    return ATTENTION.search(name) is not None


def grafted(donor: Arrays, chosen: Callable[[str], bool]) -> Comparison:
    """Fresh weights with the donor's tensors in place of those `chosen`, against the base."""
    return compare(sketch({n: donor[n] if chosen(n) else FRESH[n] for n in BASE}), sketch(BASE))


def size(chosen: Callable[[str], bool]) -> int:
    """Parameters of the chosen matrices."""
    return sum(a.size for n, a in BASE.items() if chosen(n) and a.ndim > 1)


def component(found: Comparison, name: str) -> ComponentFinding:
    return next(one for one in found.components if one.name == name)


def test_attention_among_fresh_weights_counts_as_attention():
    found = grafted(BASE, is_attention)
    encoder_ = component(found, "text encoder")
    biases = sum(a.size for n, a in BASE.items() if is_attention(n) and a.ndim == 1)
    assert encoder_.inherited.params == size(is_attention) + biases  # equal biases came along as well
    assert found.share == pytest.approx(encoder_.inherited.params / TOTAL)
    assert found.share < encoder_.share / 2
    assert encoder_.inherited.parts == (InheritedPart("attention", (0, 1, 2, 3), every=True),)
    assert encoder_.relation == "component-reused"
    assert found.verdict == "partly-derived"


def test_gains_and_biases_that_differ_are_on_neither_side():
    chosen = (0, 1, 3)
    found = grafted(OTHER_VECTORS, lambda n: layer_of(n) in chosen)
    came = component(found, "text encoder").inherited
    assert came.params == size(lambda n: layer_of(n) in chosen)
    assert came.untested == sum(a.size for n, a in BASE.items() if a.ndim == 1 and layer_of(n) is not None)
    assert came.parts == (InheritedPart(None, chosen, every=False),)
    assert component(found, "embeddings").inherited is None


def test_parts_of_layers_and_what_is_in_none_are_named_each():
    def chosen(name: str) -> bool:
        return layer_of(name) == 0 or (layer_of(name) == 1 and is_attention(name)) or name.startswith("pooler")

    came = component(grafted(BASE, chosen), "text encoder").inherited
    assert came.parts == (InheritedPart(None, (0,), every=False), InheritedPart("attention", (1,), every=False))


def test_one_role_of_the_attention_is_named_by_its_role():
    came = component(grafted(BASE, lambda n: "query" in n), "text encoder").inherited
    assert came.parts == (InheritedPart("q", (0, 1, 2, 3), every=True),)
    assert came.params >= size(lambda n: "query" in n)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_of_a_whole_tuning_all_counts_though_no_bias_can_be_told(share):
    found = compare(sketch(matrices(noise(share))(BASE)), sketch(BASE))
    assert found.share == pytest.approx(1.0)
    assert all(one.inherited.parts == () for one in found.components)


def test_a_model_counts_nothing_of_an_unrelated_one():
    found = compare(sketch(FRESH), sketch(BASE))
    assert found.share == 0.0
    assert all(one.inherited is None for one in found.components)


def test_gains_at_one_and_biases_at_zero_came_from_nobody():
    """As every network begins: equal in unrelated ones."""

    def begun(arrays: Arrays) -> Arrays:
        return {n: np.full_like(a, float("Norm.weight" in n)) if a.ndim == 1 else a for n, a in arrays.items()}

    base, fresh = begun(BASE), begun(FRESH)
    child = {n: base[n] if is_attention(n) else fresh[n] for n in base}
    assert component(compare(sketch(child), sketch(base)), "text encoder").inherited.params == size(is_attention)


def test_rows_of_new_tokens_are_not_inherited():
    random = np.random.default_rng(5)
    fresh = 0.05 * random.standard_normal((40, 64)).astype(np.float32)
    grown = {**BASE, TOKENS: np.concatenate([BASE[TOKENS], fresh])}
    found = compare(sketch(grown), sketch(BASE))
    assert found.share == pytest.approx(TOTAL / (TOTAL + fresh.size))


def test_weights_that_were_not_read_count_in_every_share():
    """Of a model of which six times as much was left unread, a seventh is known to be the same."""
    base = sketch(BASE)
    query = replace(base, id="0" * 32, unread=6 * TOTAL)
    found = compare(query, base)
    assert found.share == pytest.approx(1 / 7)
    assert sum(one.share for one in found.components) == pytest.approx(1 / 7)
    assert found.evidence.coverage < 1 / 7
    assert (found.relation, found.verdict) == ("component-reused", "partly-derived")
    assert "14.3% of the parameters" in (screen := compare_screen(query, base, found, explain=False, width=200))
    assert "not read: 85.7% of the parameters" in screen


def test_shares_do_not_depend_on_names_or_order():
    child = {n: BASE[n] if layer_of(n) in (1, 2) else FRESH[n] for n in BASE}
    shuffled = dict(sorted(child.items(), key=lambda item: item[0][::-1]))
    said = [{one.name: one.inherited for one in compare(sketch(a), sketch(BASE)).components} for a in (child, shuffled)]
    assert said[0] == said[1]


class TestWordsFitTheFigures:
    """What a component is called is true of all of it, and the whole is called no more than its components."""

    @pytest.mark.parametrize("kept", [lambda n: layer_of(n) != 2, is_attention, lambda n: n != POSITIONS])
    def test_identical_has_r_1(self, kept):
        found = grafted(BASE, kept)
        for one in found.components:
            if one.relation in ("identical", "re-encoded"):
                assert one.evidence.r == pytest.approx(1.0)
                assert one.inherited.parts == ()
        assert "identical" not in (found.relation, found.verdict)

    def test_what_has_other_gains_is_not_identical(self):
        found = compare(sketch(matrices(noise(0.1))(BASE)), sketch(BASE))
        assert "identical" not in {one.relation for one in found.components}
        gains = compare(sketch({n: a * 1.01 if "Norm" in n else a for n, a in BASE.items()}), sketch(BASE))
        assert (gains.relation, gains.verdict) == ("fine-tuned", "derived")
        assert {one.relation for one in gains.components} == {"fine-tuned"}

    def test_a_tied_head_that_was_saved_twice_is_the_same_model(self):
        tied = sketch({**BASE, "cls.predictions.decoder.weight": BASE[TOKENS]})
        for query, reference in ((tied, sketch(BASE)), (sketch(BASE), tied)):
            found = compare(query, reference)
            assert (found.relation, found.verdict) == ("identical", "identical")

    def test_copied_layers_are_not_the_same_model(self):
        """Twice the same layer is more than once, of what is no token table."""
        stacked = {**BASE, **{n.replace("layer.3", "layer.4"): a for n, a in BASE.items() if "layer.3" in n}}
        assert compare(sketch(stacked), sketch(BASE)).verdict == "derived"

    def test_a_model_without_a_matrix_of_the_other_is_a_part_of_it(self):
        head = {"classifier.weight": np.random.default_rng(4).standard_normal((64, 64)).astype(np.float32)}
        whole, part = sketch({**BASE, **head}), sketch(BASE)
        for query, reference in ((whole, part), (part, whole)):
            found = compare(query, reference)
            assert found.verdict == "derived"
            assert found.relation == "component-reused"

    def test_less_than_half_is_partly_derived(self):
        found = grafted(BASE, lambda n: layer_of(n) in (0, 1))
        assert found.share < 0.5
        assert found.verdict == "partly-derived"

    def test_nothing_to_be_held_against_is_inconclusive(self):
        found = compare_pair(sketch(BASE), sketch({"w": np.ones((2, 2), np.float32)}))
        assert (found.relation, found.verdict) == ("inconclusive", "inconclusive")
        assert {one.relation for one in found.components} == {"inconclusive"}

    def test_matrices_of_few_units_that_face_nothing_are_inconclusive(self):
        small = {"layer.0.weight": np.random.default_rng(1).standard_normal((12, 9)).astype(np.float32)}
        found = compare(sketch(small, config={}), sketch(BASE))
        assert found.verdict == "inconclusive"

    @pytest.mark.parametrize("shape", [(40, 36), (300, 200), (64, 64, 3, 3)])
    def test_a_lone_matrix_that_nothing_tests_is_not_called_independent(self, shape):
        lone = sketch({"w": np.random.default_rng(5).standard_normal(shape).astype(np.float32)}, config={})
        answer = whois(lone, [MemoryIndex([sketch(BASE), sketch(encoder(9))])])
        assert answer.verdict == "inconclusive"
        assert {finding.relation for finding, _, _ in answer.components} == {"inconclusive"}

    def test_another_architecture_that_was_searched_by_content_is_independent(self):
        shapes = {"conv.0.weight": (64, 48, 3, 3), "conv.1.weight": (96, 64, 3, 3)}
        random = np.random.default_rng(1)
        other = {n: random.standard_normal(shape).astype(np.float32) for n, shape in shapes.items()}
        assert compare(sketch(other, config={}), sketch(BASE)).verdict == "independent"
