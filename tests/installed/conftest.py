"""One environment for all these tests."""

from __future__ import annotations

import pytest

from tests.installed.wheel import Installed, install


@pytest.fixture(scope="session")
def installed() -> Installed:
    """The wheel, installed without extras."""
    return Installed(install())
