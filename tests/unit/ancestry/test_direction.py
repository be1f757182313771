"""Which of two models is the child is said only where a cue says so, and the cue is named."""

from __future__ import annotations

from itertools import permutations

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
    nf4_groups,
    noise,
)

from lineage.ancestry import compare
from lineage.ancestry.pair import direction as module
from lineage.ancestry.pair.direction import CUES as CUES_IN_ORDER
from lineage.ancestry.pair.direction import WEAK, leaning, likely_direction
from lineage.report.words import text
from lineage.types import Declared
from lineage.types.facts.cues import Computable, CopiedLayers, DeclaredParent
from tests.synthetic import Arrays, encoder, sketch

TOKENS = "bert.embeddings.word_embeddings.weight"
LAYER = r"layer\.(\d+)\."
BASE = encoder(1)
TUNED = matrices(noise(0.02))(BASE)
NAMES_BASE = Declared("org/base", "finetune", "model card")


def decayed(factor: float = 0.999, unused: int = 40) -> Arrays:
    """A fine-tune in which the first `unused` tokens (BERT keeps such for later) moved by weight decay alone."""
    table = TUNED[TOKENS].copy()
    table[:unused] = BASE[TOKENS][:unused] * np.float32(factor)
    return {**TUNED, TOKENS: table}


CUES = {
    "cast": (cast("bfloat16")(BASE), "rounding"),
    "prune": (matrices(magnitude_pruned)(BASE), "pruning"),
    "int8": (matrices(int8_rows)(BASE), "quantising"),
    "int4": (matrices(int4_groups)(BASE), "quantising"),
    "dropped layers": (layers_dropped(BASE, {0, 2}, LAYER), "layers are"),
}


def narrow(arrays: Arrays) -> Arrays:
    """A model with 96 hidden units left in every MLP."""
    cut = {}
    for name, a in arrays.items():
        if ".intermediate.dense" in name:
            cut[name] = a[:96]
        elif ".output.dense.weight" in name and "attention" not in name:
            cut[name] = a[:, :96]
    return {**arrays, **cut}


LEANINGS = {
    "vocabulary": (extended(BASE, TOKENS), "vocabulary-grown"),
    "trained vocabulary": (extended(TUNED, TOKENS), "vocabulary-grown"),
    "tuned after dropping": (layers_dropped(TUNED, {1}, LAYER), "layers"),
    "shrunk rows": (decayed(), "shrunk-rows"),
}
"""What two children of a model that is not there show as well: a model with a part left as it was, and a tuned one.

And what is made in both directions: tokens are added before any training, and a table is cut to the tokens in use.
"""


@pytest.mark.parametrize("cue", CUES)
def test_a_cue_gives_the_same_arrow_from_both_ends(cue):
    arrays, words = CUES[cue]
    child, parent = sketch(arrays, name="child"), sketch(BASE, name="base")
    down, up = compare(child, parent), compare(parent, child)
    assert (down.direction, up.direction) == ("child", "parent")
    assert words in text(down.basis[0])
    assert words in text(up.basis[0])


@pytest.mark.parametrize("cue", LEANINGS)
def test_what_a_sibling_shows_as_well_leans_and_decides_nothing(cue):
    arrays, name = LEANINGS[cue]
    down, up = compare(sketch(arrays), sketch(BASE)), compare(sketch(BASE), sketch(arrays))
    assert (down.direction, up.direction) == ("undirected", "undirected")
    assert [(one.name, one.direction, one.certain) for one in (*down.cues, *up.cues)] == [
        (name, "child", False),
        (name, "parent", False),
    ]
    likely = ("undirected", "undirected") if name in WEAK else ("child", "parent")
    assert (likely_direction(down.cues), likely_direction(up.cues)) == likely
    assert leaning(down.cues) == -leaning(up.cues) > 0


@pytest.mark.parametrize("made", ["vocabulary", "dropped layers", "narrower"])
def test_two_children_of_an_absent_parent_have_no_direction(made):
    """Each was tuned apart, and one changed its shape: neither can be computed from the other."""
    tuned = matrices(noise(0.03, seed=77))(BASE)
    shaped = {
        "vocabulary": extended(TUNED, TOKENS),
        "dropped layers": layers_dropped(TUNED, {1}, LAYER),
        "narrower": narrow(TUNED),
    }[made]
    for query, reference in ((shaped, tuned), (tuned, shaped)):
        found = compare(sketch(query), sketch(reference))
        assert (found.verdict, found.direction) == ("derived", "undirected")


