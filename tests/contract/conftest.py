"""What modules about encodings share: the model that they write in each, in a plain file."""

from __future__ import annotations

import pytest

from lineage.types import CheckpointSketch
from tests.checkpoint_files import sketched, write_safetensors


@pytest.fixture(scope="module")
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> CheckpointSketch:
    """The sketch of the arrays that the module calls BASE, from safetensors."""
    return sketched(write_safetensors(tmp_path_factory.mktemp("base"), request.module.BASE))
