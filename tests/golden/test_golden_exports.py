"""Exports byte for byte. Where a change is meant: `python -m tests.golden.test_golden_exports` writes them anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from lineage.report import graphs
from lineage.report.bom import cyclonedx, intoto, spdx
from tests import standards
from tests.hand_made import HANDED_ON

FOLDER = Path(__file__).parent / "exports"
ENDINGS = [".cdx.json", ".1.7.cdx.json", ".spdx.json", ".prov.json", ".intoto.json", ".card.yaml"]


@pytest.fixture(autouse=True)
def one_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new version of the package changes what names its maker, and nothing else."""
    for module in (cyclonedx, spdx, intoto):
        monkeypatch.setattr(module, "__version__", "0")
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_export_is_what_it_was(ending):
    assert graphs.render(HANDED_ON, f"nova{ending}").decode() == (FOLDER / f"nova{ending}").read_text()


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_is_kept_is_valid(ending):
    standards.CHECKS[ending]((FOLDER / f"nova{ending}").read_bytes())


def main() -> None:
    """Write every file anew."""
    for module in (cyclonedx, spdx, intoto):
        module.__version__ = "0"
    for ending in ENDINGS:
        graphs.write(HANDED_ON, FOLDER / f"nova{ending}")


if __name__ == "__main__":
    main()