def test_of_two_shapes_of_an_absent_parent_neither_is_the_parent():
    """Nothing was trained, but each has lost what the other kept."""
    shapes = {
        "shallow": layers_dropped(BASE, {1}, LAYER),
        "narrow": narrow(BASE),
        "grown": extended(BASE, TOKENS),
        "sparse": matrices(magnitude_pruned)(BASE),
    }
    for query, reference in permutations(shapes, 2):
        found = compare(sketch(shapes[query]), sketch(shapes[reference]))
        assert found.direction == "undirected", (query, reference)


def test_copies_of_a_layer_only_lean_where_anything_was_tuned():
    """Equal layers say that a shallower model was there before: it may be the other's parent, or its sibling."""
    deeper = dict(TUNED)
    for name, array in TUNED.items():
        if ".layer.3." in name:
            deeper[name.replace(".layer.3.", ".layer.4.")] = array
    for query, reference, direction in ((deeper, BASE, "child"), (BASE, deeper, "parent")):
        found = compare(sketch(query), sketch(reference))
        assert (found.direction, likely_direction(found.cues)) == ("undirected", direction)
    assert compare(sketch(deeper), sketch(TUNED)).direction == "child"
    assert compare(sketch(TUNED), sketch(deeper)).direction == "parent"


def test_a_model_is_the_parent_of_what_lacks_its_last_layer():
    child, parent = sketch(layers_dropped(BASE, {3}, LAYER)), sketch(BASE)
    assert compare(child, parent).direction == "child"
    found = compare(parent, child)
    assert (found.direction, found.relation) == ("parent", "depth-changed")


def test_without_a_cue_the_edge_stays_undirected():
    found = compare(sketch(TUNED), sketch(BASE))
    assert (found.relation, found.direction, found.basis) == ("fine-tuned", "undirected", ())


def test_a_declared_parent_only_leans():
    child, parent = sketch(TUNED, name="child", declared=(NAMES_BASE,)), sketch(BASE, name="base")
    down, up = compare(child, parent), compare(parent, child)
    assert (down.direction, up.direction) == ("undirected", "undirected")
    assert (likely_direction(down.cues), likely_direction(up.cues)) == ("child", "parent")
    assert [cue.fact for cue in down.cues] == [DeclaredParent("model card", "base")]


def test_a_declaration_of_another_model_says_nothing():
    assert compare(sketch(TUNED, declared=(NAMES_BASE,)), sketch(BASE, name="other")).direction == "undirected"


def test_a_computable_change_overrules_a_false_declaration():
    liar = sketch(BASE, name="liar", declared=(Declared("rounded", "finetune", "model card"),))
    rounded = sketch(cast("bfloat16")(BASE), name="rounded")
    found = compare(liar, rounded)
    assert found.direction == "parent"
    assert found.basis == (Computable("reference", "rounding"),)


def test_two_copies_with_changes_of_their_own_are_open():
    """One was rounded, the other was given tokens: neither was made from the other without more ado."""
    larger = extended(BASE, TOKENS)
    smaller = cast("bfloat16")(BASE)
    found = compare(sketch(smaller), sketch(larger))
    assert (found.direction, likely_direction(found.cues)) == ("undirected", "child")
    fewer = layers_dropped(BASE, {1}, LAYER)
    for query, reference in ((larger, fewer), (fewer, larger)):
        assert compare(sketch(query), sketch(reference)).direction == "undirected"


def test_cues_that_agree_are_all_named():
    child = sketch(cast("float16")(BASE), name="child", declared=(NAMES_BASE,))
    found = compare(child, sketch(BASE, name="base"))
    assert found.direction == "child"
    assert [type(fact) for fact in found.basis] == [Computable, DeclaredParent]


def test_copied_layers_make_the_deeper_model_the_child():
    deeper = dict(BASE)
    for name, array in BASE.items():
        if ".layer.3." in name:
            deeper[name.replace(".layer.3.", ".layer.4.")] = array
    found = compare(sketch(deeper), sketch(BASE))
    assert (found.direction, found.relation) == ("child", "depth-changed")
    assert found.basis[0] == CopiedLayers("this-model")


@pytest.mark.parametrize("factor", [0.5, 1.0])
def test_rows_that_decay_could_not_give_are_no_cue(factor):
    assert compare(sketch(decayed(factor)), sketch(BASE)).direction == "undirected"


def test_unrelated_models_have_no_direction():
    other = sketch(encoder(2), declared=(NAMES_BASE,))
    found = compare(other, sketch(BASE, name="base"))
    assert (found.direction, found.basis) == (None, ())


def spread(factor: float) -> Arrays:
    """A fine-tune whose gains lie further apart."""
    gains = [n for n in TUNED if "LayerNorm.weight" in n]
    return {**TUNED, **{n: (1 + factor * (TUNED[n] - 1)).astype(np.float32) for n in gains}}


