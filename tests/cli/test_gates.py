"""`whois` of several checkpoints, and `--gate` of `whois` and `compare`, as a script meets them."""

from __future__ import annotations

import csv
import json

import pytest

from lineage import api
from lineage.errors import Locked
from tests.cli.conftest import Desk, Run, start
from tests.cli.test_policies import halved
from tests.cli.test_schemas import check
from tests.small_models import saved, trained


@pytest.fixture
def at_home(run: Run, desk: Desk) -> tuple[object, ...]:
    done = run("ingest", desk.base, "--index", desk.index)
    assert done.code == 0, done.err
    return ("--index", desk.index, "--no-reference")


@pytest.fixture
def pruned(desk: Desk) -> object:
    return saved(halved(trained(1)), desk.folder / "pruned.safetensors")


@pytest.fixture
def broken(desk: Desk) -> object:
    path = desk.folder / "broken.safetensors"
    path.write_bytes(b"\xff" * 64)
    return path


class TestSeveral:
    def test_a_file_lists_them_and_a_table_has_their_answers(self, run, desk, at_home, broken):
        listed = desk.folder / "models.txt"
        listed.write_text(f"# of this week\n\n{desk.child}  # tuned\n{broken}\n{desk.stranger}\n")
        out = desk.folder / "answers.csv"
        done = run("whois", "--from", listed, "--table", out, *at_home, "--json")
        assert (done.code, len(done.lines)) == (12, 3)
        rows = list(csv.DictReader(out.read_text().splitlines()))
        assert [row["checkpoint"] for row in rows] == [str(desk.child), str(broken), str(desk.stranger)]
        child, bad, stranger = rows
        (first, _, _) = done.lines
        assert (child["verdict"], child["relatives"]) == (first["verdict"], "base")
        assert child["said"].startswith(first["verdict"].upper())
        assert (bad["verdict"], bad["error"].startswith(str(broken))) == ("", True)
        assert (stranger["verdict"], stranger["relatives"], stranger["error"]) == ("independent", "", "")

    def test_a_table_of_one_and_of_none(self, run, desk, at_home):
        assert run("whois", desk.child, "--table", desk.folder / "one.csv", *at_home).code == 0
        assert len((desk.folder / "one.csv").read_text().splitlines()) == 2
        (desk.folder / "none.txt").write_text("# nothing\n")
        assert run("whois", "--from", desk.folder / "none.txt", *at_home).code == 2
        (desk.folder / "bad.txt").write_bytes(b"\xff\xfe")
        assert run("whois", "--from", desk.folder / "bad.txt", *at_home).code == 2
        assert run("whois", *at_home).code == 2

    def test_each_has_its_line_in_order_and_one_alone_is_as_ever(self, run, desk, at_home, pruned):
        done = run("whois", desk.child, desk.stranger, pruned, *at_home, "--json")
        assert (done.code, done.err) == (0, "")
        assert [one["checkpoint"]["name"] for one in done.lines] == ["child", "stranger", "pruned"]
        assert [one["verdict"] for one in done.lines] == ["related", "independent", "derived"]
        alone = run("whois", desk.child, *at_home, "--json")
        assert alone.out.startswith('{\n  "schema": "lineage/whois/2"')
        assert {**alone.json, "timings": None} == {**done.lines[0], "timings": None}
        for line in done.lines:
            check("whois.json", line)

    def test_screens_follow_each_other(self, run, desk, at_home, pruned):
        done = run("whois", desk.child, pruned, *at_home)
        alone = [run("whois", one, *at_home).out for one in (desk.child, pruned)]
        assert done.out == "".join(f"{screen}\n" for screen in alone)

    def test_a_bad_one_stops_no_other_and_keeps_its_place(self, run, desk, at_home, broken):
        done = run("whois", broken, desk.child, *at_home, "--json")
        assert done.code == 12
        failed, answer = done.lines
        check("failed.json", failed)
        assert (failed["path"], failed["exit_code"]) == (str(broken), 12)
        assert done.err == f"lineage: {failed['error']}\n"
        assert answer["checkpoint"]["name"] == "child"

    def test_failures_of_two_kinds_end_with_1(self, run, desk, at_home, broken, monkeypatch):
        whois = api.whois

        def odd(checkpoint: str, *words: object, **more: object) -> object:
            if checkpoint == "odd":
                raise ZeroDivisionError
            return whois(checkpoint, *words, **more)

        monkeypatch.setattr(api, "whois", odd)
        done = run("whois", broken, "odd", desk.child, *at_home)
        assert done.code == 1
        assert len(done.err.splitlines()) == 2
        assert "RELATED to base" in done.out

    def test_what_is_wrong_with_the_index_is_said_once(self, run, desk, monkeypatch):
        done = run("whois", desk.child, desk.base, "--index", desk.folder / "none", "--no-reference")
        assert (done.code, len(done.err.splitlines())) == (10, 1)
        monkeypatch.setattr(api, "whois", lambda *_, **__: (_ for _ in ()).throw(Locked("busy")))
        assert run("whois", desk.child, desk.base).code == 11

    def test_a_report_or_an_adapter_is_about_one(self, run, desk, monkeypatch):
        monkeypatch.setattr(api, "whois", lambda *_, **__: pytest.fail("worked for nothing"))
        for words in (("--report", desk.folder / "out.html"), ("--adapter", desk.folder)):
            done = run("whois", desk.child, desk.base, *words)
            assert (done.code, f"{words[0]} takes one CHECKPOINT" in done.err) == (2, True)

    def test_none_is_a_usage_error(self, run):
        assert run("whois").code == 2

    def test_in_a_process_of_its_own(self, desk, run, at_home, broken):
        with start("whois", desk.child, broken, *at_home, "--json") as process:
            out, err = process.communicate(timeout=120)
        assert process.returncode == 12
        assert [json.loads(line)["schema"] for line in out.splitlines()] == ["lineage/whois/2", "lineage/failed/1"]
        assert len(err.splitlines()) == 1


