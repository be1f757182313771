"""`whois --report` and `graph -o F.html`, as a person or a script meets them."""

from __future__ import annotations

import pytest

from lineage import api
from lineage.report import json as report_json
from lineage.types import Lineage
from tests.cli.conftest import Desk, Run
from tests.html_pages import parsed, plain_answer


@pytest.fixture
def at_home(run: Run, desk: Desk) -> tuple[object, ...]:
    """The words that ask an index of base and stranger alone."""
    done = run("ingest", desk.base, desk.stranger, "--index", desk.index)
    assert done.code == 0, done.err
    return ("--index", desk.index, "--no-reference")


class TestReport:
    @pytest.mark.parametrize(
        ("words", "language", "verdict"), [((), "en", "Derived"), (("--lang", "ko"), "ko", "파생")]
    )
    def test_is_a_page_beside_the_screen(self, run, desk, at_home, words, language, verdict):
        target = desk.folder / "out.html"
        done = run("whois", desk.child, *at_home, "--report", target, *words)
        assert (done.code, done.err) == (0, "")
        assert "DERIVED" in done.out
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

    def test_another_ending_or_language_is_a_usage_error_before_any_work(self, run, desk, monkeypatch):
        monkeypatch.setattr(api, "whois", lambda *_, **__: pytest.fail("worked for nothing"))
        assert run("whois", desk.child, "--report", desk.folder / "out.pdf").code == 2
        assert run("whois", desk.child, "--report", desk.folder / "out.html", "--lang", "xx").code == 2

    def test_a_folder_that_is_not_there_fails_in_one_line_and_leaves_nothing(self, run, desk, at_home):
        done = run("whois", desk.child, *at_home, "--report", desk.folder / "no" / "out.html")
        assert done.code == 1
        assert len(done.err.splitlines()) == 1
        assert not (desk.folder / "no").exists()


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
        monkeypatch.setattr(api, "_SOON_PLACED", 1)
        assert api.relatives(answer, desk.index, reference=False) == Lineage((), ())
        api.graph(index=desk.index, reference=False)
        assert [node.name for node in api.relatives(answer, desk.index, reference=False).nodes] == ["base"]


def test_an_answer_without_a_null_is_json_all_the_same():
    assert report_json.whois(plain_answer("independent"))["null"] == {
        "models": 0,
        "matrices": 0,
        "unrelated": [],
        "relabelled": [],
    }
