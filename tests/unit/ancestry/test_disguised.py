"""Disguised models are said to be what they are: found, proved, placed; unrelated ones stay independent."""

from __future__ import annotations

from dataclasses import replace

import pytest
from disguises import permuted, rescaled, rotated
from operators import int8_rows, matrices, noise

from lineage.ancestry import compare
from lineage.ancestry.pair.untrained import is_untrained
from lineage.ancestry.standing import standing
from lineage.ancestry.trees.edges import measured_edges
from lineage.ancestry.trees.search import Search
from lineage.types.facts.changes import SameNeurons
from tests.disguised_models import llama, sketched

BASE = llama(1)
PLAIN = sketched(BASE, "base")


def hidden(arrays, seed: int = 5):
    return permuted(rotated(rescaled(arrays, seed), seed), seed)


@pytest.mark.parametrize("disguise", [permuted, rotated, hidden], ids=["permuted", "rotated", "all"])
@pytest.mark.parametrize("change", [lambda a: a, matrices(int8_rows), matrices(noise(0.1))], ids=["", "int8", "noise"])
def test_a_disguise_is_seen_through(disguise, change):
    found = compare(sketched(change(disguise(BASE, 5))), PLAIN)
    assert (found.verdict, found.relation, found.role) == ("derived", "disguised", "undirected")
    words = {c.name: c.relation for c in found.components}
    assert words == {"text decoder": "disguised", "embeddings": "disguised", "head": "inconclusive"}
    assert found.evidence.log10_p < -50
    (seen,) = found.basis
    assert isinstance(seen, SameNeurons)
    assert (seen.layers, seen.paired > 0.5) == (3, True)


def test_unrelated_models_stay_independent():
    found = compare(sketched(hidden(llama(2))), PLAIN)
    assert found.verdict == "independent"


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


def test_the_place_of_a_disguised_model_is_beside_what_it_was():
    family = [PLAIN, sketched(matrices(noise(0.1, seed=1))(BASE), "tuned"), sketched(llama(9), "other")]
    query = sketched(hidden(BASE), "hidden")
    found = standing(query, [[one] for one in family], {one.id: (one, compare(query, one)) for one in family}).place
    assert [one.model_name for one in found.open] == ["base"]
    assert found.open[0].relation == "disguised"
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


def test_without_neurons_nothing_is_claimed():
    found = compare(replace(sketched(hidden(BASE)), neurons=()), PLAIN)
    assert found.verdict in ("independent", "inconclusive")
