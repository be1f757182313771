"""The first page as people use it: what they drop, what they choose, what they miss, and a service that goes away."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lineage.serve import pages
from lineage.serve.uploads import TOKENIZER_NAME
from tests.adapter_files import write_adapter
from tests.browser.conftest import HOSTILE, Visit, filled
from tests.serve.conftest import FACTORS, WORDS, Served, serving, wait_for
from tests.small_models import published, trained

CLAIMS = "---\nbase_model: base\n---\n"
RULES = (
    'format = 1\npolicy = "licence"\n[[rule]]\nid = "told"\nabout = "model"\nsays = "noted"\ntext = "looked at by us"\n'
)


def dropped(page: Any, files: dict[str, bytes], *, folders: tuple[str, ...] = (), at: str = "body") -> None:
    """Drop files as the browser hands them on; of a folder it gives a file that cannot be read."""
    page.evaluate(
        """([at, files, folders]) => {
          const data = new DataTransfer();
          for (const [name, bytes] of files) { data.items.add(new File([new Uint8Array(bytes)], name)); }
          const told = new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer: data });
          if (folders.length) {
            const items = folders.map((name) => ({
              kind: "file", getAsFile: () => new File([], name), webkitGetAsEntry: () => ({ isDirectory: true }),
            }));
            Object.defineProperty(told, "dataTransfer", { value: { items, files: [] } });
          }
          document.querySelector(at).dispatchEvent(told);
        }""",
        [at, [[name, list(content)] for name, content in files.items()], list(folders)],
    )


def sent(shown: Any) -> list[str]:
    return [path for method, path in shown.requests if method != "GET"]


@pytest.mark.parametrize(
    ("files", "folders", "said"),
    [
        ({"nothing.sketch": b""}, (), "nothing.sketch is empty. It was not sent."),
        ({"model.gguf": b"GGUF" + bytes(60)}, (), "lineage sketch model.gguf -o model.sketch"),
        ({"big model.pt": b"PK\x03\x04" + bytes(60)}, (), "lineage sketch 'big model.pt' -o model.sketch"),
        ({}, ("nova",), "It is a folder."),
        ({"a.sketch": b"x", "b.bin": b"y"}, (), "Nothing was sent: leave out what is named here."),
        ({"x' ; rm -rf .pt": b"PK"}, (), "lineage sketch 'x'\\'' ; rm -rf .pt' -o model.sketch"),
    ],
)
def test_what_is_dropped_and_no_sketch_stays_here(visit: Visit, files, folders, said: str):
    shown = visit("/")
    dropped(shown.page, files, folders=folders)
    shown.page.get_by_text(said).wait_for()
    assert sent(shown) == []
    assert (shown.said, shown.asked) == ([], [])


def test_a_file_with_a_hostile_name_stays_text(visit: Visit):
    shown = visit("/")
    dropped(shown.page, {f"{HOSTILE}.bin": b"x"})
    shown.page.locator("#preview").wait_for()
    assert shown.page.evaluate("document.scripts.length") == 2
    assert (shown.said, shown.asked) == ([], [])


def test_an_adapter_is_told_for_what_it_is(visit: Visit, tmp_path: Path):
    file = write_adapter(tmp_path / "lora", FACTORS) / "adapter_model.safetensors"
    shown = visit("/")
    shown.page.set_input_files("#file", file)
    shown.page.get_by_text("It looks like an adapter.").wait_for()
    assert sent(shown) == []


def test_a_sketch_that_is_larger_than_the_service_takes_is_not_sent(visit: Visit, service: Served):
    shown = visit("/")
    shown.page.evaluate("document.getElementById('content').dataset.body = 1 << 20")
    dropped(shown.page, {"large.sketch": bytes((1 << 20) + 1)})
    shown.page.get_by_text("large.sketch is larger than the 1 MB that this service takes. It was not sent.").wait_for()
    assert sent(shown) == []


def test_a_sketch_is_dropped_anywhere_and_what_is_damaged_is_said(visit: Visit, service: Served):
    content = (service.settings.state.parent / "asked.sketch").read_bytes()
    shown = visit("/")
    dropped(shown.page, {"damaged.sketch": content[:-10]}, at="footer")
    shown.page.get_by_role("alert").wait_for()
    assert "That did not work: " in shown.page.get_by_role("alert").inner_text()
    assert shown.page.get_by_text("Sending").count() == 0
    shown.said.clear()  # the console has the status of what was refused
    dropped(shown.page, {"asked.sketch": content}, at="footer")
    assert shown.page.frame_locator("iframe").locator("h1").inner_text() == "asked"
    shown.page.go_back()
    filled(shown)
    assert shown.page.get_by_text("Sending").count() == 0
    assert shown.page.get_by_role("alert").count() == 0
    shown.page.set_input_files("#file", service.settings.state.parent / "asked.sketch")  # the same once more
    assert shown.page.frame_locator("iframe").locator("h1").inner_text() == "asked"
    assert (shown.said, shown.asked) == ([], [])


def test_several_sketches_make_a_table(visit: Visit, service: Served):
    from axe_playwright_python.sync_playwright import Axe

    folder = service.settings.state.parent
    shown = visit("/", width=390)
    names = ("asked.sketch", "child.sketch", "hostile.sketch")
    dropped(shown.page, {name: (folder / name).read_bytes() for name in names})
    shown.page.get_by_text("3 answers").wait_for()
    rows = shown.page.locator("table.answers tbody tr")
    assert rows.count() == 3
    assert rows.nth(0).locator("th").inner_text().startswith("asked")
    assert rows.nth(0).get_by_role("link", name="base").count() == 1
    assert HOSTILE in rows.nth(2).inner_text()
    assert shown.page.locator(".formats a").all_inner_texts() == ["json", "csv"]
    assert shown.page.evaluate("document.documentElement.scrollWidth") <= 390
    for scheme in ("light", "dark"):
        shown.page.emulate_media(color_scheme=scheme)
        assert Axe().run(shown.page).response["violations"] == []
    assert (shown.said, shown.asked) == ([], [])


def test_many_lines_are_asked_about_at_once(own, visit: Visit):
    with own() as served:
        shown = visit("/many?lang=ko", at=served.address)
        shown.page.locator("#lines").fill("# ours\n./base\nbase # again\n\nnova\n")
        shown.page.locator("form button").click()
        shown.page.locator("table.answers").wait_for()
        rows = shown.page.locator("table.answers tbody tr").all_inner_texts()
        assert [row.split()[0] for row in rows] == ["base", "base", "nova"]
        assert "답을 내지 못했습니다" in rows[2]
        assert shown.page.get_by_text("체크포인트 3개, 그 가운데 답이 없는 것 1개").count() == 1
        assert (shown.said, shown.asked) == ([], [])


def test_many_sketches_are_chosen_at_once(visit: Visit, service: Served):
    shown = visit("/many")
    shown.page.set_input_files("#file", [service.settings.state.parent / f"{n}.sketch" for n in ("asked", "child")])
    shown.page.get_by_text("2 answers").wait_for()
    assert (shown.said, shown.asked) == ([], [])


def test_an_audit_with_rules_of_ones_own(visit: Visit, tmp_path: Path):
    (tmp_path / "ours.toml").write_text(RULES)
    shown = visit("/")
    assert not shown.page.locator("#rules").is_visible()
    shown.page.locator("#question").select_option("licence")
    shown.page.set_input_files("#rules-file", tmp_path / "ours.toml")
    wait_for(lambda: shown.page.locator("#rules").input_value())
    shown.page.locator("#model").fill("child")
    shown.page.keyboard.press("Enter")
    shown.page.locator("main[data-view=answer] pre").wait_for()
    assert "looked at by us" in shown.page.locator("main[data-view=answer] pre").inner_text()
    assert shown.page.locator(".formats a").all_inner_texts() == ["audit --json", "txt", "sarif"]
    shown.page.go_back()
    filled(shown)
    shown.page.locator("#question").select_option("from-scratch")
    shown.page.locator("#rules").fill("x = [")
    shown.page.locator("#model").fill("child")
    shown.page.keyboard.press("Enter")
    shown.page.get_by_text("There is no answer: rules.toml: line 1: ").wait_for()
    assert shown.said == []


def test_a_card_is_held_against_a_sketch(visit: Visit, service: Served):
    shown = visit("/")
    shown.page.locator("#question").select_option("verify")
    shown.page.set_input_files("#file", service.settings.state.parent / "asked.sketch")
    shown.page.get_by_text("There is nothing to check against the weights").wait_for()
    assert sent(shown) == []
    shown.page.locator("#claims").fill(CLAIMS)
    shown.page.set_input_files("#file", service.settings.state.parent / "asked.sketch")
    shown.page.locator("main[data-view=answer] pre").wait_for()
    assert "base" in shown.page.locator("main[data-view=answer] pre").inner_text()
    assert (shown.said, shown.asked) == ([], [])


def test_is_it_a_merge(visit: Visit):
    shown = visit("/")
    shown.page.locator("#question").select_option("decompose")
    shown.page.locator("#model").fill("child")
    shown.page.keyboard.press("Enter")
    shown.page.locator("main[data-view=answer] pre").wait_for()
    assert shown.page.locator(".formats a").all_inner_texts() == [
        "decompose --json",
        "txt",
    ]  # no recipe of what is none
    assert (shown.said, shown.asked) == ([], [])


def test_all_is_done_with_the_keyboard_alone(visit: Visit):
    shown = visit("/")
    page = shown.page
    seen = []
    for _ in range(40):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.id || document.activeElement.className"))
        if seen[-1] == "model":
            break
    assert "skip" in seen
    assert seen.index("question") < seen.index("file") < seen.index("model")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none"
    page.keyboard.type("child")
    page.keyboard.press("Enter")
    page.wait_for_url("**/model?model=child")  # its ancestry, and not that it is found there itself
    page.locator("img.picture").wait_for()


@pytest.fixture
def own(tmp_path: Path, own_servers: set[tuple[str, int]], service: Served):
    """A service of one's own that reads a folder, and can be stopped."""
    models = tmp_path / "models"
    models.mkdir()
    published(trained(1), models / "base")
    write_adapter(models / "lora", FACTORS, base_model_name_or_path="org/base")
    (models / "words").mkdir()
    (models / "words" / "tokenizer.json").write_bytes(WORDS)
    settings = replace(service.settings, state=tmp_path / "state", folders=(models,), hub=False, reference=True, port=0)

    def started(port: int = 0):
        own_servers.add(("127.0.0.1", port))
        return serving(replace(settings, port=port))

    return started


