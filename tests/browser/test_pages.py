"""The pages in a real browser: they render, run nothing that is not theirs, ask for nothing, and are for everyone."""

from __future__ import annotations

import json

import pytest
from bench_report import answer, family_graph

from lineage.ancestry import as_answer, compare
from lineage.report import json as report_json
from lineage.report.html import LANGUAGES, compare_page, whois_page
from lineage.report.html.families import graph_page
from tests.adapter_answers import CHILD, MERGED, asked, hostile
from tests.browser.conftest import Show, Shown
from tests.hand_made import FAMILY, STRANGERS
from tests.html_pages import NAMES, brief, named
from tests.small_models import sketched, trained, tuned


def compared() -> dict[str, bytes]:
    """The page of a comparison in each language."""
    child, base = sketched(tuned(trained(1), 2), "child"), sketched(trained(1), "base")
    found = compare(child, base)
    return {key: compare_page(as_answer(child, base, found, ()), base, found, "1.2.3", key) for key in LANGUAGES}


WHOLE = whois_page(answer(), "1.2.3", family_graph(60))
REPORT = {language: whois_page(brief(answer()), "1.2.3", family_graph(12), language) for language in LANGUAGES}
GRAPH = {language: graph_page(FAMILY, language) for language in LANGUAGES}
ADAPTER = {language: whois_page(asked(MERGED), "1.2.3", None, language) for language in LANGUAGES}
PAGES = {**{f"report {key}": page for key, page in REPORT.items()}, **{f"graph {k}": page for k, page in GRAPH.items()}}
PAGES |= {f"adapter {key}": page for key, page in ADAPTER.items()}
PAGES |= {f"comparison {key}": page for key, page in compared().items()}
WIDTHS = (320, 390, 1100)


def is_quiet(shown: Shown) -> None:
    """Nothing in the console, nothing asked for, no dialogue."""
    assert (shown.said, shown.asked) == ([], [])


def style(shown: Shown, selector: str, name: str) -> str:
    value: str = shown.page.evaluate("([s, n]) => getComputedStyle(document.querySelector(s))[n]", [selector, name])
    return value


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES.keys())
class TestEveryPage:
    def test_renders_in_silence(self, show: Show, page: bytes):
        shown = show(page)
        assert shown.page.locator("h1").is_visible()
        box = shown.page.locator("svg.graph, svg.chance").first.bounding_box()
        assert box is not None
        assert box["width"] > 100
        is_quiet(shown)

    def test_fits_every_width(self, show: Show, page: bytes):
        shown = show(page)
        for width in WIDTHS:
            shown.page.set_viewport_size({"width": width, "height": 800})
            assert shown.page.evaluate("document.documentElement.scrollWidth") <= width

    @pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
    def test_has_no_barrier_that_axe_finds(self, show: Show, page: bytes, dark: bool):
        from axe_playwright_python.sync_playwright import Axe

        shown = show(page, dark=dark)
        found = Axe().run(shown.page).response["violations"]
        assert [(one["id"], [node["html"][:120] for node in one["nodes"]][:3]) for one in found] == []

    def test_is_light_by_day_and_dark_by_night(self, show: Show, page: bytes):
        day, night = (style(show(page, dark=dark), "body", "backgroundColor") for dark in (False, True))
        assert (day, night) == ("rgb(251, 251, 249)", "rgb(18, 23, 29)")


