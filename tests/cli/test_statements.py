"""`graph -o` as it hands on a model: about it alone, with its files, and nothing that is not so."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256

import pytest

from lineage import api
from lineage.report import graphs
from tests.cli.conftest import Desk, Run
from tests.hand_made import FAMILY
from tests.small_models import saved, trained
from tests.standards import CHECKS


@pytest.fixture
def at_home(run: Run, desk: Desk) -> tuple[object, ...]:
    done = run("ingest", desk.base, desk.child, desk.stranger, "--index", desk.index)
    assert done.code == 0, done.err
    return ("--index", desk.index, "--no-reference")


@pytest.mark.parametrize("ending", sorted(graphs.STATEMENTS))
def test_a_statement_about_a_model_is_valid_and_names_its_file(run, at_home, desk, ending):
    target = desk.folder / f"child{ending}"
    done = run("graph", "child", *at_home, "-o", target)
    assert (done.code, done.err) == (0, "")
    CHECKS[ending](target.read_bytes())
    page = target.read_text()
    assert sha256(desk.child.read_bytes()).hexdigest() in page
    assert sha256(desk.base.read_bytes()).hexdigest() not in page
    assert str(desk.folder) not in page


def test_an_in_toto_statement_is_about_the_file_and_no_other_model(run, at_home, desk):
    target = desk.folder / "child.intoto.json"
    run("graph", "child", *at_home, "-o", target)
    assert json.loads(target.read_text())["subject"] == [
        {"name": desk.child.name, "digest": {"sha256": sha256(desk.child.read_bytes()).hexdigest()}}
    ]


def test_a_file_that_has_changed_since_is_not_vouched_for(run, at_home, desk):
    target = desk.folder / "child.intoto.json"
    saved(trained(9), desk.child)
    run("graph", "child", *at_home, "-o", target)
    (subject,) = json.loads(target.read_text())["subject"]
    assert list(subject["digest"]) == ["lineageContent"]


def test_a_statement_goes_up_to_the_roots_and_a_family_is_whole(run, desk, monkeypatch):
    asked = []

    def graph(model, index, **wanted):
        asked.append((wanted["family"], wanted["files"]))
        return replace(FAMILY, about=model.encode().hex())

    monkeypatch.setattr(api, "graph", graph)
    target = desk.folder / "soup.cdx.json"
    assert run("graph", "soup", "-o", target).out == f"{target}: 4 nodes, 5 edges\n"
    assert run("graph", "soup", "--family", "-o", target).out == f"{target}: 10 nodes, 10 edges\n"
    assert run("graph", "soup", "-o", desk.folder / "soup.dot").code == 0
    assert asked == [(True, True), (True, True), (False, False)]


def test_the_patch_of_a_card_names_the_direct_parent(run, at_home, desk):
    target = desk.folder / "child.card.yaml"
    edges = run("graph", "child", *at_home, "--json", "-o", target).json["edges"]
    CHECKS[".card.yaml"](target.read_bytes())
    assert ('- "base"' in target.read_text()) == edges[0]["directed"]


def test_the_answer_says_what_it_is_about(run, at_home):
    value = run("graph", "child", *at_home, "--json").json
    assert [node["name"] for node in value["nodes"] if node["id"] == value["about"]] == ["child"]
    assert {node["address"] for node in value["nodes"]} == {None}
    assert run("graph", *at_home, "--json").json["about"] is None
