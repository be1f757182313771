"""The pages of the service in a real browser: one asks, reads, browses and compares, and nothing goes elsewhere."""

from __future__ import annotations

import tomllib
from pathlib import Path
from string import Formatter

from bench_report import family_graph

from lineage.report.graphs.json import document
from lineage.serve import pages
from tests.browser.conftest import HOSTILE, Visit
from tests.serve.conftest import Served, wait_for

PATHS = ["/", "/answer", "/models", "/model?model=base", "/families", "/compare", "/many"]
WIDTHS = (320, 390, 1100)


def test_every_page_is_for_everyone_at_every_width(visit: Visit):
    from axe_playwright_python.sync_playwright import Axe

    for path in PATHS:
        shown = visit(path)
        for scheme in ("light", "dark"):
            shown.page.emulate_media(color_scheme=scheme)
            found = Axe().run(shown.page).response["violations"]
            assert [(one["id"], [node["html"][:120] for node in one["nodes"]][:3]) for one in found] == [], path
        for width in WIDTHS:
            shown.page.set_viewport_size({"width": width, "height": 800})
            assert shown.page.evaluate("document.documentElement.scrollWidth") <= width, path
        missing = path == "/answer"  # without a job there is nothing to show, and it is said
        assert shown.page.get_by_role("alert").count() == missing
        assert shown.asked == []
        assert shown.said == [], path


def test_one_asks_with_a_sketch_and_reads_the_report(visit: Visit, service: Served):
    shown = visit("/")
    assert "lineage sketch ./model -o model.sketch" in shown.page.locator("main").inner_text()
    shown.page.set_input_files("#file", service.settings.state.parent / "asked.sketch")
    report = shown.page.frame_locator("iframe")
    assert report.locator("h1").inner_text() == "asked"
    assert report.locator(".verdict").inner_text()
    wait_for(lambda: shown.page.evaluate("document.querySelector('iframe').clientHeight") > 1500)  # it shows the whole
    assert shown.page.locator(".formats a", has_text="spdx.json").count() == 1
    assert (shown.said, shown.asked) == ([], [])
    shown.page.locator("#language").click()
    korean = shown.page.frame_locator("iframe")
    assert korean.locator("html").get_attribute("lang") == "ko"


def test_a_linked_audit_is_read_as_the_command_prints_it(visit: Visit, service: Served):
    from axe_playwright_python.sync_playwright import Axe

    asked = service.post("/api/audit", {"checkpoint": {"model": "child"}, "policy": "licence"})
    job = asked.headers["lineage-job"]
    shown = visit(f"/answer?job={job}", width=390)
    shown.page.locator("pre").wait_for()
    assert shown.page.locator("pre").inner_text() == service.get(f"/api/jobs/{job}/report").body.decode()
    assert shown.page.locator(".formats a").all_inner_texts() == ["audit --json", "txt", "sarif"]
    assert shown.page.locator("iframe").count() == 0
    assert shown.page.evaluate("document.documentElement.scrollWidth") <= 390
    assert Axe().run(shown.page).response["violations"] == []
    assert (shown.said, shown.asked) == ([], [])


def test_weights_are_looked_at_and_never_sent(visit: Visit, service: Served):
    shown = visit("/")
    for name in ("weights.safetensors", "junk.bin"):
        shown.page.set_input_files("#file", service.settings.state.parent / name)
        shown.page.get_by_role("heading", name=f"{name} was not sent").wait_for()
    assert [method for method, _ in shown.requests if method != "GET"] == []
    shown.page.set_input_files("#file", service.settings.state.parent / "weights.safetensors")
    told = shown.page.locator("#preview").inner_text()
    assert "1 tensors and 6 parameters" in told
    assert HOSTILE in told
    assert "lineage sketch weights.safetensors -o model.sketch" in told
    assert shown.said == []


def test_one_browses_and_compares(visit: Visit):
    shown = visit("/models", width=390)
    shown.page.locator("#search").fill("chi")
    shown.page.keyboard.press("Enter")
    shown.page.get_by_text("1 models").wait_for()
    shown.page.get_by_role("link", name="child").click()
    shown.page.locator("img.picture").wait_for()
    assert "base" in shown.page.locator("main").inner_text()
    shown.page.get_by_role("link", name="Compare it with another").click()
    shown.page.locator("#b").fill("base")
    shown.page.get_by_role("button", name="Compare").click()
    report = shown.page.frame_locator("iframe")
    assert report.locator("h1").inner_text().startswith("child")
    assert report.locator("figure.heat tbody th").count() > 2  # layer by layer
    assert (shown.said, shown.asked) == ([], [])


def test_the_families_are_walked_through_with_the_keyboard(visit: Visit):
    shown = visit("/families")
    shown.page.locator("#search").fill("child")
    assert shown.page.locator("output").inner_text() == "1 of 3"
    shown.page.locator("main .formats button").click()
    line = shown.page.locator(".chosen")
    assert line.inner_text().startswith("child.")
    shown.page.keyboard.press("ArrowUp")
    assert line.inner_text().startswith("base.")
    before = shown.page.evaluate("document.families.at.scale")
    shown.page.keyboard.press("+")
    assert shown.page.evaluate("document.families.at.scale") > before
    shown.page.keyboard.press("Enter")
    shown.page.wait_for_url("**/model?model=*")
    assert (shown.said, shown.asked) == ([], [])


def test_five_thousand_models_are_drawn_and_found(visit: Visit, service: Served):
    graph = document(family_graph(5000))
    shown = visit("/")
    shown.page.context.route("**/api/graph", lambda route: route.fulfill(json=graph))
    shown.page.goto(f"{service.address}/families")
    shown.page.locator("#search").fill("model-4321-")
    shown.page.get_by_text("1 of 5,000").wait_for()
    shown.page.locator("main .formats button").click()
    places = shown.page.evaluate("document.families.graph.nodes.map((one) => `${one.x} ${one.y}`)")
    assert len(set(places)) == len(places) == 5000  # nothing covers another
    assert shown.said == []


def test_a_hostile_name_stays_text(visit: Visit):
    for path in ("/models", "/families"):
        shown = visit(path)
        if path == "/models":
            link = shown.page.get_by_role("link", name=HOSTILE)
            assert link.inner_text() == HOSTILE
            link.click()
            shown.page.locator("img.picture").wait_for()
            assert shown.page.locator("h1").inner_text() == HOSTILE
            assert shown.page.evaluate("document.scripts.length") == 2
        assert (shown.said, shown.asked) == ([], [])


def test_one_with_a_token_is_let_in(visit: Visit, service: Served):
    object.__setattr__(service.settings, "anonymous", False)
    try:
        shown = visit("/models")
        shown.page.locator("#token").fill(service.tokens["ask"])
        shown.page.get_by_role("button", name="Use it").click()
        shown.page.get_by_text("3 models").wait_for()
    finally:
        object.__setattr__(service.settings, "anonymous", None)


def test_both_languages_say_the_same_things():
    assets = Path(pages.__file__).parent / "assets"
    english, korean = (tomllib.loads((assets / f"{one}.toml").read_text(encoding="utf-8")) for one in ("en", "ko"))
    assert {key: set(table) for key, table in english.items()} == {key: set(table) for key, table in korean.items()}
    for key, table in english.items():
        for name, text in table.items():
            assert blank_names(text) == blank_names(korean[key][name]), f"{key}.{name}"


def blank_names(text: str) -> set[str | None]:
    return {name for _, name, _, _ in Formatter().parse(text)} - {None}
