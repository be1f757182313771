"""What a hostile file has to meet: one clear line, little memory, nothing outside its folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from lineage.checkpoints import open_checkpoint
from lineage.errors import CheckpointError
from tests.checkpoint_files import whole
from tests.memory import within

SPARE = 60_000  # KiB


def refused(path: Path, kind: type[CheckpointError], said: str) -> None:
    """Opening, or reading all values, ends in an error of that kind, in one printable line and in bounded memory."""
    with within(SPARE), pytest.raises(kind, match=said) as error:
        whole(open_checkpoint(path))
    assert str(error.value).isprintable()


def refused_at_opening(path: Path, kind: type[CheckpointError], said: str) -> None:
    """Opening alone ends in an error of that kind, in one printable line."""
    with pytest.raises(kind, match=said) as error:
        open_checkpoint(path)
    assert str(error.value).isprintable()
