"""`descendants`, as someone meets it whose base was withdrawn."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lineage import api
from lineage.report import graphs
from tests.adapter_files import drawn, write_adapter
from tests.cli.conftest import Desk, Run
from tests.cli.test_schemas import check
from tests.small_models import saved, trained, tuned


def halved(weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The smaller half of each matrix set to zero: made from the weights, never the other way round."""
    return {
        name: np.where(np.abs(w) < np.median(np.abs(w)), 0, w).astype(w.dtype) if w.ndim > 1 else w
        for name, w in weights.items()
    }


@pytest.fixture
def at_home(run: Run, desk: Desk) -> tuple[object, ...]:
    """An index of a base, a pruning of it, what is only related to it, and an unrelated model."""
    pruned = saved(halved(trained(1)), desk.folder / "pruned.safetensors")
    done = run("ingest", desk.base, desk.child, desk.stranger, pruned, "--index", desk.index)
    assert done.code == 0, done.err
    return ("--index", desk.index, "--no-reference")


def names(listed: list[dict[str, object]]) -> list[object]:
    return [one["model"]["name"] for one in listed]  # type: ignore[index]


def test_what_was_made_from_it_descends_and_what_is_only_related_is_open(run, at_home):
    value = run("descendants", "base", *at_home, "--json").json
    check("descendants.json", value)
    assert names(value["descendants"]) == ["pruned"]
    assert names(value["open"]) == ["child"]
    (pruned,) = value["descendants"]
    assert (pruned["generation"], pruned["relation"], len(pruned["way"])) == (1, "pruned", 1)
    assert value["open"][0]["probability"] is None
    assert value["limits"]["models_searched"] == 4


def test_the_first_line_may_be_quoted(run, at_home):
    first = " ".join(run("descendants", "base", *at_home).out.splitlines()[:2])
    assert first.startswith("base   1 known model descends from it, probability ")
    assert first.endswith("; 1 more is related, which came first is open")
    assert (
        run("descendants", "stranger", *at_home).out.splitlines()[0] == "stranger   no descendant found among 4 models"
    )


def test_a_child_has_no_parent_among_its_descendants(run, at_home):
    value = run("descendants", "pruned", *at_home, "--json").json
    assert (value["descendants"], value["open"]) == ([], [])


def test_a_checkpoint_need_not_be_in_an_index(run, desk, at_home):
    assert run("remove", "base", "--index", desk.index).code == 0
    sketch = desk.folder / "base.sketch"
    assert run("sketch", desk.base, "-o", sketch).code == 0
    for asked in (desk.base, sketch):
        value = run("descendants", asked, *at_home, "--json").json
        assert value["model"]["name"] == "base"
        assert names(value["descendants"]) == ["pruned"]
    assert {one.record.name for one in api.models(desk.index, reference=False)} == {"child", "pruned", "stranger"}


def test_a_copy_of_a_known_model_has_its_descendants(run, desk, at_home):
    copy = saved({f"model.{name}": w for name, w in trained(1).items()}, desk.folder / "copy.safetensors")
    assert names(run("descendants", copy, *at_home, "--json").json["descendants"]) == ["pruned"]


@pytest.mark.parametrize("ending", sorted(set(graphs.ENDINGS) - graphs.UPWARD))
def test_is_written_as_a_graph(run, desk, at_home, ending):
    target = desk.folder / f"below{ending}"
    done = run("descendants", "base", *at_home, "-o", target)
    assert (done.code, done.err) == (0, "")
    made = target.read_bytes()
    if ending != ".png":
        assert b"pruned" in made
        assert b"stranger" not in made


def test_the_graph_holds_the_model_and_what_is_below_alone(run, desk, at_home):
    assert run("descendants", "pruned", *at_home, "-o", desk.folder / "below.json").code == 0
    assert [one["name"] for one in json.loads((desk.folder / "below.json").read_text())["nodes"]] == ["pruned"]


@pytest.mark.parametrize("ending", sorted(graphs.UPWARD))
def test_a_statement_leads_up_and_is_refused_before_any_work(run, desk, monkeypatch, ending):
    monkeypatch.setattr(api, "descendants", lambda *_, **__: pytest.fail("worked for nothing"))
    done = run("descendants", "base", "-o", desk.folder / f"below{ending}")
    assert (done.code, "`lineage graph MODEL -o`" in done.err) == (2, True)


def test_what_cannot_be_asked_about_ends_in_one_line(run, desk, at_home):
    broken = desk.folder / "broken.safetensors"
    broken.write_bytes(b"\xff" * 64)
    lora = write_adapter(desk.folder / "lora", drawn({"encoder.layer.0.output.dense": (64, 256)}, 4, 3))
    asked = {"nobody": 1, broken: 12, lora: 1}
    for model, code in asked.items():
        done = run("descendants", model, *at_home)
        assert (done.code, done.out, len(done.err.splitlines())) == (code, "", 1)
    assert run("descendants", "base", "--index", desk.folder / "none", "--no-reference").code == 10


def test_a_card_alone_makes_no_descendant(run, desk, at_home):
    folder = desk.folder / "claims"
    folder.mkdir()
    saved(trained(9), folder / "model.safetensors")
    (folder / "README.md").write_text("---\nbase_model: base\n---\n")
    assert run("ingest", folder, "--index", desk.index).code == 0
    value = run("descendants", "base", *at_home, "--json").json
    check("descendants.json", value)
    assert "claims" not in {*names(value["descendants"]), *names(value["open"])}
    assert [one["child_name"] for one in value["declared"]] == ["claims"]
    assert "declared, not measured: claims from base" in run("descendants", "base", *at_home).out


def test_the_same_for_every_order_of_ingest(run, desk, at_home):
    other = desk.folder / "other"
    grand = saved(tuned(halved(trained(1)), 5), desk.folder / "grand.safetensors")
    assert run("ingest", grand, "--index", desk.index).code == 0
    for path in (grand, desk.folder / "pruned.safetensors", desk.stranger, desk.child, desk.base):
        assert run("ingest", path, "--index", other).code == 0
    one, two = (
        run("descendants", "base", "--index", index, "--no-reference", "--json").json for index in (desk.index, other)
    )
    assert {**one, "limits": None} == {**two, "limits": None}