class TestReport:
    @pytest.mark.parametrize(("language", "word"), [("en", "Partly derived"), ("ko", "일부 파생")])
    def test_says_its_verdict_in_its_language(self, show, language, word):
        shown = show(REPORT[language])
        assert word in shown.page.locator(".verdict").inner_text()
        assert shown.page.locator("html").get_attribute("lang") == language

    def test_the_keyboard_skips_to_the_findings_and_reaches_every_model(self, show):
        shown = show(WHOLE)
        shown.page.keyboard.press("Tab")
        assert shown.page.evaluate("document.activeElement.className") == "skip"
        reached: set[str] = set()
        nodes = shown.page.locator("a.node").count()
        for _ in range(nodes + 60):
            shown.page.keyboard.press("Tab")
            row = shown.page.evaluate("document.activeElement.dataset.row || ''")
            reached |= {row} if row else set()
        assert nodes > 20
        assert len(reached) == nodes

    def test_focus_tells_of_a_model_and_enter_leads_to_its_row(self, show):
        shown = show(REPORT["en"])
        node = shown.page.locator("a.node.me")
        node.focus()
        assert "acme/Nova-7B" in shown.page.locator("#detail").inner_text()
        assert shown.page.locator(".edge.lit").count() > 0
        shown.page.keyboard.press("Enter")
        target = shown.page.locator(f"#{node.get_attribute('data-row')}")
        target.wait_for(state="visible")
        is_quiet(shown)

    def test_every_layer_has_its_cell_in_both_maps(self, show):
        shown = show(WHOLE)
        rows = [table.locator("tbody th").count() for table in shown.page.locator("figure.heat table").all()]
        assert sorted(rows) == [1] * 6 + [27, 27, 32, 32]

    def test_the_json_can_be_saved(self, show):
        shown = show(REPORT["en"])
        with shown.page.expect_download() as download:
            shown.page.locator("#save").click()
        assert json.loads(download.value.path().read_text()) == report_json.whois(brief(answer()))
        assert shown.said == []

    def test_paper_unfolds_all_and_drops_what_only_a_screen_needs(self, show):
        shown = show(WHOLE)
        assert shown.page.locator("details:not([open])").count() > 0
        shown.page.emulate_media(media="print")
        shown.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
        assert shown.page.locator("details:not([open])").count() == 0
        assert not shown.page.locator("nav").is_visible()
        assert len(shown.page.pdf(format="A4")) > 20_000

    @pytest.mark.parametrize("name", NAMES)
    def test_a_hostile_name_stays_text(self, show, name):
        shown = show(whois_page(named(name), "1.2.3"), width=390)
        assert shown.page.locator("h1").inner_text().strip()[:20] or name == ""
        assert shown.page.evaluate("document.scripts.length") == 2
        assert shown.page.evaluate("document.documentElement.scrollWidth") <= 390
        is_quiet(shown)


class TestAdapter:
    def test_is_joined_to_its_base_by_a_declared_line_and_to_the_sum_by_a_measured_one(self, show):
        shown = show(ADAPTER["en"])
        assert shown.page.locator("#adapter").get_by_text(CHILD, exact=True).first.is_visible()
        assert shown.page.locator("svg.graph a.node").count() == 3
        assert shown.page.locator("svg.graph g.edge").count() == 2
        assert shown.page.locator("svg.graph g.edge.declared").count() == 1
        is_quiet(shown)

    @pytest.mark.parametrize("name", NAMES)
    def test_a_hostile_name_stays_text(self, show, name):
        shown = show(whois_page(hostile(name), "1.2.3"), width=390)
        assert shown.page.evaluate("document.scripts.length") == 2
        assert shown.page.evaluate("document.documentElement.scrollWidth") <= 390
        is_quiet(shown)


class TestGraph:
    def test_strangers_stay_text(self, show):
        shown = show(graph_page(STRANGERS))
        assert shown.page.evaluate("document.scripts.length") == 1
        is_quiet(shown)

    def test_five_hundred_models_lie_folded_but_for_the_largest_family_and_are_found_by_name(self, show):
        from playwright.sync_api import expect

        shown = show(graph_page(family_graph(500)))
        largest = shown.page.locator(".family").first
        expect(shown.page.locator(".family[open]")).to_have_count(1)
        expect(largest).to_have_attribute("open", "")
        shown.page.locator("#search").fill("model-77-")
        expect(shown.page.locator("#matches")).to_have_text("Models: 1 of 500")
        assert shown.page.locator(".family:visible").count() == 1
        assert shown.page.locator(".node.lit").count() == 1
        shown.page.locator("#search").fill("")
        expect(shown.page.locator(".family[open]")).to_have_count(1)
        expect(largest).to_have_attribute("open", "")
        is_quiet(shown)

    def test_a_family_unfolds_by_keyboard_and_its_picture_is_small_enough(self, show):
        shown = show(graph_page(family_graph(500)))
        second = shown.page.locator(".family").nth(1)
        second.locator("summary").first.focus()
        shown.page.keyboard.press("Enter")
        assert second.locator("svg.graph").count() == 1
        assert 1 < second.locator(".node").count() <= 90
        assert shown.page.locator(".family[open]").count() == 2

    def test_declared_edges_can_be_shown_alone(self, show):
        shown = show(GRAPH["en"])
        shown.page.locator("#kind").select_option("declared")
        assert shown.page.locator("tbody tr:visible").count() == 2

    def test_five_thousand_models_open(self, show):
        from playwright.sync_api import expect

        shown = show(graph_page(family_graph(5000)))
        shown.page.locator("#unfold").wait_for()
        shown.page.locator("#search").fill("model-4321-")
        expect(shown.page.locator("#matches")).to_have_text("Models: 1 of 5,000")
        is_quiet(shown)
