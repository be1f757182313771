"""The settings of a config in a `.sketch`: what was written is read, and nothing else is believed."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from lineage.sketch import read_sketch, write_sketch
from lineage.sketch.configuration import read_configuration, written_configuration
from lineage.types.settings import PartConfiguration
from tests.synthetic import encoder
from tests.synthetic import sketch as sketched

PARTS = (
    PartConfiguration("text", "nova", (("hidden_size", 64), ("norm_eps", 1e-05), ("tie_word_embeddings", True))),
    PartConfiguration("vision", None, (("fullatt_block_indexes", "7 15"),)),
)


def test_what_was_written_is_read_and_the_id_stays(tmp_path: Path):
    made = sketched(encoder(1))
    for parts in ((), PARTS):
        write_sketch(replace(made, configuration=parts), tmp_path / "a.sketch")
        read = read_sketch(tmp_path / "a.sketch")
        assert (read.configuration, read.id) == (parts, made.id)
    assert read_configuration(written_configuration(PARTS)) == PARTS


@pytest.mark.parametrize(
    "wrong",
    [
        {}, [[]], [["smell", None, {}]], [["text", 3, {}]], [["text", None, []]], [["text", "a\n", {}]],
        [["text", None, {"a": None}]], [["text", None, {"a": math.nan}]], [["text", None, {"a": 1 << 60}]],
        [["text", None, {"a": "x" * 300}]], [["text", None, {str(i): 1 for i in range(65)}]], [["text", None, {}]] * 4,
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(wrong: object):
    with pytest.raises((ValueError, TypeError)):
        read_configuration(wrong)
