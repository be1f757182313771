"""Disguised models are said to be what they are: found, proved, placed; unrelated ones stay independent."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from disguises import permuted, rescaled, rotated
from operators import int8_rows, magnitude_pruned, matrices, noise

from lineage.ancestry import compare
from lineage.ancestry.pair.disguised import seen_through
from lineage.ancestry.pair.untrained import is_untrained
from lineage.ancestry.standing import standing
from lineage.ancestry.trees.arcs import Arc
from lineage.ancestry.trees.component_sources import other_sources
from lineage.ancestry.trees.edges import measured_edges
from lineage.ancestry.trees.heads_movement import held_by_heads
from lineage.ancestry.trees.search import Search
from lineage.ancestry.trees.triples import holds_movement
from lineage.report.text.places import pair_headline
from lineage.types import Relation
from lineage.types.evidence import Inherited
from lineage.types.facts.cues import FewerUnits
from lineage.types.facts.disguises import Beneath, FoldedGains, SameNeurons, UndoneBasis, UndoneGains, UndoneScales
from tests.disguised_models import LAYERS, MLP, WIDTH, llama, sketched

BASE = llama(1)
PLAIN = sketched(BASE, "base")


def hidden(arrays, seed: int = 5):
    return permuted(rotated(rescaled(arrays, seed), seed), seed)


int8 = matrices(int8_rows)
WORDS = {"plain": "re-encoded", "int8": "quantized", "noise": "fine-tuned", "half pruned": "pruned"}
CHANGES = {
    "plain": lambda a: a,
    "int8": int8,
    "noise": matrices(noise(0.1)),
    "half pruned": matrices(magnitude_pruned),
}


@pytest.mark.parametrize("disguise", [permuted, rotated, hidden], ids=["permuted", "rotated", "all"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_disguise_is_seen_through(disguise, change):
    found = compare(sketched(CHANGES[change](disguise(BASE, 5))), PLAIN)
    assert (found.verdict, found.relation) == ("derived", "disguised")
    words = {c.name: c.relation for c in found.components}
    assert words == {"text decoder": "disguised", "embeddings": "disguised", "head": "disguised"}
    assert found.share == pytest.approx(1.0, abs=0.01)  # all but norms that are constant
    assert found.evidence.log10_p < -50
    (seen,) = (fact for fact in found.basis if isinstance(fact, SameNeurons))
    assert (seen.layers, seen.paired > 0.5) == (3, True)
    assert Beneath(WORDS[change]) in found.basis
    folded = disguise is not permuted
    assert (UndoneGains() in found.basis) == folded
    # An order tells nothing of who came first: both may be of a third. Gains that were folded away do, where the order
    # is the same; what was done on top may be a sibling's.
    assert (FoldedGains("this-model") in found.basis) == (found.direction == "child")
    assert found.direction == ("child" if disguise is rotated and change == "plain" else "undirected")


@pytest.mark.parametrize(
    ("disguise", "said"),
    [
        (permuted, {UndoneBasis("permuted")}),
        (rotated, {UndoneBasis("rotated")}),
        (lambda a, seed: permuted(rescaled(a, seed), seed), {UndoneBasis("permuted"), "undone-scales"}),
    ],
    ids=["permuted", "rotated", "rescaled"],
)
def test_what_was_undone_is_told(disguise, said):
    found = compare(sketched(disguise(BASE, 5)), PLAIN)
    undone = {fact for fact in found.basis if isinstance(fact, UndoneBasis)}
    undone |= {fact.id for fact in found.basis if isinstance(fact, UndoneScales)}
    assert undone == said


def test_what_agrees_by_place_is_not_disguised_though_its_gains_were_trained_anew():
    """Whether such models are related by descent or by an initialisation alone stays open."""
    rng = np.random.default_rng(3)
    regained = {n: a * (1 + 0.3 * rng.standard_normal(a.shape)) if a.ndim == 1 else a for n, a in BASE.items()}
    found = compare(sketched(matrices(noise(0.03))(BASE)), sketched({n: a.astype("f4") for n, a in regained.items()}))
    assert found.verdict == "related"
    assert {c.relation for c in found.components} == {"inconclusive"}
    assert min(c.evidence.z for c in found.components) > 10


def test_the_original_is_the_parent_from_its_side_too():
    found = compare(PLAIN, sketched(rotated(BASE, 5)))
    assert (found.relation, found.direction) == ("disguised", "parent")
    assert found.basis[0] == FoldedGains("reference")


@pytest.mark.parametrize(("disguise", "direction"), [(permuted, "undirected"), (rotated, "child")])
def test_units_that_were_left_out_lean_and_folded_gains_tell(disguise, direction):
    """What has another order than the narrowed one may be, like it, of one that nobody reordered."""
    found = compare(sketched(disguise(narrowed(BASE, 1), 5)), PLAIN)
    assert (found.relation, found.direction) == ("disguised", direction)
    assert Beneath("width-pruned") in found.basis
    assert [(cue.fact, cue.direction) for cue in found.cues if cue.name == "narrower"] == [
        (FewerUnits("this-model"), "child")
    ]


def test_what_may_share_no_more_than_an_initialisation_is_left_open():
    """Alike beyond chance, but as far apart as two that began with one step 0: no disguise, and not independent."""
    query, other = sketched(hidden(matrices(noise(0.5, seed=1))(BASE))), sketched(matrices(noise(0.5, seed=2))(BASE))
    assert compare(query, other).relation == "disguised"  # the sizes of the neurons were kept
    unknown = replace(query, neurons=tuple(replace(one, scale=None) for one in query.neurons))
    found = compare(unknown, other)
    assert {c.name: c.relation for c in found.components}["text decoder"] == "inconclusive"
    assert found.verdict == "inconclusive"


@pytest.mark.parametrize("share", [0.003, 0.02, 0.2, 0.4])
@pytest.mark.parametrize("disguise", [permuted, rotated, hidden], ids=["permuted", "rotated", "all"])
def test_what_was_trained_apart_from_one_initialisation_is_not_called_derived(disguise, share):
    """For a while such models are as near as parent and child, but what they have in common was never learned."""
    begun = llama(3, is_trained=False)
    query, other = (matrices(noise(share, seed=seed))(begun) for seed in (1, 2))
    found = compare(sketched(disguise(query, 5)), sketched(other))
    assert (found.verdict, found.relation, found.direction) == ("related", "inconclusive", None)
    assert {c.name: (c.relation, c.is_alike) for c in found.components} == {
        "text decoder": ("inconclusive", True), "embeddings": ("inconclusive", True), "head": ("inconclusive", False)
    }  # fmt: skip
    assert found.share == 0.0
    assert found.evidence.r > 0.57
    assert pair_headline(found, "query") == ("RELATED", "by descent or from one initialisation: open")


def test_nor_is_a_rounded_neighbour_of_an_initialisation():
    begun = llama(3, is_trained=False)
    assert compare(sketched(int8(hidden(begun))), sketched(begun)).verdict == "related"
    # What differs by a disguise alone is the same, whatever it was made of.
    assert compare(sketched(hidden(begun)), sketched(begun)).relation == "disguised"


def test_a_head_of_its_own_is_not_part_of_what_was_found():
    own = BASE | {"lm_head.weight": llama(7)["lm_head.weight"]}
    found = compare(sketched(hidden(own)), PLAIN)
    assert {c.name: c.relation for c in found.components} == {
        "text decoder": "disguised", "embeddings": "disguised", "head": "inconclusive"
    }  # fmt: skip
    assert found.share < 0.9


def test_unrelated_models_stay_independent():
    found = compare(sketched(hidden(llama(2))), PLAIN)
    assert found.verdict == "independent"


@pytest.mark.parametrize(
    ("arrays", "part", "z", "word"),
    [
        (BASE, 0.1, 0.0, "disguised"),
        (BASE, 0.9, 0.0, "component-reused"),
        (BASE, 0.1, 20.0, "component-reused"),
        (llama(2), 0.1, 0.0, "component-reused"),
    ],
    ids=["a few rows", "most rows", "a part at its place", "rows of an unrelated model"],
)
def test_a_tower_of_which_a_few_rows_were_found_is_seen_through_too(arrays, part, z, word):
    """Rounded by rows and in another order of channels, what writes to the stream keeps its rows."""
    query = sketched(permuted(arrays, 5))
    by_place = compare(replace(query, neurons=()), PLAIN)
    components = tuple(
        replace(
            c,
            relation=Relation.COMPONENT_REUSED,
            evidence=replace(c.evidence, z=z),
            inherited=Inherited(1, part * c.share, 0, ()),
        )
        if c.name == "text decoder"
        else c
        for c in by_place.components
    )
    found = seen_through(query, PLAIN, components, by_place.evidence).components
    assert {c.name: c.relation for c in found}["text decoder"] == word


def test_a_model_that_is_found_by_place_is_not_called_disguised():
    tuned = compare(sketched(matrices(noise(0.1))(BASE)), PLAIN)
    assert "disguised" not in {tuned.relation, *(c.relation for c in tuned.components)}


def test_gains_that_were_folded_away_make_no_initialisation():
    sizes = (1.0, 1.3, 0.8)
    trained = {
        name: array * sizes[int(name.split(".")[2])] if "layers" in name and array.ndim == 2 else array
        for name, array in BASE.items()
    }
    assert not is_untrained(sketched(rotated(trained, 5)))


@pytest.mark.parametrize(("disguise", "is_directed"), [(rotated, True), (hidden, False)], ids=["rotated", "all"])
def test_the_place_of_a_disguised_model_is_beside_what_it_was(disguise, is_directed):
    family = [PLAIN, sketched(matrices(noise(0.1, seed=1))(BASE), "tuned"), sketched(llama(9), "other")]
    query = sketched(disguise(BASE, 5), "hidden")
    found = standing(query, [[one] for one in family], {one.id: (one, compare(query, one)) for one in family}).place
    told, silent = (found.parents, found.open) if is_directed else (found.open, found.parents)
    assert [(one.model_name, one.relation) for one in told] == [("base", "disguised")]
    assert (silent, found.descendants) == ((), ())


def test_of_two_disguises_of_an_unknown_model_none_is_said_to_come_from_the_other():
    query, other = sketched(rotated(BASE, 5), "rotated"), sketched(permuted(BASE, 6), "permuted")
    for asked, known in ((query, other), (other, query)):
        found = standing(asked, [[known]], {known.id: (known, compare(asked, known))}).place
        assert [one.model_name for one in found.open] == [known.name]
        assert (found.parents, found.descendants) == ((), ())


def test_of_an_order_alone_nobody_knows_which_came_first():
    query = sketched(permuted(BASE, 5), "hidden")
    found = standing(query, [[PLAIN]], {PLAIN.id: (PLAIN, compare(query, PLAIN))}).place
    assert [one.model_name for one in found.open] == ["base"]
    assert (found.parents, found.descendants) == ((), ())


def test_the_shape_of_the_tree_gives_a_disguise_no_direction():
    """What hangs on a merge is younger than it, but of a model in disguise only the pair tells where it hangs."""
    parts = [matrices(noise(0.2, seed=seed))(BASE) for seed in (1, 2)]
    family = {"a": parts[0], "b": parts[1], "merge": {name: (parts[0][name] + parts[1][name]) / 2 for name in BASE}}
    others = [sketched(arrays, name) for name, arrays in family.items()]
    query = sketched(permuted(matrices(noise(0.05, seed=3))(family["merge"]), 5), "hidden")
    found = standing(query, [[one] for one in others], {one.id: (one, compare(query, one)) for one in others}).place
    assert (found.open[0].model_name, found.parents) == ("merge", ())
    assert (found.parents, found.descendants) == ((), ())


def test_the_graph_joins_it_to_its_kin_and_hangs_nobody_else_on_it():
    family = {"base": BASE, "hidden": hidden(BASE), "other": llama(9)}
    family |= {f"tuned {i}": matrices(noise(0.1, seed=i))(BASE) for i in range(3)}
    sketches = [sketched(arrays, name) for name, arrays in family.items()]
    names = {one.id: one.name for one in sketches}
    edges = [(e, {names[e.parent], names[e.child]}) for e in measured_edges(Search(sketches))]
    assert [ends for edge, ends in edges if edge.relation == "disguised"] == [{"base", "hidden"}]
    assert sum("hidden" in ends for _, ends in edges) == 1
    assert not any("other" in ends for _, ends in edges)


def upcycled(arrays, seed: int, experts: int = 4):
    """Experts made of every MLP, with noise."""
    random = np.random.default_rng(seed)
    found = {}
    for name, array in arrays.items():
        if "mlp" not in name:
            found[name] = array
            continue
        for k in range(experts):
            moved = array + 0.05 * array.std() * random.standard_normal(array.shape)
            found[name.replace("mlp.", f"mlp.experts.{k}.")] = moved.astype(np.float32)
    for layer in range(LAYERS):
        gate = random.standard_normal((experts, WIDTH))
        found[f"model.layers.{layer}.mlp.gate.weight"] = gate.astype(np.float32)
    return found


def narrowed(arrays, seed: int):
    """A quarter of the neurons of every MLP left out, others in each layer."""
    random = np.random.default_rng(seed)
    kept = {layer: np.sort(random.permutation(MLP)[: MLP * 3 // 4]) for layer in range(LAYERS)}
    return {
        name: array.take(kept[int(name.split(".")[2])], 1 if "down" in name else 0) if "mlp" in name else array
        for name, array in arrays.items()
    }


def test_experts_in_disguise_of_one_network_tell_no_order():
    found = compare(sketched(permuted(BASE, 5)), sketched(upcycled(BASE, 6)))
    assert (found.relation, found.direction) == ("disguised", "undirected")
    assert Beneath("expert-upcycled") in found.basis


@pytest.mark.parametrize("order", range(3))
def test_all_that_is_disguised_or_reshaped_hangs_on_the_plain_base(order):
    """What has plain kin is placed by them, and of two models as near in disguise the one with plain kin is the base.

    Exact copies of neurons are in the base, in every disguise of it, in its narrowed and in its upcycled copy alike.
    """
    family = {"base": BASE, "permuted": permuted(BASE, 5), "rotated": rotated(BASE, 5)}
    family |= {"narrow": narrowed(BASE, 4), "experts": upcycled(BASE, 6)}
    family |= {f"tuned {i}": matrices(noise(0.1, seed=i))(BASE) for i in range(4)}
    sketches = [sketched(arrays, name) for name, arrays in family.items()]
    np.random.default_rng(order).shuffle(sketches)
    names = {one.id: one.name for one in sketches}
    edges = {frozenset((names[e.parent], names[e.child])): e for e in measured_edges(Search(sketches))}
    assert edges.keys() == {frozenset(("base", name)) for name in family.keys() - {"base"}}
    told = {(names[e.parent], names[e.child]) for e in edges.values() if e.directed}
    assert {parent for parent, _ in told} <= {"base"}
    assert edges[frozenset(("base", "permuted"))].relation == edges[frozenset(("base", "rotated"))].relation
    assert ("base", "rotated") in told


def test_without_neurons_nothing_is_claimed():
    found = compare(replace(sketched(hidden(BASE)), neurons=()), PLAIN)
    assert found.verdict in ("independent", "inconclusive")


def only(name: str, change):
    """A base of which but one matrix was changed, lightly."""
    return {key: change(array) if key == name else array for key, array in BASE.items()}


LIGHT = noise(0.02, seed=8)


@pytest.mark.parametrize("name", ["lm_head.weight", "model.layers.1.mlp.down_proj.weight", "model.embed_tokens.weight"])
def test_beside_a_sibling_of_one_other_matrix_no_direction_is_certain(name):
    """Rotated and folded from the base, the query is no child of what differs from that in a head or a layer only."""
    found = compare(sketched(rotated(BASE, 5)), sketched(only(name, LIGHT)))
    assert (found.relation, found.direction) == ("disguised", "undirected")
    assert {c.direction for c in found.components if c.relation == "disguised"} == {"undirected"}


DEEP = llama(1, layers=6)
"""Deep enough that of its layers 1 and 4 no neurons are kept."""


@pytest.mark.parametrize(
    ("changed", "direction"),
    [
        ({}, "child"),
        ({"model.layers.1.mlp.down_proj.weight": noise(0.1, seed=8)}, "undirected"),
        ({"model.layers.4.self_attn.o_proj.weight": noise(0.1, seed=8)}, "undirected"),
        ({"lm_head.weight": lambda head: head[:300]}, "undirected"),
    ],
    ids=["as it was", "writes of one layer", "attention of one layer", "a shorter head"],
)
def test_a_direction_is_certain_where_layers_without_neurons_and_heads_are_the_same(changed, direction):
    other = {name: changed[name](array) if name in changed else array for name, array in DEEP.items()}
    query = sketched(rotated(DEEP, 5))
    assert {one.layer for one in query.neurons if one.component == "text decoder"} == {0, 2, 3, 5}
    found = compare(query, sketched(other))
    assert (found.relation, found.direction) == ("disguised", direction)


def test_without_sums_of_squares_nothing_shows_that_other_layers_are_the_same():
    query, other = sketched(rotated(DEEP, 5)), sketched(DEEP)
    without = replace(query, tensors=tuple(replace(t, moments=None) for t in query.tensors))
    assert compare(query, other).direction == "child"
    assert compare(without, other).direction == "undirected"


def test_a_copy_on_levels_is_not_said_to_be_the_parent():
    found = compare(sketched(rotated(BASE, 5)), sketched(matrices(int8_rows)(BASE)))
    assert (found.relation, found.direction) == ("disguised", "undirected")


def test_what_folded_and_what_narrowed_point_to_a_third():
    found = compare(sketched(rotated(BASE, 5)), sketched(narrowed(BASE, 4)))
    assert (found.relation, found.direction) == ("disguised", "undirected")


def test_another_tower_beside_it_leaves_it_open_which_of_the_wholes_came_first():
    sight = {name.replace("model.", "vision_tower.model."): array for name, array in llama(3).items()}
    found = compare(sketched(rotated(BASE, 5)), sketched({**BASE, **sight}))
    assert (found.relation, found.direction) == ("disguised", "undirected")


def test_heads_tell_the_child_of_a_tuned_model_from_its_sibling():
    """What a model in disguise holds of another's movement: all of its parent's, none of its sibling's."""
    tuned = matrices(noise(0.05, seed=1))(BASE)
    child, sibling = matrices(noise(0.03, seed=2))(tuned), matrices(noise(0.03, seed=2))(BASE)
    for arrays, share in ((child, 1.0), (sibling, 0.0)):
        for disguise in (permuted, rotated, hidden):
            held = held_by_heads(sketched(disguise(arrays, 5)), sketched(tuned), PLAIN)
            assert held is not None
            assert abs(held[0] - share) < max(0.1, 4 * held[1])
            assert holds_movement(*held) == (share == 1.0)
    assert held_by_heads(PLAIN, PLAIN, PLAIN) is None
    assert held_by_heads(replace(PLAIN, neurons=()), sketched(tuned), PLAIN) is None