def test_a_weak_cue_leans_and_decides_nothing():
    down, up = compare(sketch(spread(1.1)), sketch(BASE)), compare(sketch(BASE), sketch(spread(1.1)))
    assert (down.direction, up.direction) == ("undirected", "undirected")
    assert [(cue.name, cue.direction) for cue in (*down.cues, *up.cues)] == [
        ("gains-spread", "child"),
        ("gains-spread", "parent"),
    ]
    assert leaning(down.cues) == -leaning(up.cues) > 0


def test_a_cue_can_be_left_out(monkeypatch):
    rounded, base = sketch(cast("bfloat16")(BASE)), sketch(BASE)
    assert compare(rounded, base).direction == "child"
    monkeypatch.setattr(module, "CUES", {name: cue for name, cue in CUES_IN_ORDER.items() if name != "computable"})
    assert compare(rounded, base).direction == "undirected"


def test_what_cannot_be_otherwise_comes_before_what_is_likely():
    child = sketch(layers_dropped(spread(0.9), {1}, LAYER), name="child")
    found = compare(child, sketch(BASE))
    assert [cue.name for cue in found.cues] == ["layers", "gains-spread"]
    assert [cue.direction for cue in found.cues] == ["child", "parent"]
    assert likely_direction(found.cues) == "child"


def test_narrower_matrices_make_the_child():
    down, up = compare(sketch(narrow(BASE)), sketch(BASE)), compare(sketch(BASE), sketch(narrow(BASE)))
    assert (down.relation, down.direction, up.direction) == ("width-pruned", "child", "parent")


def test_of_two_models_that_lack_different_units_neither_is_the_parent():
    """One has narrower layers inside its MLPs, the other fewer values in its attention."""
    heads = {n: a for n, a in BASE.items() if "attention" not in n}
    for name, a in BASE.items():
        if "attention.self" in name:
            heads[name] = a[: len(a) // 2]
        elif "attention.output.dense.weight" in name:
            heads[name] = a[:, : a.shape[1] // 2]
        elif "attention" in name:
            heads[name] = a
    for query, reference in permutations((narrow(BASE), heads), 2):
        assert compare(sketch(query), sketch(reference)).direction == "undirected"


def with_classes(arrays: Arrays, seed: int) -> Arrays:
    head = 0.02 * np.random.default_rng(seed).standard_normal((40, 64))
    return arrays | {"classifier.weight": head.astype(np.float32)}


def test_a_rounding_with_the_head_of_another_model_is_not_computed_from_one_with_a_trained_head():
    original = with_classes(BASE, 1)
    copy = matrices(int8_rows)(original)
    tuned_head = original | {"classifier.weight": matrices(noise(0.5))(with_classes(BASE, 1))["classifier.weight"]}
    assert compare(sketch(copy), sketch(original)).direction == "child"
    assert compare(sketch(copy), sketch(tuned_head)).direction == "undirected"
    # Of a head on no levels, nothing tells on which side it was trained.
    healed = copy | {"classifier.weight": tuned_head["classifier.weight"]}
    assert compare(sketch(healed), sketch(original)).direction == "undirected"


@pytest.mark.parametrize("rounded", [int8_rows, int4_groups, nf4_groups], ids=lambda way: way.__name__)
@pytest.mark.parametrize("parts", ["query", "attention.self", "dense"])
@pytest.mark.parametrize("strength", [0.03, 0.1])
def test_a_rounding_is_not_computed_from_a_sibling_of_which_some_matrices_were_tuned(rounded, parts, strength):
    """Most values round alike; but some of those that do not lie plainly beyond the middle between two levels."""
    copy = matrices(rounded)(BASE)
    tuned = BASE | {n: a for n, a in matrices(noise(strength))(BASE).items() if parts in n}
    assert compare(sketch(copy), sketch(BASE)).direction == "child"
    assert compare(sketch(copy), sketch(tuned)).direction == "undirected"
    assert compare(sketch(tuned), sketch(copy)).direction == "undirected"


@pytest.mark.parametrize("name", ["classifier.weight", "fc.weight", "roi_heads.box_predictor.cls_score.weight"])
def test_a_rounding_is_not_computed_from_a_model_with_another_head_whatever_the_head_is_called(name):
    """Both may come from a third model: one was stored in a narrow type, the other has a new task."""
    own, other = ({name: with_classes(BASE, k)["classifier.weight"][:classes]} for k, classes in ((5, 40), (6, 8)))
    narrow = cast("float16")(BASE | own)
    assert compare(sketch(narrow), sketch(BASE | own)).direction == "child"
    assert compare(sketch(narrow), sketch(BASE | other)).direction == "undirected"
    assert compare(sketch(BASE | other), sketch(narrow)).direction == "undirected"
