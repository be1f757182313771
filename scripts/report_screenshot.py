"""Take the picture of the report that README.md shows: that of the demo's model, as Chromium draws it.

    python scripts/report_screenshot.py [docs/report.png]

Needs the development extra and an installed Chromium. The model is fetched once (80 MB).
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from fetch_real import checkpoint, packages

from lineage import __version__, api
from lineage.report.html import whois_page

MODEL = "sre-embedding-model"
WIDTH, HEIGHT = 1060, 2200  # down to the first figure beside its null
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def report() -> bytes:
    """Return the page for the demo's model, asked of the reference index alone."""
    path = checkpoint(MODEL, packages()[MODEL].weights[0])
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_DATA_HOME"] = folder  # not the user's own index
        answer = api.whois(path)
        relatives = api.relatives(answer)
    return whois_page(replace(answer, sketch=replace(answer.sketch, path=path.name)), __version__, relatives)


def picture(page: bytes, target: Path) -> None:
    """Write the upper part of a page, in light colours, as PNG."""
    from playwright.sync_api import sync_playwright

    place = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if place is None:
        raise SystemExit(f"none of {', '.join(BROWSERS)} is installed")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        file = Path(folder, "report.html")
        file.write_bytes(page)
        browser = playwright.chromium.launch(executable_path=place, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        tab.goto(file.as_uri())
        tab.screenshot(path=target)
        browser.close()


def main() -> int:
    """Make the page, take the picture."""
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/report.png")
    picture(report(), target)
    print(target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
