"""A sketch that was handed over claims to be a model: every answer says so, and the weights have the last word."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest

from lineage import api
from lineage.sketch import write_sketch
from lineage.sketch.layouts import content_id
from lineage.types import CheckpointSketch
from tests.cli.conftest import Desk, Run
from tests.cli.test_schemas import check

SAID = "weights not seen here"


def forged(digests: CheckpointSketch, figures: CheckpointSketch) -> CheckpointSketch:
    """The figures of one model under the digests of another, as type float64, of which no sketch holds all digits."""
    tensors = tuple(
        replace(b, digest=a.digest, band_digest=a.band_digest, dtype="float64")
        for a, b in zip(digests.tensors, figures.tensors, strict=True)
    )
    return replace(figures, id=content_id(tensors, digests.depth), tensors=tensors, name="squatter")


@pytest.fixture
def squatter(desk: Desk) -> Path:
    """A sketch with the digests of the base and the figures of the unrelated model."""
    path = desk.folder / "squatter.sketch"
    write_sketch(forged(api.sketch(desk.base), api.sketch(desk.stranger)), path)
    return path


@pytest.fixture
def handed(desk: Desk) -> Path:
    """A true sketch of the base, named as its sender likes."""
    path = desk.folder / "handed.sketch"
    api.save_sketch(replace(api.sketch(desk.base), name="handed"), path)
    return path


@pytest.fixture
def ask(run: Run, desk: Desk):
    return lambda *words: run(*words, "--index", desk.index, "--no-reference")


class TestSquatter:
    def test_the_weights_take_its_place_and_say_so(self, run, ask, desk, squatter):
        run("ingest", squatter, "--index", desk.index)
        done = run("ingest", desk.base, "--index", desk.index)
        assert done.code == 0
        assert "contradicts the weights: it was forged or damaged" in done.err
        assert "copy of" not in done.out
        (listed,) = ask("list", "--json").json["models"]
        assert (listed["name"], listed["weights_seen"], listed["aliases"]) == ("base", True, [])
        assert "squatter" not in ask("list").out
        assert run("doctor", "--index", desk.index).code == 0
        assert ask("whois", desk.base).out.splitlines()[0].startswith("base   IDENTICAL to base")

    def test_ingest_tells_a_script(self, run, desk, squatter):
        (line,) = run("ingest", squatter, "--index", desk.index, "--json").lines
        assert (line["weights_seen"], line["contradicted"]) == (False, None)
        (line,) = run("ingest", desk.base, "--index", desk.index, "--json").lines
        check("ingest.json", line)
        assert (line["event"], line["weights_seen"], line["contradicted"]) == ("ingested", True, "squatter")

    def test_it_is_refused_beside_the_weights(self, run, ask, desk, squatter):
        run("ingest", desk.base, "--index", desk.index)
        for done in (run("ingest", squatter, "--index", desk.index), ask("whois", squatter),
                     ask("compare", squatter, "base"), ask("compare", "base", squatter)):  # fmt: skip
            assert done.code == 12
            assert "has different values from base, whose id it bears: one of the two is forged" in done.err
            assert "\n" not in done.err.strip()
        assert len(ask("list", "--json").json["models"]) == 1

    def test_whois_of_the_true_weights_is_loud_and_owes_nothing_to_it(self, run, ask, desk, squatter):
        run("ingest", squatter, "--index", desk.index)
        done = ask("whois", desk.base)
        first, second = done.out.splitlines()[:2]
        assert "IDENTICAL" not in first
        assert "INDEPENDENT" not in first
        assert second.startswith("  contradiction: the sketch squatter, which was handed over under the id of these")
        value = ask("whois", desk.base, "--json").json
        check("whois.json", value)
        (fact,) = value["handed_over"]
        assert (fact["id"], fact["values"]["figure"]) == ("claim-contradicted", "values")
        assert value["limits"]["models_searched"] == 0

    def test_whois_of_whose_figures_it_has_says_on_whose_word(self, run, ask, desk, squatter):
        run("ingest", squatter, "--index", desk.index)
        first, second = ask("whois", desk.stranger).out.splitlines()[:2]
        assert "to squatter" in first
        assert f"{SAID}: those of squatter" in first
        assert second.startswith(f"  {SAID}: squatter")

    def test_two_sketches_that_contradict_each_other_are_not_both_taken(self, run, ask, desk, squatter, handed):
        run("ingest", squatter, "--index", desk.index)
        assert run("ingest", handed, "--index", desk.index).code == 12
        told = ask("whois", handed).out
        assert "one of the two is forged or damaged; squatter was left out" in " ".join(told.split())


class TestTrueSketch:
    @pytest.fixture(autouse=True)
    def only_handed(self, run: Run, desk: Desk, handed: Path):
        run("ingest", handed, desk.stranger, "--index", desk.index)

    @pytest.mark.parametrize("what", ["whois", "compare", "trace", "descendants", "graph", "list", "show", "decompose"])
    def test_every_answer_says_so_at_its_beginning(self, run, ask, desk, what):
        run("ingest", desk.child, "--index", desk.index) if what in ("trace", "descendants", "graph") else None
        words = {
            "whois": ("whois", desk.child), "compare": ("compare", desk.child, "handed"), "trace": ("trace", "handed"),
            "descendants": ("descendants", "handed"), "graph": ("graph",), "list": ("list",),
            "show": ("show", "handed"), "decompose": ("decompose", "handed"),
        }[what]  # fmt: skip
        done = ask(*words)
        assert done.code == 0, done.err
        lines = done.out.splitlines()[:4]
        assert any("not seen here" in line or "handed over" in line for line in lines), lines

    @pytest.mark.parametrize(
        "words", [("audit", "--policy", "from-scratch"), ("verify", "--claims")], ids=lambda w: w[0]
    )
    def test_policies_and_claims_say_so(self, ask, desk, words):
        command, option, *rest = words
        card = desk.folder / "claims.md"
        card.write_text("This model was trained from scratch.\n")
        done = ask(command, desk.child, option, *(rest or [card]))
        assert done.code in (0, 20, 21), done.err
        assert done.out.splitlines()[1].startswith(f"  {SAID}: handed")
        value = ask(command, desk.child, option, *(rest or [card]), "--json").json
        check(f"{command}.json", value)
        assert value["handed_over"][0]["values"]["names"] == ["handed"]

    def test_json_says_so_of_every_model(self, ask, desk):
        assert {m["name"]: m["weights_seen"] for m in ask("list", "--json").json["models"]} == {
            "handed": False, "stranger": True,
        }  # fmt: skip
        assert ask("show", "handed", "--json").json["weights_seen"] is False
        compared = ask("compare", desk.child, "handed", "--json").json
        check("compare.json", compared)
        assert (compared["a"]["weights_seen"], compared["b"]["weights_seen"]) == (True, False)
        assert [fact["id"] for fact in compared["handed_over"]] == ["weights-unseen"]
        value = ask("whois", desk.child, "--json").json
        assert [fact["id"] for fact in value["handed_over"]] == ["weights-unseen"]
        assert {n["name"]: n["weights_seen"] for n in ask("graph", "--json").json["nodes"]}["handed"] is False

    @pytest.mark.parametrize("lang", ["en", "ko"])
    @pytest.mark.parametrize("command", ["whois", "compare"])
    def test_a_page_says_so_before_its_sentences(self, ask, desk, command, lang):
        page = desk.folder / "out.html"
        other = ("handed",) if command == "compare" else ()
        assert ask(command, desk.child, *other, "--report", page, "--lang", lang).code == 0
        text = page.read_text()
        said = {"en": SAID, "ko": "가중치를 여기서 보지 못함"}[lang]
        assert text.index(f"{said}: handed") < text.index("<nav")

    @pytest.mark.parametrize(
        "ending", ["svg", "dot", "mmd", "graphml", "gexf", "cdx.json", "spdx.json", "prov.json", "intoto.json"]
    )
    def test_every_format_of_the_graph_says_so(self, run, ask, desk, ending):
        target = desk.folder / f"out.{ending}"
        assert ask("graph", "handed", "-o", target).code == 0
        told = target.read_text()
        assert any(words in told for words in ("weights not seen", "weights_seen"))

    def test_cells_and_cards_say_so(self, run, ask, desk):
        run("ingest", desk.child, "--index", desk.index)
        ask("graph", "-o", desk.folder / "out.csv")
        rows = list(csv.DictReader(StringIO((desk.folder / "out.csv").read_text())))
        seen = {row[f"{end}_name"]: row[f"{end}_weights_seen"] for row in rows for end in ("parent", "child")}
        assert seen == {"handed": "false", "child": "true"}

    def test_a_copy_whose_weights_were_seen_is_enough(self, run, ask, desk):
        run("ingest", desk.base, "--index", desk.index)
        done = ask("whois", desk.base)
        assert SAID not in done.out
        (listed,) = [m for m in ask("list", "--json").json["models"] if m["weights_seen"] and m["name"] != "stranger"]
        assert "handed" in listed["aliases"]

    def test_a_sketch_that_is_asked_about_is_one_too(self, ask, handed):
        first, second = ask("whois", handed).out.splitlines()[:2]
        assert first.endswith(f"{SAID}: its own and those of handed")
        assert "sender's word" in second


def test_the_reference_is_the_word_of_its_makers(run, desk):
    listed = run("list", "--json", "--index", desk.index).json if desk.index.exists() else run("list", "--json").json
    assert {model["weights_seen"] for model in listed["models"] if model["reference"]} == {True}


def test_a_sketch_tells_its_seal(run, desk):
    done = run("sketch", desk.base, "-o", desk.folder / "m.sketch", "--json")
    head = done.json
    run("ingest", desk.base, "--index", desk.index)
    assert run("show", "base", "--index", desk.index, "--no-reference", "--json").json["seal"] == head["seal"]
    assert head["seal"] in run("sketch", desk.base, "-o", desk.folder / "m.sketch").out
    assert json.dumps(head).count(head["seal"]) == 1
