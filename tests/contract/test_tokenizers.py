"""What holds for every format of tokenizers: the same tokens in any file are the same vocabulary."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from lineage.checkpoints.tokenizers import open_tokenizer, tokenizer_at
from lineage.errors import CheckpointError
from lineage.match.tokenizers import compare_tokenizers
from lineage.sketch import sketch_tokenizer
from lineage.types import Meter
from tests.tokenizer_files import FILES, hangul, pool, trained, write

TOKENS = [*trained(pool(2500), 1500, seed=1), *hangul(100), " caf\u00e9", "\U0001f600\U0001f680"]


def opened(name: str, folder: Path, tokens: list[str]):
    file, make = FILES[name]
    return open_tokenizer(write(folder / name, file, make(tokens)))


@pytest.mark.parametrize("name", FILES)
class TestEveryFormat:
    def test_the_tokens_come_back_in_their_order(self, name: str, tmp_path: Path) -> None:
        found = opened(name, tmp_path, TOKENS)
        wanted = [text.encode() for text in TOKENS]
        held = [token for token in found.tokens if token in set(wanted)]
        assert held == wanted
        assert np.all(np.diff(found.ids) > 0)
        assert len(found.tokens) == len(found.ids) == len(found.marked)

    def test_a_folder_is_as_good_as_the_file(self, name: str, tmp_path: Path) -> None:
        found = opened(name, tmp_path, TOKENS)
        again = open_tokenizer(tmp_path / name)
        assert again.tokens == found.tokens
        beside = tokenizer_at(tmp_path / name, Meter())
        assert beside is not None
        assert beside.tokens == found.tokens

    def test_it_is_identical_to_the_same_tokens_in_every_other_format(self, name: str, tmp_path: Path) -> None:
        one = sketch_tokenizer(opened(name, tmp_path, TOKENS))
        for other in FILES:
            found = compare_tokenizers(one, sketch_tokenizer(opened(other, tmp_path, TOKENS)))
            # a byte-level file has its 256 bytes as tokens, which others have not
            assert (found.relation, found.basis) in {
                ("identical", None),
                ("extended", "fixed"),
                ("extended", "reserved"),
            }
            assert one.digest == sketch_tokenizer(opened(other, tmp_path, TOKENS)).digest

    def test_special_tokens_are_no_ordinary_ones(self, name: str, tmp_path: Path) -> None:
        sketch = sketch_tokenizer(opened(name, tmp_path, TOKENS))
        assert sketch.ordinary == len(set(TOKENS))
        if sketch.special is not None:
            assert {text for text, _ in sketch.special_names} & {"<s>", "[PAD]"}

    def test_a_cut_file_is_refused_or_holds_fewer_tokens(self, name: str, tmp_path: Path) -> None:
        file, make = FILES[name]
        whole = make(TOKENS)
        for share in (0.3, 0.6, 0.95):
            path = write(tmp_path / str(share), file, whole[: int(share * len(whole))])
            with suppress(CheckpointError):
                assert len(open_tokenizer(path).tokens) < len(opened(name, tmp_path, TOKENS).tokens)
