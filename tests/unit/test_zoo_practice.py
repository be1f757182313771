"""The second zoo's tables: what the issue asks of them, and that the first zoo's recipes are what they were."""

from __future__ import annotations

import hashlib
from collections import Counter

from zoo.hidden import hidden
from zoo.practice import family_of, practice
from zoo.recipes import HALVES, key, recipes
from zoo.truth import origins, run_of


def test_the_keys_of_the_first_zoo_have_not_moved():
    table = recipes()
    digest = hashlib.sha256("".join(key(r, table) for r in table.values()).encode()).hexdigest()
    assert digest.startswith("38492cd14f145e58")


def test_there_are_enough_models_roots_and_architectures_in_both_halves():
    table = practice()
    assert len(table) >= 300
    assert len({r.architecture for r in table.values()}) >= 6
    for half in HALVES:
        roots = [r for r in table.values() if r.half == half and r.operator == "root" and "stop" not in r.args]
        assert len(roots) >= 12


def test_a_family_lies_in_one_half_and_comes_in_one_piece():
    table = practice()
    halves = {(family_of(n), r.half) for n, r in table.items()}
    assert len(halves) == len({family for family, _ in halves}) == 24
    order = list(dict.fromkeys(map(family_of, table)))
    assert sorted(map(family_of, table), key=order.index) == [family_of(n) for n in table]
    assert all(family_of(p) == family_of(n) for n, r in table.items() for p in r.parents)


def test_every_model_is_stored_in_a_stated_dtype_and_no_step_0_is_kept():
    table = practice()
    dtypes = Counter(r.args.get("stored", r.args.get("dtype")) for r in table.values())
    assert set(dtypes) == {"bfloat16", "float16", "float32"}
    assert dtypes["bfloat16"] > len(table) / 2
    assert not any(r.operator in ("init", "pretrained") for r in table.values())


def test_the_score_half_is_trained_in_ways_that_calibration_never_saw():
    ways = {
        half: {r.args.get("optimizer", "adamw") for r in practice().values() if r.half == half and "steps" in r.args}
        for half in HALVES
    }
    assert ways["calibration"] == {"adamw"}
    assert ways["score"] >= {"muon", "lion", "adafactor", "sgd", "adam"}


def test_a_later_checkpoint_comes_from_the_one_before_it():
    table = practice()
    assert [r.id for r in run_of(table["llama-0.run"], table)] == [
        "llama-0.run-20", "llama-0.run-35", "llama-0.run", "llama-0.run-ema",
    ]  # fmt: skip
    assert origins(table["llama-0.run-20"], table) == ("llama-0",)
    assert origins(table["llama-0.run"], table) == ("llama-0.run-35",)
    assert origins(table["llama-0.run-ema"], table) == ("llama-0",)
    assert origins(table["llama-0"], table) == ("llama-0-step",)


def test_an_adapter_merged_into_the_original_comes_from_the_original_alone():
    table = practice()
    assert origins(table["llama-1.qlora"], table) == ("llama-1",)
    assert origins(table["llama-1.nf4.qlora"], table) == ("llama-1.nf4",)


def test_disguised_models_stand_beside_the_second_zoo():
    table, plain = hidden(), practice()
    assert {name: table[name] for name in plain} == plain
    made = {name: r for name, r in table.items() if r.operator == "disguised"}
    for half in HALVES:
        shown = [r for r in made.values() if r.half == half and not r.withheld]
        assert len({family_of(r.id) for r in shown}) >= 8
        assert len({r.architecture for r in shown}) >= 4
    assert len({r.args["seed"] for r in made.values()}) == len(made)


def test_what_was_done_to_a_disguised_model_has_a_disguise_of_its_own():
    """Two children of one disguise would be found by place, beside one another."""
    table = hidden()
    for name, recipe in table.items():
        if recipe.operator == "disguised":
            children = [r for r in table.values() if name in r.parents]
            assert len(children) <= recipe.withheld
