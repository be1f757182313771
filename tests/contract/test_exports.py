"""One list of promises for every format of a graph."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from lineage.ancestry import graph
from lineage.errors import LineageError
from lineage.report import graphs
from lineage.report.kinship import up_to_roots
from lineage.store import SketchFolder
from lineage.types import Lineage
from tests import standards
from tests.hand_made import FAMILY, HANDED_ON, NOTHING, STRANGERS

ROOT = Path(__file__).parents[2]
TEXTS = [ending for ending in graphs.ENDINGS if ending != ".png"]


@pytest.fixture(scope="module")
def zoo() -> Lineage:
    return graph([SketchFolder(ROOT / "tests" / "fixtures" / "zoo")])


@pytest.fixture(params=["family", "strangers", "handed on", "zoo", "one of the zoo"])
def lineage(request: pytest.FixtureRequest) -> Lineage:
    if "zoo" not in request.param:
        return {"family": FAMILY, "strangers": STRANGERS, "handed on": HANDED_ON}[request.param]
    whole: Lineage = request.getfixturevalue("zoo")
    merged = next(edge.child for edge in whole.edges if edge.relation == "merged")
    return whole if request.param == "zoo" else up_to_roots(replace(whole, about=merged))


@pytest.mark.parametrize("ending", TEXTS)
class TestEveryExport:
    def test_is_valid_where_its_format_has_a_library_that_says_so(self, ending, lineage):
        standards.CHECKS.get(ending, bytes.decode)(graphs.render(lineage, f"graph{ending}"))

    def test_equal_graphs_give_equal_bytes(self, ending, lineage):
        once, again = (graphs.render(replace(lineage), f"graph{ending}") for _ in range(2))
        assert once == again

    def test_holds_no_character_that_moves_or_hides_text(self, ending):
        written = graphs.render(STRANGERS, f"graph{ending}").decode()
        assert [c for c in "\x00\x1b\x85\u202e\u2028" if c in written] == []


@pytest.mark.parametrize("ending", standards.SOURCES)
def test_each_edge_is_said_to_be_measured_or_declared(ending, lineage):
    said = standards.SOURCES[ending](graphs.render(lineage, f"graph{ending}"))
    assert sorted(said) == sorted(edge.source for edge in lineage.edges)


def test_what_edges_are_said_to_be_is_looked_up_in_every_format_that_has_an_entry_for_each():
    assert {one for one in TEXTS if not one.endswith(".html")} - set(standards.SOURCES) == {".card.yaml"}


@pytest.mark.parametrize("ending", TEXTS)
def test_a_graph_without_models_is_an_empty_page_or_a_refusal(ending):
    if ending == ".intoto.json":
        with pytest.raises(LineageError, match="needs a subject"):
            graphs.render(NOTHING, f"graph{ending}")
    else:
        standards.CHECKS.get(ending, bytes.decode)(graphs.render(NOTHING, f"graph{ending}"))


def test_no_export_depends_on_the_hash_seed_the_clock_or_the_zone():
    program = (
        "import hashlib; from lineage.report import graphs; from tests.hand_made import HANDED_ON\n"
        f"for ending in {TEXTS!r}: print(hashlib.sha256(graphs.render(HANDED_ON, 'x' + ending)).hexdigest())"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env=os.environ | {"PYTHONHASHSEED": seed, "TZ": zone, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed, zone in (("1", "UTC"), ("2", "Asia/Seoul"))
    ]
    assert said[0] == said[1]


@pytest.mark.parametrize("ending", sorted(graphs.STATEMENTS - {".prov.json"}))
class TestStatements:
    """What is handed on names files, packages and licences in the words of those who read such files."""

    def test_a_file_is_named_by_its_digest(self, ending):
        page = graphs.render(HANDED_ON, f"graph{ending}").decode()
        nova = next(node for node in HANDED_ON.nodes if node.files)
        assert all(name in page and digest in page for name, digest in nova.files)

    def test_a_model_is_named_by_its_package_where_anyone_can_read_it(self, ending):
        page = graphs.render(replace(HANDED_ON, about=None), f"graph{ending}").decode()
        assert f"pkg:huggingface/acme/base@{'c0ffee' * 7}"[:-2] in page
        assert '"uri": ""' not in page

    def test_source_date_epoch_is_the_only_clock(self, ending, monkeypatch):
        without = graphs.render(HANDED_ON, f"graph{ending}").decode()
        monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767225600")
        dated = graphs.render(HANDED_ON, f"graph{ending}").decode()
        assert "2026-01-01T00:00:00Z" not in without
        assert ("2026-01-01T00:00:00Z" in dated) == (ending != ".intoto.json")
        monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
        assert graphs.render(HANDED_ON, f"graph{ending}").decode() == without


@pytest.mark.parametrize(
    ("ending", "right", "wrong"),
    [
        (".cdx.json", b"machine-learning-model", b"model"),
        (".1.7.cdx.json", b'"confidence": 0', b'"confidence": 7'),
        (".spdx.json", b'"descendantOf"', b'"descendsFrom"'),
        (".spdx.json", b'"relationshipType"', b'"comment"'),
        (".prov.json", b"prov:usedEntity", b"prov:usedThing"),
        (".intoto.json", b'"digest"', b'"annotations"'),
        (".card.yaml", b'- "', b"- 7 #"),
    ],
)
def test_what_is_broken_is_refused(ending, right, wrong):
    page = graphs.render(FAMILY, f"graph{ending}")
    assert right in page
    with pytest.raises((AssertionError, ValueError)):
        standards.CHECKS[ending](page.replace(right, wrong))
