"""What every page keeps to, without a browser."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace

import pytest
from bench_report import REPORT_BYTES, answer, family_graph

from lineage.report import graphs
from lineage.report import json as report_json
from lineage.report.html import LANGUAGES, whois_page
from lineage.report.html.families import graph_page
from lineage.types import Lineage
from tests.hand_made import FAMILY, NOTHING, STRANGERS
from tests.html_pages import NAMES, named, parsed, plain_answer

VERDICTS = ("identical", "derived", "partly-derived", "origin", "related", "independent", "inconclusive")
REPORTS = {language: whois_page(answer(), "1.2.3", family_graph(60), language) for language in LANGUAGES}
GRAPHS = {language: graph_page(FAMILY, language) for language in LANGUAGES}
PAGES = {
    **{f"report {key}": page for key, page in REPORTS.items()},
    **{f"graph {k}": page for k, page in GRAPHS.items()},
}


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES.keys())
class TestEveryPage:
    def test_is_well_formed_with_one_title_heading_and_main(self, page):
        found = parsed(page)
        assert page.startswith(b"<!doctype html>")
        assert [found.tags[name] for name in ("h1", "main", "header", "footer")] == [1, 1, 1, 1]
        assert ("html", {"lang": found.attributes[0][1]["lang"]}) == found.attributes[0]

    def test_refers_to_nothing_outside_itself(self, page):
        found = parsed(page)
        links = [
            value
            for _, given in found.attributes
            for key in ("href", "src", "action", "data")
            if (value := given.get(key))
        ]
        assert [link for link in links if not link.startswith("#") and link != "data:,"] == []
        assert not {"iframe", "object", "embed", "img", "video", "form", "base"} & set(found.tags)
        text = page.decode()
        assert not re.search(r"url\((?!#)|@import|https?://", text)

    def test_links_lead_somewhere(self, page):
        found = parsed(page)
        targets = [given["href"][1:] for name, given in found.attributes if name == "a"]
        assert [target for target in targets if target not in found.ids] == []

    def test_the_policy_allows_its_own_style_and_script_and_nothing_else(self, page):
        found = parsed(page)
        policy = next(
            given["content"] for _, given in found.attributes if given.get("http-equiv") == "Content-Security-Policy"
        )
        text = page.decode()
        style, script = (
            re.search(r"<style>(.*?)</style>", text, re.DOTALL),
            re.findall(r"<script>(.*?)</script>", text, re.DOTALL),
        )
        assert style is not None
        hashes = [base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in (style[1], *script)]
        assert policy == (
            f"default-src 'none'; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'; img-src data:;"
            " base-uri 'none'; form-action 'none'"
        )

    def test_has_no_inline_style_and_no_handler(self, page):
        given = [key for _, attributes in parsed(page).attributes for key in attributes]
        assert [key for key in given if key == "style" or key.startswith("on")] == []

    def test_every_picture_has_a_name_and_every_column_a_heading(self, page):
        found = parsed(page)
        pictures = [given for name, given in found.attributes if name == "svg"]
        assert pictures
        assert [given for given in pictures if "aria-label" not in given and given.get("aria-hidden") != "true"] == []
        assert found.tags["caption"] == found.tags["table"]
        assert all("scope" in given for name, given in found.attributes if name == "th")


class TestReport:
    def test_is_small_for_a_7b(self):
        assert all(len(page) < REPORT_BYTES for page in REPORTS.values())

    def test_equal_answers_give_equal_bytes(self):
        assert whois_page(answer(), "1.2.3", family_graph(60)) == REPORTS["en"]

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_carries_the_same_json(self, language):
        assert parsed(REPORTS[language]).data == report_json.whois(answer())

    def test_says_what_was_found_and_what_it_does_not_say(self):
        text = parsed(REPORTS["en"]).text
        for words in (
            "Partly derived",
            "org0/model-0-instruct (fine-tuned): r 0.9951, z 188",
            "no inheritance was found",
            "is refuted",
            "can never certify one",
            "7e195c6029ea380d",
            "lineage 1.2.3",
            "lineage whois Nova-7B --depth full --report report.html",
            "gains spread by 1.2% more in this model",
            "9 to 1",
            "acme/Base-7B",
            "rotary table",
            "relabellings",
            "Hoeffding",
        ):
            assert words in text

    @pytest.mark.parametrize("language", LANGUAGES)
    @pytest.mark.parametrize("verdict", VERDICTS)
    def test_every_verdict_has_a_page_and_only_descent_refutes(self, verdict, language):
        found = parsed(whois_page(plain_answer(verdict), "1.2.3", None, language))
        refutes = "is refuted" if language == "en" else "성립하지 않습니다"
        assert (refutes in found.text) == (verdict in ("derived", "partly-derived"))
        certifies = "does not certify" if language == "en" else "보증하지는 않습니다"
        assert (certifies in found.text) == (verdict in ("origin", "related", "independent", "inconclusive"))

    @pytest.mark.parametrize(
        ("verdict", "words"),
        [
            ("derived", "came first (odds of 9 to 1)"),
            ("origin", "No ancestor of"),
            ("identical", "Equal weights cannot"),
        ],
    )
    def test_the_direction_is_that_of_the_place(self, verdict, words):
        text = parsed(whois_page(plain_answer(verdict), "1.2.3")).text
        assert words in text
        assert ("trained from scratch is refuted" in text) == (verdict == "derived")

    def test_without_anything_compared_it_says_so(self):
        alone = replace(plain_answer("inconclusive"), nearest=None)
        text = parsed(whois_page(alone, "1.2.3")).text
        assert "No matrix of this model could be compared with one of the index." in text
        assert "Nothing connects this model" not in text  # its card declares a parent

    @pytest.mark.parametrize("name", NAMES)
    def test_a_hostile_name_stays_text(self, name):
        quiet, loud = parsed(whois_page(named("quiet"), "1.2.3")), parsed(whois_page(named(name), "1.2.3"))
        assert set(loud.tags) <= set(quiet.tags)
        assert loud.tags["script"] == quiet.tags["script"]
        assert len(loud.scripts) == len(quiet.scripts)
        assert loud.data["checkpoint"]["name"] == name

    def test_characters_that_reorder_or_control_are_shown_as_escapes(self):
        page = whois_page(named("\u202egnp.exe\x1b"), "1.2.3").decode()
        assert "\\u202egnp.exe\\x1b" in page
        assert not re.search("[\u202a-\u202e\u2066-\u2069\x1b]", page)


class TestGraph:
    def test_is_written_by_its_ending_in_both_languages(self, tmp_path):
        assert graphs.render(FAMILY, "f.html") == GRAPHS["en"]
        assert graphs.render(FAMILY, "f.ko.html") == GRAPHS["ko"]

    def test_every_model_and_edge_is_in_a_table(self):
        found = parsed(GRAPHS["en"])
        for one in FAMILY.nodes:
            assert one.name in found.text
        rows = [given for name, given in found.attributes if name == "tr" and "data-kind" in given]
        rootless = [one for one in FAMILY.nodes if one.id not in {edge.child for edge in FAMILY.edges}]
        assert len(rows) == len(FAMILY.edges) + len(rootless)
        assert "deep declares claimed (card): the weights show no relation" in found.text

    def test_declared_and_undirected_lines_are_told_apart(self):
        found = parsed(GRAPHS["en"])
        kinds = [given["class"] for name, given in found.attributes if name == "g" and "edge" in given.get("class", "")]
        assert sum("declared" in kind for kind in kinds) == 2
        heads = sum(given.get("class") == "head" for name, given in found.attributes if name == "polygon")
        assert heads == sum(edge.directed for edge in FAMILY.edges)

    def test_a_large_graph_is_folded_and_holds_every_model(self):
        found = parsed(graph_page(family_graph(500)))
        folds = [given for name, given in found.attributes if name == "details"]
        assert folds
        assert [i for i, given in enumerate(folds) if "open" in given] == [0]  # the largest is drawn at once
        assert all(f"model-{i}-instruct" in found.text for i in range(500))

    @pytest.mark.parametrize("language", LANGUAGES)
    @pytest.mark.parametrize("lineage", [NOTHING, STRANGERS], ids=["nothing", "strangers"])
    def test_holds_for_any_graph(self, lineage, language):
        found = parsed(graph_page(lineage, language))
        assert found.tags["script"] == 1
        assert "img" not in found.tags

    def test_a_loop_is_no_edge_of_a_picture(self):
        loop = Lineage(
            FAMILY.nodes, (*FAMILY.edges, replace(FAMILY.edges[0], child=FAMILY.edges[0].parent)), FAMILY.contradictions
        )
        assert graph_page(loop) == GRAPHS["en"]
