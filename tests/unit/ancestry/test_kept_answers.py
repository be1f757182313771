"""An answer is kept for the same weights of the same indexes alone, whatever these weights are called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from lineage import api
from lineage.ancestry import answering, placing
from lineage.ancestry import kept_answers as module
from lineage.ancestry.kept_answers import KeptAnswers
from lineage.store import Index, MemoryIndex
from lineage.types import CheckpointSketch, Declared, Place, Relation, Relative, Timings, Whois
from lineage.types.facts.exclusions import NotAWeight
from lineage.types.facts.limits import LookedFor
from tests.small_models import saved, sketched, trained, tuned

BASE = trained(1)
CHILD = tuned(BASE, 10, 0.05)
NEW = tuned(BASE, 11, 0.03)
NO_TIME = Timings(0.0, 0.0, 0.0, 0.0)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the models of every answer that is worked out."""
    found: list[str] = []
    work_out = placing.whois_model

    def counted(query: CheckpointSketch, indexes: Sequence[Index]) -> Whois:
        found.append(query.name)
        return work_out(query, indexes)

    monkeypatch.setattr(placing, "whois_model", counted)
    monkeypatch.setattr(module, "kept_answers", KeptAnswers())
    return found


@pytest.fixture
def index(tmp_path: Path) -> Path:
    files = [saved(weights, tmp_path / f"{name}.safetensors") for name, weights in (("base", BASE), ("child", CHILD))]
    assert [done.error for done in api.ingest(files, tmp_path / "index")] == [None] * 2
    return tmp_path / "index"


def asked(sketch: CheckpointSketch, index: Path) -> Whois:
    return api.whois(sketch, index, reference=False)


def bare(answer: Whois) -> Whois:
    """An answer without what a name and the clock say."""
    return replace(answer, sketch=replace(answer.sketch, name="", path=""), timings=NO_TIME)


def test_the_same_weights_under_another_name_are_answered_from_before(made, index, monkeypatch):
    first = asked(sketched(NEW, "one"), index)
    again = asked(sketched(NEW, "other"), index)
    assert made == ["one"]
    assert again.sketch.name == "other"
    assert bare(again) == replace(bare(first), sketch=bare(again).sketch)
    monkeypatch.setattr(module, "kept_answers", KeptAnswers(0))
    anew = asked(sketched(NEW, "other"), index)
    assert made == ["one", "other"]
    assert bare(anew) == replace(bare(again), sketch=bare(anew).sketch)


def test_other_weights_and_another_index_are_asked_anew(made, index):
    asked(sketched(NEW, "one"), index)
    asked(sketched(tuned(BASE, 12, 0.03), "two"), index)
    assert made == ["one", "two"]
    list(api.ingest([saved(tuned(BASE, 13, 0.02), index.parent / "more.safetensors")], index))
    assert asked(sketched(NEW, "three"), index).limits.models_searched == 3
    api.remove("more", index)
    assert asked(sketched(NEW, "four"), index).limits.models_searched == 2
    assert made == ["one", "two", "three", "four"]


def test_an_index_without_a_state_keeps_nothing(made):
    index = MemoryIndex([sketched(BASE, "base")])
    for name in ("one", "other"):
        answering.whois(sketched(NEW, name), [index])
    assert made == ["one", "other"]


def test_a_place_that_names_the_model_is_worked_out_for_each_name(made, index, monkeypatch):
    def naming(query: CheckpointSketch, indexes: Sequence[Index]) -> Whois:
        made.append(query.name)
        kin = Relative("id", "its child", Relation.MERGED, 1.0, basis=(LookedFor(query.name),))  # type: ignore[arg-type]
        return replace(found, sketch=query, place=Place(descendants=(kin,)))

    found = asked(sketched(NEW, "first"), index)
    made.clear()
    monkeypatch.setattr(placing, "whois_model", naming)
    monkeypatch.setattr(module, "kept_answers", KeptAnswers())
    for name in ("one", "one", "other", "other"):
        (kin,) = asked(sketched(NEW, name), index).place.descendants
        assert kin.basis == (LookedFor(name),)  # type: ignore[arg-type]
    assert made == ["one", "other"]


def test_everything_but_name_place_and_witnesses_makes_another_model():
    sketch = sketched(NEW, "one")
    own = module._digest(sketch)
    others = {
        "id": "another",
        "family": "lineage-9",
        "depth": "sampled",
        "format": "gguf",
        "architecture": "other",
        "nbytes": 1,
        "bytes_read": 1,
        "tensors": sketch.tensors[1:],
        "licence": "mit",
        "declared": (Declared("x", None, "card"),),
        "left_out": (("x", NotAWeight("infinities")),),
        "unread": 7,
        "neurons": (*sketch.neurons, *sketch.neurons[:1]) or None,
        "weights_seen": None,
    }
    assert {*others, "name", "path", "tokenizer", "configuration"} == {field.name for field in fields(sketch)}
    for name, value in others.items():
        if value is not None or name == "weights_seen":
            assert module._digest(replace(sketch, **{name: value})) != own, name
    assert module._digest(replace(sketch, name="other", path="/elsewhere")) == own


def test_every_figure_of_a_tensor_makes_another_model():
    sketch = sketched(NEW, "one")
    tensor = next(one for one in sketch.tensors if None not in one.units and one.moments is not None)
    own = module._digest(replace(sketch, tensors=(tensor,)))
    for field in fields(tensor):
        value = getattr(tensor, field.name)
        if value is None or field.name == "params":  # the product of the shape
            continue
        assert module._digest(replace(sketch, tensors=(replace(tensor, **{field.name: changed(value)}),))) != own


def changed(value: object) -> object:
    """Something else of the same kind."""
    if isinstance(value, np.ndarray):
        return value + np.ones((), value.dtype)
    if isinstance(value, tuple) and value and isinstance(value[0], int):
        return (*value[1:], value[0] + 1)
    if isinstance(value, tuple):
        return (changed(value[0]), *value[1:])
    if isinstance(value, str):
        return f"{value}x"
    first = fields(value)[0].name  # type: ignore[arg-type]
    held = getattr(value, first)
    return replace(value, **{first: held + "x" if isinstance(held, str) else held + 1})  # type: ignore[type-var]


def test_the_longest_unused_answer_goes_first(made, index, monkeypatch):
    size = module._size(asked(sketched(NEW, "one"), index))
    monkeypatch.setattr(module, "kept_answers", KeptAnswers(size + size // 2))
    made.clear()
    for number, weights in enumerate((NEW, BASE, NEW, NEW)):
        asked(sketched(weights, f"asked-{number}"), index)
    assert made == ["asked-0", "asked-1", "asked-2"]
