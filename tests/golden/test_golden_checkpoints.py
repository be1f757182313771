"""Small files whose bytes are kept: they read today as they read when they were written."""

from __future__ import annotations

from pathlib import Path

import pytest

from lineage.checkpoints import open_checkpoint
from tests.checkpoint_files import same_bits, whole
from tests.torch_files import example

FOLDER = Path(__file__).parent / "checkpoints"


@pytest.mark.parametrize("name", ["tiny_zip.pt", "tiny_legacy.pt", "tiny.safetensors"])
def test_a_golden_file_reads_as_before(name: str) -> None:
    found = whole(open_checkpoint(FOLDER / name))
    assert list(found) == list(example()) or name == "tiny.safetensors"
    assert found.keys() == example().keys()
    for key, array in example().items():
        assert same_bits(found[key], array)
