"""`whois --report` and `graph -o F.html`, as a person or a script meets them."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest
from disguises import permuted
from safetensors.numpy import save_file

from lineage import api
from lineage.report import graphs
from lineage.report import json as report_json
from lineage.sketch import sketch_checkpoint
from tests.cli.conftest import Desk, Run
from tests.disguised_models import llama
from tests.html_pages import parsed, plain_answer
from tests.standards import CHECKS, SOURCES


@pytest.fixture
def at_home(run: Run, desk: Desk) -> tuple[object, ...]:
    """The words that ask an index of base and unrelated model alone."""
    done = run("ingest", desk.base, desk.stranger, "--index", desk.index)
    assert done.code == 0, done.err
    return ("--index", desk.index, "--no-reference")


class TestReport:
    @pytest.mark.parametrize(
        ("words", "language", "verdict"), [((), "en", "Related"), (("--lang", "ko"), "ko", "연관 있음")]
    )
    def test_is_a_page_beside_the_screen(self, run, desk, at_home, words, language, verdict):
        target = desk.folder / "out.html"
        done = run("whois", desk.child, *at_home, "--report", target, *words)
        assert (done.code, done.err) == (0, "")
        assert "RELATED to base" in done.out
        page = parsed(target.read_bytes())
        assert page.attributes[0] == ("html", {"lang": language})
        assert verdict in page.text
        assert "base" in page.text

    def test_carries_the_json_that_is_printed(self, run, desk, at_home):
        target = desk.folder / "out.html"
        done = run("whois", desk.child, *at_home, "--report", target, "--json")
        assert parsed(target.read_bytes()).data == done.json

    def test_brings_the_null_of_its_figures(self, run, desk, at_home):
        value = run("whois", desk.child, *at_home, "--json").json["null"]
        assert value["models"] == 1
        assert {one["model_name"] for one in value["unrelated"]} == {"stranger"}
        assert {one["model_name"] for one in value["relabelled"]} == {"base"}

    @pytest.mark.parametrize(("words", "language"), [((), "ko"), (("--lang", "en"), "en")])
    def test_the_ending_may_say_the_language(self, run, desk, at_home, words, language):
        target = desk.folder / "out.ko.html"
        assert run("whois", desk.child, *at_home, "--report", target, *words).code == 0
        assert parsed(target.read_bytes()).attributes[0] == ("html", {"lang": language})

    def test_another_ending_or_language_is_a_usage_error_before_any_work(self, run, desk, monkeypatch):
        monkeypatch.setattr(api, "whois", lambda *_, **__: pytest.fail("worked for nothing"))
        target = desk.folder / "out.pdf"
        done = run("whois", desk.child, "--report", target)
        assert (done.code, done.err) == (2, run("graph", "-o", target).err)
        assert run("whois", desk.child, "--report", desk.folder / "out.html", "--lang", "xx").code == 2
        for words in (("--report", desk.folder / "out.cdx.json"), ()):
            done = run("whois", desk.child, *words, "--lang", "ko")
            assert (done.code, "--lang is the language of a page" in done.err) == (2, True)

    def test_a_folder_that_is_not_there_fails_in_one_line_and_leaves_nothing(self, run, desk, at_home):
        done = run("whois", desk.child, *at_home, "--report", desk.folder / "no" / "out.html")
        assert done.code == 1
        assert len(done.err.splitlines()) == 1
        assert not (desk.folder / "no").exists()


class TestExports:
    """`--report` with the endings of `graph -o`, about a model that no index holds."""

    @pytest.mark.parametrize("ending", sorted(set(graphs.ENDINGS) - {".html", ".ko.html"}))
    def test_every_ending_is_taken_and_names_model_and_ancestor(self, run, desk, at_home, ending):
        target = desk.folder / f"child-1{ending}"
        done = run("whois", desk.child, *at_home, "--report", target)
        assert (done.code, done.err) == (0, "")
        assert "RELATED to base" in done.out
        made = target.read_bytes()
        if ending in CHECKS:
            CHECKS[ending](made)
        if ending in SOURCES:
            assert SOURCES[ending](made) == ["measured"]
        if ending != ".png":
            assert b"child" in made
            assert (b"base" in made) == (ending != ".card.yaml")  # whose direction is open, so no card names it
            assert str(desk.folder) not in made.decode()

    @pytest.mark.parametrize("ending", sorted(graphs.STATEMENTS))
    def test_a_statement_names_the_file_that_was_read_and_no_other(self, run, desk, at_home, ending):
        target = desk.folder / f"child{ending}"
        assert run("whois", desk.child, *at_home, "--report", target).code == 0
        page = target.read_text()
        assert sha256(desk.child.read_bytes()).hexdigest() in page
        assert sha256(desk.base.read_bytes()).hexdigest() not in page

    def test_a_statement_takes_one_sketch(self, run, desk, at_home, monkeypatch):
        asked: list[str] = []

        def counted(checkpoint, *given, **named):
            asked.append(checkpoint.path)
            return sketch_checkpoint(checkpoint, *given, **named)

        monkeypatch.setattr("lineage.sketch.sketch_checkpoint", counted)
        monkeypatch.setattr("lineage.sketch.file_digests.sketch_checkpoint", counted)
        assert run("whois", desk.child, *at_home, "--report", desk.folder / "once.cdx.json").code == 0
        assert asked == [str(desk.child)]

    def test_an_in_toto_statement_is_about_the_file(self, run, desk, at_home):
        target = desk.folder / "child.intoto.json"
        run("whois", desk.child, *at_home, "--depth", "sampled", "--report", target)
        assert json.loads(target.read_text())["subject"] == [
            {"name": desk.child.name, "digest": {"sha256": sha256(desk.child.read_bytes()).hexdigest()}}
        ]

    def test_a_sketch_is_vouched_for_by_its_content_alone(self, run, desk, at_home):
        sketch, target = desk.folder / "child.sketch", desk.folder / "child.intoto.json"
        assert run("sketch", desk.child, "-o", sketch).code == 0
        assert run("whois", sketch, *at_home, "--report", target).code == 0
        (subject,) = json.loads(target.read_text())["subject"]
        assert list(subject["digest"]) == ["lineageContent"]

    def test_an_indexed_model_is_told_as_graph_tells_it(self, run, desk, at_home):
        assert run("ingest", desk.child, "--index", desk.index).code == 0
        for ending in (".cdx.json", ".csv", ".graphml"):
            ours, theirs = desk.folder / f"whois{ending}", desk.folder / f"graph{ending}"
            assert run("whois", desk.child, *at_home, "--report", ours).code == 0
            assert run("graph", "child", *at_home, "-o", theirs).code == 0
            assert ours.read_bytes() == theirs.read_bytes()


class TestRelatives:
    def test_of_an_indexed_model_are_those_of_its_graph(self, run, desk, at_home):
        assert run("ingest", desk.child, "--index", desk.index).code == 0
        answer = api.whois(desk.child, desk.index, reference=False)
        found = api.relatives(answer, desk.index, reference=False)
        assert {node.name for node in found.nodes} == {"base", "child"}

    def test_of_any_other_are_those_of_its_ancestors(self, desk, at_home):
        answer = api.whois(desk.child, desk.index, reference=False)
        assert [node.name for node in api.relatives(answer, desk.index, reference=False).nodes] == ["base"]

    def test_are_not_waited_for_where_many_models_have_no_place_yet(self, desk, at_home, monkeypatch):
        answer = api.whois(desk.child, desk.index, reference=False)
        monkeypatch.setattr("lineage.api.graphs._SOON_PLACED", 1)
        monkeypatch.setattr("lineage.api.graphs.whole_graph", lambda *_: pytest.fail("waited"))
        (base,) = api.relatives(answer, desk.index, reference=False).nodes
        assert (base.name, base.params, base.copies) == ("base", answer.sketch.params, ())

    def test_of_an_indexed_model_without_a_place_are_its_ancestors_alone(self, run, desk, at_home, monkeypatch):
        assert run("ingest", desk.child, "--index", desk.index).code == 0
        monkeypatch.setattr("lineage.api.graphs._SOON_PLACED", 1)
        answer = api.whois(desk.child, desk.index, reference=False)
        found = api.relatives(answer, desk.index, reference=False)
        assert answer.sketch.id not in {node.id for node in found.nodes}
        assert found.edges == ()


def test_an_answer_without_a_null_is_json_all_the_same():
    assert report_json.whois(plain_answer("independent"))["null"] == {
        "models": 0,
        "matrices": 0,
        "unrelated": [],
        "relabelled": [],
    }


class TestCompare:
    @pytest.mark.parametrize(("words", "language"), [((), "en"), (("--lang", "ko"), "ko")])
    def test_is_a_page_beside_the_screen_that_carries_the_json(self, run, desk, words, language):
        target = desk.folder / "out.html"
        done = run("compare", desk.child, desk.base, "--report", target, *words, "--json")
        assert (done.code, done.err) == (0, "")
        page = parsed(target.read_bytes())
        assert page.attributes[0] == ("html", {"lang": language})
        assert page.data == done.json

    @pytest.mark.parametrize("ending", sorted(set(graphs.ENDINGS) - graphs.UPWARD - {".html", ".ko.html"}))
    def test_other_endings_are_the_graph_of_the_two(self, run, desk, ending):
        target = desk.folder / f"pair{ending}"
        assert run("compare", desk.child, desk.base, "--report", target).code == 0
        made = target.read_bytes()
        if ending in SOURCES:
            assert SOURCES[ending](made) == ["measured"]
        if ending != ".png":
            assert b"child" in made
            assert b"base" in made

    def test_an_open_pair_is_an_edge_without_a_direction(self, run, desk):
        target = desk.folder / "pair.json"
        assert run("compare", desk.child, desk.base, "--report", target).code == 0
        assert [edge["directed"] for edge in json.loads(target.read_text())["edges"]] == [False]

    def test_what_cannot_be_written_is_refused_before_any_work(self, run, desk, monkeypatch):
        monkeypatch.setattr(api, "find", lambda *_, **__: pytest.fail("worked for nothing"))
        for ending in sorted(graphs.UPWARD):
            done = run("compare", desk.child, desk.base, "--report", desk.folder / f"pair{ending}")
            assert (done.code, "`lineage whois A --report`" in done.err) == (2, True)
        assert run("compare", desk.child, desk.base, "--report", desk.folder / "pair.pdf").code == 2
        assert run("compare", desk.child, desk.base, "--lang", "ko").code == 2

    def test_goes_with_a_gate(self, run, desk):
        target = desk.folder / "out.html"
        assert run("compare", desk.child, desk.base, "--report", target, "--gate", "related").code == 20
        assert target.is_file()


def test_the_first_line_of_a_disguised_model_says_so(run, tmp_path):
    for name, arrays in {"base": llama(1), "hidden": permuted(llama(1), 5)}.items():
        save_file(arrays, tmp_path / f"{name}.safetensors")
    run("ingest", tmp_path / "base.safetensors", "--index", tmp_path / "index")
    said = run("whois", tmp_path / "hidden.safetensors", "--index", tmp_path / "index", "--no-reference").out
    first = " ".join(said.splitlines()[0].split())
    assert first.startswith("hidden RELATED to base (disguised,")
    assert first.endswith("which came first is open")
