"""Pages as Chromium shows them: one browser for all tests, a tab of its own for each, and no way out of it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lineage import api
from lineage.serve.settings import Limits, Settings
from tests.html_pages import NAMES
from tests.serve.conftest import Served, serving
from tests.small_models import sketched, trained, tuned

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

HOSTILE = NAMES[0]
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


@dataclass
class Shown:
    """A page in a tab: what the console said, what it asked for beyond itself, and what of its own service."""

    page: Page
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)


Show = Callable[..., Shown]


def missing(reason: str) -> None:
    """Skip for want of a browser, unless the run has promised one."""
    if os.environ.get("LINEAGE_NEEDS_BROWSER"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    place = next((found for name in CHROMIUM if (found := shutil.which(name))), None)
    if place is None:
        missing(f"none of {', '.join(CHROMIUM)} is installed")
    try:
        from playwright.sync_api import expect, sync_playwright
    except ImportError:
        missing("playwright is not installed")
    expect.set_options(timeout=60_000)  # a busy machine is slow; how fast a page is belongs to benchmarks
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=place, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Iterator[Show]:
    """`show(page_bytes, width=390, dark=True)`: the page in a tab, loaded from a file."""
    contexts = []

    def open_(content: bytes, width: int = 1100, dark: bool = False) -> Shown:
        place = tmp_path / f"{len(contexts)}.html"
        place.write_bytes(content)
        settings: Any = {"viewport": {"width": width, "height": 900}, "color_scheme": "dark" if dark else "light"}
        context = browser.new_context(**settings)
        contexts.append(context)
        shown = Shown(context.new_page())

        def watch(route: Route) -> None:
            url = route.request.url
            if url == place.as_uri():
                route.continue_()
            else:
                shown.asked.append(url)
                route.abort()

        context.route("**/*", watch)
        shown.page.on("console", lambda message: shown.said.append(message.text))
        shown.page.on("pageerror", lambda error: shown.said.append(str(error)))
        shown.page.on("dialog", lambda dialog: (shown.said.append(dialog.message), dialog.dismiss()))
        shown.page.goto(place.as_uri())
        return shown

    yield open_
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A service over a base, a fine-tune of it, and an unrelated model with a hostile name."""
    folder = tmp_path_factory.mktemp("pages")
    base = trained(1)
    made = {"base": base, "child": tuned(base, 2), "hostile": trained(3)}
    for name, weights in made.items():
        api.save_sketch(sketched(weights, HOSTILE if name == "hostile" else name), folder / f"{name}.sketch")
    for _ in api.ingest(sorted(folder.glob("*.sketch")), folder / "index"):
        pass
    api.save_sketch(sketched(tuned(base, 4), "asked"), folder / "asked.sketch")
    (folder / "weights.safetensors").write_bytes(safetensors())
    (folder / "junk.bin").write_bytes(b"\xff" * 64)
    settings = Settings(
        folder / "state", folder / "index", reference=False, port=0, limits=Limits(workers=1, prepared=0)
    )
    with serving(settings) as served:
        yield served


def safetensors() -> bytes:
    head = {"__metadata__": {"by": HOSTILE}, "w": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}
    text = json.dumps(head).encode()
    return len(text).to_bytes(8, "little") + text + bytes(24)


Visit = Callable[..., Shown]


@pytest.fixture
def visit(browser, service: Served, own_servers) -> Iterator[Visit]:
    """`visit("/models", width=390, dark=True)`: a page in a tab that reaches the service alone, once it is filled."""
    own_servers.add(("127.0.0.1", int(service.address.rpartition(":")[2])))
    contexts = []

    def go(path: str, width: int = 1100, dark: bool = False, at: str = service.address, **settings: Any) -> Shown:
        size: Any = {"width": width, "height": 900}
        context = browser.new_context(viewport=size, color_scheme="dark" if dark else "light", **settings)
        contexts.append(context)
        shown = Shown(context.new_page())

        def watch(route: Any) -> None:
            if route.request.url.startswith((at, f"blob:{at}")):
                shown.requests.append((route.request.method, route.request.url.removeprefix(at)))
                route.continue_()
            else:
                shown.asked.append(route.request.url)
                route.abort()

        context.route("**/*", watch)
        shown.page.on("console", lambda message: shown.said.append(message.text))
        shown.page.on("pageerror", lambda error: shown.said.append(str(error)))
        shown.page.on("dialog", lambda dialog: (shown.said.append(dialog.message), dialog.dismiss()))
        shown.page.goto(at + path)
        filled(shown)
        return shown

    yield go
    for context in contexts:
        context.close()


def filled(shown: Shown) -> None:
    """Wait until the scripts of a page are done."""
    shown.page.locator("main[data-filled]").wait_for()
