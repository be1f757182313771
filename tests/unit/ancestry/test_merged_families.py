"""Families with merges and models of another structure in them: what hangs on a merge, beside it, and on what."""

from __future__ import annotations

import numpy as np
import pytest
from zoo.merges import ties

from lineage.ancestry import graph
from lineage.ancestry.trees.arcs import Arc
from lineage.ancestry.trees.beneath_merges import beneath, impossible_arcs
from lineage.ancestry.trees.search import Search
from lineage.ancestry.trees.triples import above, lifted
from lineage.sketch import write_sketch
from lineage.store import SketchFolder
from lineage.types import Lineage
from tests.disguised_models import llama
from tests.synthetic import Arrays, encoder, sketch


def moved(base: Arrays, seed: int, share: float) -> Arrays:
    """More training on data of its own."""
    generator = np.random.default_rng(seed)
    return {
        n: (a + share * (a.std() or 0.05) * generator.standard_normal(a.shape)).astype(np.float32)
        for n, a in base.items()
    }


def mixed(models: list[Arrays]) -> Arrays:
    return {n: np.mean([one[n] for one in models], axis=0, dtype=np.float32) for n in models[0]}


def narrowed(base: Arrays, seed: int) -> Arrays:
    """Three quarters of the neurons of every layer, in their order."""
    found = dict(base)
    for layer in {n.split("mlp")[0] for n in base if ".mlp." in n}:
        gate = f"{layer}mlp.gate_proj.weight"
        rows = np.arange(len(base[gate])) % 4 != seed % 4
        for part in ("gate", "up"):
            found[f"{layer}mlp.{part}_proj.weight"] = base[f"{layer}mlp.{part}_proj.weight"][rows]
        found[f"{layer}mlp.down_proj.weight"] = base[f"{layer}mlp.down_proj.weight"][:, rows]
    return found


def lineage_of(folder, family: dict[str, Arrays]) -> Lineage:
    (folder / "sketches").mkdir()
    for name, arrays in family.items():
        model = sketch(arrays, name=name)
        write_sketch(model, folder / "sketches" / f"{model.id}.sketch")
    return graph([SketchFolder(folder)])


def joined(found: Lineage) -> dict[tuple[str, str], bool]:
    """Every edge as (parent, child), and whether it is directed."""
    name = {node.id: node.name for node in found.nodes}
    return {(name.get(e.parent, "?"), name.get(e.child, "?")): e.directed for e in found.edges}


def test_what_lacks_the_movement_to_the_merge_above_it_is_hung_beside_the_parents_of_the_merge():
    root, first, second, merge, heir, beside, after = range(7)
    arcs = [(root, first), (root, second), (merge, heir), (heir, beside), (beside, after)]
    tree = {child: Arc(parent, child, 0.1) for parent, child in arcs}

    def lacks(child: int, parent: int, origin: int) -> bool:
        return (child, parent, origin) == (beside, merge, root)

    found = lifted(tree, {merge: [first, second]}, frozenset(), lacks)
    assert {child: arc.parent for child, arc in found.items()} == {
        first: root, second: root, heir: merge, beside: root, after: beside,
    }  # fmt: skip
    assert above(after, tree, {merge: [first, second]}) == [beside, heir, merge, first, second, root]


def test_the_base_of_merged_differences_is_an_ancestor_and_no_parent(tmp_path):
    root = encoder(1)
    first, second = moved(root, 2, 0.05), moved(root, 3, 0.05)
    merge = ties(root, [first, second], [0.5, 0.5], 0.5)
    found = lineage_of(tmp_path, {"root": root, "first": first, "second": second, "ties": merge})
    edges = joined(found)
    assert {parent for parent, child in edges if child == "ties"} == {"first", "second"}
    assert edges["root", "first"]
    assert edges["root", "second"]


def test_what_was_narrowed_hangs_on_the_base_though_a_rough_look_found_its_heir_nearer_to_others(tmp_path):
    root = llama(1)
    first, second = moved(root, 2, 0.03), moved(root, 3, 0.03)
    narrow = narrowed(root, 0)
    family = {"root": root, "first": first, "second": second, "merge": mixed([first, second])}
    family |= {f"other-{seed}": moved(root, seed, 0.02) for seed in range(10, 16)}
    family |= {"narrow": narrow, "healed": moved(narrow, 7, 0.02)}
    found = joined(lineage_of(tmp_path, family))
    assert found["root", "narrow"]
    assert found["narrow", "healed"]
    assert {parent for parent, child in found if child in ("narrow", "healed")} == {"root", "narrow"}


def test_a_candidate_of_another_structure_is_there_once_however_it_was_found():
    """Two of it would have two prices, of which only one could be raised: such a search did not end."""
    root = llama(1)
    models = {"narrow": narrowed(root, 0), "root": root, "child": moved(root, 2, 0.03)}
    search = Search([sketch(arrays, name=name) for name, arrays in models.items()], about=0)
    for other in (1, 2):
        search.field.pairs.either(0, other)
    (foreign,) = [arcs for _, arcs in search._split()]
    ends = [(arc.parent, arc.child) for arc in foreign]
    assert sorted(set(ends)) == sorted(ends) == [(0, 1), (0, 2)]


@pytest.mark.parametrize(("count", "step"), [(2, 0.01), (2, 0.03), (3, 0.01), (5, 0.01)])
def test_a_tuned_merge_lies_beneath_it_and_the_base_does_not(count, step):
    """The base is nearer to a mean of many than their own parents are, and holds the way to a mean of two."""
    base = encoder(1)
    parts = [moved(base, 2 + k, 0.1) for k in range(count)]
    merge = mixed(parts)
    tuned = moved(merge, 20, step)
    models = [base, *parts, merge, tuned, moved(tuned, 21, step), moved(parts[0], 22, step), moved(base, 23, step)]
    field = Search([sketch(arrays, name=str(i)) for i, arrays in enumerate(models)]).field
    number, own = count + 1, range(1, count + 1)
    assert beneath(field, number, own, [0, *own, *range(number + 1, len(models))]) == {number + 1, number + 2}
    back = {ends for ends in impossible_arcs(field, {number: own}, range(len(models))) if ends[0] != number}
    assert {(one, other) for one in (number + 1, number + 2) for other in (0, *own, number + 3, number + 4)} == back


def test_another_blend_of_the_same_models_does_not_hang_on_a_merge():
    base = encoder(1)
    first, second, third = (moved(base, 2 + k, 0.1) for k in range(3))
    merge = mixed([first, second, third])
    lagging = moved(
        {n: (0.2 * first[n] + 0.3 * second[n] + 0.5 * a).astype(np.float32) for n, a in third.items()}, 9, 0.01
    )
    models = [base, first, second, third, merge, lagging, moved(merge, 10, 0.03)]
    field = Search([sketch(arrays, name=str(i)) for i, arrays in enumerate(models)]).field
    ruled_out = {*impossible_arcs(field, {4: [1, 2, 3]}, range(len(models)))}
    assert (4, 5) in ruled_out
    assert (4, 6) not in ruled_out