def test_an_adapter_on_its_base_and_a_tokenizer_alone(own, visit: Visit, service: Served):
    with own() as served:
        shown = visit("/", at=served.address)
        page = shown.page
        page.locator("#adapter").fill("lora")
        dropped(page, {"asked.sketch": (service.settings.state.parent / "asked.sketch").read_bytes()})
        page.get_by_text("An adapter is merged onto weights").wait_for()
        assert sent(shown) == []
        page.locator("#path").fill("base")
        page.keyboard.press("Enter")
        assert page.frame_locator("iframe").locator("h1").inner_text() == "base+lora"
        page.go_back()
        filled(shown)
        dropped(page, {"tokenizer.json": WORDS})
        page.locator("main[data-view=answer] pre").wait_for()
        assert page.locator("main[data-view=answer] pre").inner_text().startswith("tokenizer of uploads/")
        assert page.locator(".formats a").all_inner_texts() == ["whois --json", "txt"]
        assert page.locator("iframe").count() == 0
        assert (shown.said, shown.asked) == ([], [])


def test_a_service_that_was_stopped_is_said_and_what_it_accepted_goes_on(own, visit: Visit):
    with own() as served:
        port = int(served.address.rpartition(":")[2])
        shown = visit("/", at=served.address)
        second = visit("/models", at=served.address)
        lines = "\n".join(["./base", "nova", "base", "./words"] * 10)
        shown.page.goto(f"{served.address}/many")
        shown.page.locator("#lines").fill(lines)
        shown.page.locator("form button").click()
        shown.page.get_by_text(" of 40").wait_for()
    shown.page.get_by_text("What it has accepted is kept").wait_for()
    second.page.locator("#search").fill("x")
    second.page.keyboard.press("Enter")
    second.page.get_by_text("The service does not answer. Is it still running?").wait_for()
    with own(port):
        shown.page.get_by_text("40 checkpoints, 10 of them without an answer").wait_for(timeout=120_000)
        assert shown.page.get_by_text("What it has accepted is kept").count() == 0
        second.page.locator("#search").fill("")
        second.page.keyboard.press("Enter")
        second.page.get_by_role("link", name="child").wait_for()
        assert second.page.get_by_role("alert").count() == 0


def test_two_tabs_are_each_about_their_own(visit: Visit, service: Served):
    folder = service.settings.state.parent
    first = visit("/")
    with first.page.context.expect_page() as opened:
        first.page.evaluate("window.open('/')")
    second = opened.value
    second.locator("main[data-filled]").wait_for()
    first.page.set_input_files("#file", folder / "asked.sketch")
    second.set_input_files("#file", folder / "child.sketch")
    assert first.page.frame_locator("iframe").locator("h1").inner_text() == "asked"
    assert second.frame_locator("iframe").locator("h1").inner_text() == "child"
    first.page.reload()
    assert first.page.frame_locator("iframe").locator("h1").inner_text() == "asked"


def test_the_page_takes_the_tokenizers_that_the_service_takes():
    script = (Path(pages.__file__).parent / "assets" / "files.js").read_text(encoding="utf-8")
    assert f"const TOKENIZER = /{TOKENIZER_NAME}/;" in script