def test_a_near_copy_of_the_base_gets_no_children_in_disguise():
    family = {"base": BASE, "copy": matrices(noise(0.002, seed=1))(BASE)}
    family |= {f"tuned {i}": matrices(noise(0.1, seed=i))(BASE) for i in range(2, 5)}
    others = [sketched(arrays, name) for name, arrays in family.items()]
    query = sketched(matrices(int8_rows)(hidden(BASE)), "hidden")
    found = standing(query, [[one] for one in others], {one.id: (one, compare(query, one)) for one in others}).place
    assert [one.model_name for one in found.open] == ["base"]


def test_a_head_that_a_disguise_hides_has_not_come_from_whoever_has_the_same():
    """Of a model whose base is known in disguise only: its kin has the same head, as all that was made of the base."""
    shared = ("lm_head", "embed_tokens")
    kin = {
        n: a if any(s in n for s in shared) else b for (n, a), b in zip(BASE.items(), llama(7).values(), strict=True)
    }
    told = [sketched(BASE, "asked"), sketched(hidden(BASE), "hidden"), sketched(kin, "kin")]
    assert other_sources(Search(told), {0: Arc(1, 0, 1.0)}) == {}
    assert other_sources(Search([told[0], sketched(llama(8)), told[2]]), {0: Arc(1, 0, 1.0)}) != {}
