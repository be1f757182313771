"""Pages as Chromium shows them: one browser for all tests, a tab of its own for each, and no way out of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

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