class TestGateOfWhois:
    @pytest.mark.parametrize(
        ("words", "code"),
        [("derived", 20), ("pruned", 20), ("identical,pruned", 20), ("identical, related", 0), ("quantized", 0)],
    )
    def test_of_what_was_made_from_a_known_model(self, run, at_home, pruned, words, code):
        assert run("whois", pruned, *at_home, "--gate", words).code == code

    @pytest.mark.parametrize(
        ("words", "code"), [("derived", 30), ("fine-tuned", 30), ("related", 20), ("identical", 0), ("pruned", 0)]
    )
    def test_an_open_direction_never_trips_descent(self, run, desk, at_home, words, code):
        assert run("whois", desk.child, *at_home, "--gate", words).code == code

    def test_a_copy_and_a_stranger(self, run, desk, at_home):
        assert run("whois", desk.base, *at_home, "--gate", "identical").code == 20
        assert run("whois", desk.stranger, *at_home, "--gate", "derived,partly-derived,identical,related").code == 0

    def test_of_several_what_was_found_goes_before_failures_and_these_before_what_is_open(
        self, run, desk, at_home, pruned, broken
    ):
        assert run("whois", desk.child, broken, pruned, *at_home, "--gate", "derived").code == 20
        assert run("whois", desk.child, broken, *at_home, "--gate", "derived").code == 12
        assert run("whois", desk.child, desk.stranger, *at_home, "--gate", "derived").code == 30

    def test_an_unknown_word_is_a_usage_error_before_any_work(self, run, desk, monkeypatch):
        monkeypatch.setattr(api, "whois", lambda *_, **__: pytest.fail("worked for nothing"))
        for words in ("stolen", "derived,", ""):
            done = run("whois", desk.child, "--gate", words)
            assert (done.code, "is not a relation or verdict" in done.err) == (2, True)


class TestGateOfCompare:
    @pytest.mark.parametrize(("words", "code"), [("pruned", 20), ("derived", 20), ("fine-tuned", 0)])
    def test_says_what_the_first_is_to_the_second(self, run, desk, pruned, words, code):
        assert run("compare", pruned, desk.base, "--gate", words).code == code
        assert run("compare", desk.base, pruned, "--gate", words).code == 0

    @pytest.mark.parametrize(("words", "code"), [("derived", 30), ("fine-tuned", 30), ("related", 20), ("pruned", 0)])
    def test_an_open_direction_never_trips_descent(self, run, desk, words, code):
        for pair in ((desk.child, desk.base), (desk.base, desk.child)):
            assert run("compare", *pair, "--gate", words).code == code

    def test_prints_what_it_prints_without(self, run, desk, pruned):
        plain, gated = (run("compare", pruned, desk.base, *more) for more in ((), ("--gate", "pruned")))
        assert gated.out == plain.out
