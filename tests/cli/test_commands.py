"""What each command promises, as a person or a script meets it."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from lineage import api, store
from lineage.sketch import read_sketch
from tests.cli.conftest import Desk, Run, start
from tests.relaid import renamed, turned
from tests.small_models import as_of_another_family, saved, trained


@pytest.fixture
def ingested(run: Run, desk: Desk) -> str:
    """Id of the base in the index, beside the unrelated model."""
    done = run("ingest", desk.base, desk.stranger, "--index", desk.index, "--json")
    assert done.code == 0, done.err
    return next(line["id"] for line in done.lines if line["path"] == str(desk.base))


class TestIngest:
    def test_says_what_became_of_each_path(self, run, desk):
        done = run("ingest", desk.base, desk.child, "--index", desk.index, "--json")
        assert {(line["event"], line["path"]) for line in done.lines} == {
            ("ingested", str(desk.base)), ("ingested", str(desk.child)),
        }  # fmt: skip
        assert done.err == ""

    def test_the_same_content_again_is_unchanged_even_under_another_name(self, run, desk, ingested):
        copy = saved(trained(1), desk.folder / "copy.safetensors")
        done = run("ingest", desk.base, copy, "--index", desk.index, "--json")
        assert [line["event"] for line in done.lines] == ["unchanged", "unchanged"]
        assert {line["id"] for line in done.lines} == {ingested}
        aliases = run("show", ingested, "--index", desk.index, "--no-reference", "--json").json["aliases"]
        assert str(copy) in aliases

    def test_the_same_values_under_other_names_or_turned_are_said_to_be_a_copy(self, run, desk, ingested):
        copy = saved(renamed(trained(1)), desk.folder / "copy.safetensors")
        flipped = saved(turned(trained(1)), desk.folder / "flipped.safetensors")
        done = run("ingest", copy, flipped, desk.child, "--index", desk.index, "--json", "--workers", 1)
        told = {line["name"]: (line["event"], line["copy_of"]) for line in done.lines}
        assert told == {
            "copy": ("ingested", "base"), "flipped": ("ingested", "base"), desk.child.stem: ("ingested", None),
        }  # fmt: skip
        assert run("ingest", copy, "--index", desk.index).out.split()[:3] == ["unchanged", ingested[:12], "copy"]
        listed = run("list", "--index", desk.index, "--no-reference").out
        assert "also as copy" in listed
        assert "the sampled values of base" in listed
        shown = run("show", "copy", "--index", desk.index, "--no-reference", "--json").json
        assert [layout["name"] for layout in shown["layouts"]] == ["copy"]
        assert {tensor["name"] for tensor in shown["tensor_list"]} == set(renamed(trained(1)))
        (node,) = (
            node
            for node in run("graph", "--index", desk.index, "--no-reference", "--json").json["nodes"]
            if node["aliases"]
        )
        assert {node["name"], *node["aliases"]} == {"base", "copy", "flipped"}

    def test_a_failed_file_never_stops_the_others(self, run, desk):
        broken = desk.folder / "broken.safetensors"
        broken.write_bytes(desk.base.read_bytes()[:-10])
        done = run("ingest", broken, desk.base, desk.folder / "absent.pt", desk.child, "--index", desk.index, "--json")
        events = {Path(line["path"]).name: line["event"] for line in done.lines}
        assert events == {
            "broken.safetensors": "failed", "absent.pt": "failed",
            "base.safetensors": "ingested", "child.safetensors": "ingested",
        }  # fmt: skip
        assert done.code != 0
        assert all("\n" not in line["error"] for line in done.lines if line["error"])

    def test_a_damaged_file_alone_ends_with_12_and_leaves_no_index(self, run, desk):
        broken = desk.folder / "broken.safetensors"
        broken.write_bytes(desk.base.read_bytes()[:-10])
        done = run("ingest", broken, "--index", desk.index)
        assert (done.code, done.out) == (12, "")
        assert done.err.count("\n") == 1
        assert str(broken) in done.err
        assert not desk.index.exists()

    def test_a_damaged_file_leaves_an_index_untouched_byte_for_byte(self, run, desk, ingested):
        broken = desk.folder / "broken.safetensors"
        broken.write_bytes(desk.base.read_bytes()[:-10])
        before = {p: p.read_bytes() for p in desk.index.rglob("*") if p.is_file()}
        assert run("ingest", broken, "--index", desk.index).code == 12
        assert {p: p.read_bytes() for p in desk.index.rglob("*") if p.is_file()} == before

    def test_takes_sketches_that_others_made(self, run, desk, ingested):
        handed = desk.folder / "handed.sketch"
        assert run("sketch", desk.child, "-o", handed).code == 0
        done = run("ingest", handed, "--index", desk.index, "--json")
        assert [line["event"] for line in done.lines] == ["ingested"]
        assert run("show", "child", "--index", desk.index, "--no-reference", "--json").json["source"] == str(handed)

    def test_a_model_may_be_given_a_name(self, run, desk):
        done = run("ingest", "--name", "base v2", desk.base, "--index", desk.index, "--json")
        assert [line["name"] for line in done.lines] == ["base v2"]
        assert run("show", "base v2", "--index", desk.index, "--no-reference", "--json").json["name"] == "base v2"

    def test_one_name_is_for_one_path(self, run, desk):
        for arguments in ([desk.base, desk.child], ["--catalogue"]):
            done = run("ingest", "--name", "base", *arguments, "--index", desk.index)
            assert (done.code, "one PATH" in done.err) == (2, True)
        for name in (" ", "a\nb"):
            assert run("ingest", "--name", name, desk.base, "--index", desk.index).code == 2

    def test_no_path_is_a_usage_error(self, run):
        assert run("ingest").code == 2


class TestWhois:
    def test_names_the_parent_and_the_relation(self, run, desk, ingested):
        answer = run("whois", desk.child, "--index", desk.index, "--no-reference", "--json").json
        assert (answer["verdict"], answer["ancestors"]) == ("related", [])  # noise tells no direction
        (found,) = answer["place"]["open"]
        assert (found["model"], found["model_name"], found["relation"]) == (ingested, "base", "fine-tuned")
        assert {c["relation"] for c in answer["components"] if c["share"] > 0.1} == {"fine-tuned"}

    def test_a_stranger_is_independent_and_exits_with_0(self, run, desk, ingested):
        other = saved(trained(9), desk.folder / "other.safetensors")
        done = run("whois", other, "--index", desk.index, "--no-reference", "--json")
        assert done.code == 0
        assert done.json["verdict"] == "independent"

    def test_a_sketch_gets_the_answer_that_its_checkpoint_gets(self, run, desk, ingested):
        sketch = desk.folder / "child.sketch"
        run("sketch", desk.child, "-o", sketch)
        by_file, by_sketch = (
            run("whois", path, "--index", desk.index, "--no-reference", "--json").json for path in (desk.child, sketch)
        )
        for answer in (by_file, by_sketch):
            answer.pop("timings")
            assert [fact["id"] for fact in answer.pop("handed_over")] == (
                [] if answer["checkpoint"].pop("weights_seen") else ["own-weights-unseen"]
            )
            answer["checkpoint"].pop("path")
        assert by_file == by_sketch

    def test_one_screen_says_it_in_words(self, run, desk, ingested):
        done = run("whois", desk.child, "--index", desk.index, "--no-reference")
        assert done.out.startswith("child   RELATED to base, which came first is open\n")
        assert "shared with base (fine-tuned," in done.out
        assert "fine-tuned from" not in done.out
        assert "searched: 2 models" in done.out
        assert done.err == ""
        assert max(map(len, done.out.splitlines())) <= 120

    def test_the_reference_is_searched_unless_told_otherwise(self, run, desk, ingested, monkeypatch):
        with store.SqliteIndex.open(desk.index) as index:
            monkeypatch.setattr(store, "reference_index", lambda: index)
            assert run("whois", desk.child, "--json").json["verdict"] == "related"
        assert run("whois", desk.child, "--no-reference").code == 10

    def test_models_that_another_version_sketched_are_a_limit_of_the_answer(self, run, desk, ingested):
        with store.SqliteIndex.open(desk.index) as index:
            as_of_another_family(index, ingested)
        limit = "models of the index that another version sketched: 1 (`lineage doctor` lists them)"
        answer = run("whois", desk.child, "--index", desk.index, "--no-reference", "--json").json
        assert limit in answer["limits"]["not_tested"]
        said = run("whois", desk.child, "--index", desk.index, "--no-reference").out
        assert limit in " ".join(said.split())

    def test_without_any_index_it_says_so(self, run, desk):
        for words in (["--index", desk.folder / "none"], ["--no-reference"]):
            done = run("whois", desk.child, *words)
            assert (done.code, done.out) == (10, "")
            assert "lineage ingest" in done.err

    def test_sampled_depth_agrees_on_the_parent(self, run, desk):
        run("ingest", desk.base, "--index", desk.index, "--depth", "sampled")
        words = ("whois", desk.child, "--index", desk.index, "--no-reference", "--depth", "sampled", "--json")
        answer = run(*words).json
        assert (answer["verdict"], answer["checkpoint"]["depth"]) == ("related", "sampled")
        assert any("outside the sample" in limit for limit in answer["limits"]["not_tested"])


class TestCompare:
    def test_two_files(self, run, desk):
        answer = run("compare", desk.child, desk.base, "--json").json
        assert (answer["verdict"], answer["relation"]) == ("related", "fine-tuned")
        assert any("common parent" in limit for limit in answer["limits"]["not_tested"])
        assert "not tested: " in run("compare", desk.child, desk.base).out
        assert (answer["a"]["name"], answer["b"]["name"]) == ("child", "base")
        assert any(pair["used"] for pair in answer["tensors"])

    def test_a_model_of_the_index_by_prefix_and_by_name(self, run, desk, ingested):
        for text in (ingested, ingested[:8], "base"):
            done = run("compare", desk.child, text, "--index", desk.index, "--no-reference", "--json")
            assert done.json["b"]["id"] == ingested

    def test_what_is_neither_a_file_nor_a_model_is_unknown(self, run, desk, ingested):
        done = run("compare", desk.child, "nobody", "--index", desk.index, "--no-reference")
        assert done.code == 1
        assert "nobody" in done.err

    def test_explain_shows_every_pair_and_the_null(self, run, desk):
        done = run("compare", desk.child, desk.base, "--explain")
        pairs = run("compare", desk.child, desk.base, "--json").json["tensors"]
        assert "relabel" in done.out
        assert done.out.count("query.weight") == sum("query.weight" in pair["a"] for pair in pairs) > 0


class TestSketch:
    def test_writes_a_file_that_holds_the_model(self, run, desk):
        path = desk.folder / "a.sketch"
        done = run("sketch", desk.base, "-o", path, "--json")
        assert read_sketch(path).id == done.json["checkpoint"]["id"]
        assert done.json["output_bytes"] == path.stat().st_size

    def test_another_ending_is_refused_before_any_work(self, run, desk):
        done = run("sketch", desk.base, "-o", desk.folder / "a.bin")
        assert done.code == 2
        assert ".sketch" in done.err

    def test_a_folder_that_is_not_there_is_one_line(self, run, desk):
        done = run("sketch", desk.base, "-o", desk.folder / "no" / "a.sketch")
        assert done.code == 1
        assert done.err.count("\n") == 1


class TestListShowRemove:
    def test_list_names_every_model(self, run, desk, ingested):
        done = run("list", "--index", desk.index, "--no-reference", "--json")
        assert sorted(m["name"] for m in done.json["models"]) == ["base", "stranger"]
        assert ingested[:12] in run("list", "--index", desk.index, "--no-reference").out

    def test_show_lists_the_tensors(self, run, desk, ingested):
        shown = run("show", "base", "--index", desk.index, "--no-reference", "--json").json
        assert shown["id"] == ingested
        assert len(shown["tensor_list"]) == shown["tensors"] > 0
        assert sum(shown["components"].values()) == shown["params"]
        assert "query.weight" in run("show", "base", "--index", desk.index, "--no-reference").out

    def test_remove_takes_one_model_out(self, run, desk, ingested):
        done = run("remove", ingested[:8], "--index", desk.index, "--json")
        assert done.json == {"event": "removed", "id": ingested, "name": "base"}
        assert run("remove", ingested[:8], "--index", desk.index).code == 1
        listed = run("list", "--index", desk.index, "--no-reference", "--json").json["models"]
        assert [m["name"] for m in listed] == ["stranger"]

    @pytest.mark.parametrize("words", [["list"], ["show", "x"], ["remove", "x"], ["doctor"], ["rebuild"]], ids=" ".join)
    def test_without_an_index_the_code_is_10(self, run, desk, words):
        done = run(*words, "--index", desk.index)
        assert (done.code, done.out) == (10, "")


class TestDoctorAndRebuild:
    def test_a_whole_index_is_clean(self, run, desk, ingested):
        assert run("doctor", "--index", desk.index).out == "2 models, clean\n"
        assert run("doctor", "--index", desk.index, "--json").json["clean"] is True

    def test_damage_ends_with_1_and_rebuild_mends_rows(self, run, desk, ingested):
        with sqlite3.connect(desk.index / "lineage.sqlite") as connection:
            connection.execute("delete from tensors where place = 2")
        connection.close()
        done = run("doctor", "--index", desk.index)
        assert done.code == 1
        assert done.out.count("damage: ") == 2
        assert run("rebuild", "--index", desk.index, "--json").json["models"] == 2
        assert run("doctor", "--index", desk.index).code == 0


class TestEndings:
    def test_names_from_a_file_cannot_steer_the_terminal(self, run, desk):
        hostile = desk.folder / "evil\x1b[2J\u202e.safetensors"
        saved(trained(5), hostile)
        for words in (["ingest"], ["whois"], ["list"], ["show", "--json"], ["show"]):
            target = [] if words == ["list"] else [hostile.stem] if words[0] == "show" else [hostile]
            where = ["--index", desk.index] + ([] if words == ["ingest"] else ["--no-reference"])
            done = run(*words, *target, *where)
            assert done.code == 0, done.err
            assert not any(bad in done.out + done.err for bad in ("\x1b", "\x07", "\u202e"))

    def test_an_error_line_cannot_steer_the_terminal(self, run, desk):
        done = run("whois", desk.folder / "no\x1b[2Jsuch", "--index", desk.folder)
        assert "\x1b" not in done.err

    def test_the_unexpected_is_one_line_too(self, run, desk, monkeypatch):
        def fail(*_: object, **__: object) -> None:
            raise ZeroDivisionError("by design")

        monkeypatch.setattr(api, "whois", fail)
        done = run("whois", desk.child)
        assert (done.code, done.err.count("\n")) == (1, 1)
        assert "ZeroDivisionError: by design" in done.err
        monkeypatch.setenv("LINEAGE_DEBUG", "1")
        with pytest.raises(ZeroDivisionError):
            run("whois", desk.child)

    def test_ctrl_c_is_130_and_says_what_was_kept(self, run, desk, monkeypatch):
        def interrupt(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(api, "whois", interrupt)
        done = run("whois", desk.child)
        assert done.code == 130
        assert done.err.strip() == "lineage: interrupted: finished work is kept, the rest is as before"

    def test_a_reader_that_leaves_hears_nothing_more(self, run, desk, ingested):
        with start("show", "base", "--index", desk.index, "--no-reference", "--json") as process:
            process.stdout.close()
            assert process.stderr.read() == ""
        assert process.returncode == 1

    def test_json_is_ascii_and_has_no_infinity(self, run, desk, ingested):
        out = run("whois", desk.child, "--index", desk.index, "--no-reference", "--json").out
        assert out.isascii()
        json.loads(out, parse_constant=lambda word: pytest.fail(f"{word} in JSON"))
