"""The sketch of a tokenizer: what it keeps, how large it is, and where it lies."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from lineage.api import save_sketch, sketch
from lineage.checkpoints.tokenizers import open_tokenizer
from lineage.sketch import read_sketch, read_tokenizer, sketch_tokenizer, write_tokenizer
from lineage.sketch.minhash import as_datasketch
from lineage.sketch.tokenizer import SAMPLE
from lineage.sketch.tokenizer_hashes import token_hashes
from lineage.sketch.tokenizer_kinds import KINDS, sorted_as_text, token_kinds
from lineage.types import TokenizerSketch, Vocabulary
from tests.checkpoint_files import write_safetensors
from tests.property.test_sketch_file import assert_equal
from tests.tokenizer_files import gguf, hangul, pool, tokenizer_json, write

WORDS = pool(8000)


def vocabulary(tokens: list[bytes], ids: list[int] | None = None) -> Vocabulary:
    return Vocabulary(
        "v", "", "made", None, tuple(tokens), np.array(ids or range(len(tokens))), np.zeros(len(tokens), bool), ()
    )


def made_of(words: list[str]) -> TokenizerSketch:
    return sketch_tokenizer(vocabulary([word.encode() for word in words]))


@pytest.mark.parametrize(
    ("token", "kind"),
    [
        (b"<0x0A>", "bytes"), (b"a", "characters"), (b" a", "characters"), (b" ", "characters"),
        (b"\xe4", "characters"),
        (b"\xb8\xad", "characters"), (" 한".encode(), "characters"), (b"", "characters"), (b"12", "digits"),
        (b" 2024", "digits"), (b"   ", "repeats"), (b"\n\t\n", "repeats"), (b"----", "repeats"), (b" ==", "repeats"),
        (b"<|end|>", "reserved"), (b"[PAD]", "reserved"), (b"</div>", "reserved"), (b"the", None), (b" the", None),
        ("한국".encode(), None), (b"1st", None), (b"<x", None), (b"[]", None), (b"=>", None),
    ],
)  # fmt: skip
def test_the_kind_of_a_token(token: bytes, kind: str | None) -> None:
    [code] = token_kinds([token], np.zeros(1, bool))
    assert (KINDS[code - 1] if code else None) == kind


def test_a_marked_token_is_reserved_whatever_it_looks_like() -> None:
    codes = token_kinds([b"the", b"12", b"<0x0A>"], np.ones(3, bool))
    assert [KINDS[code - 1] for code in codes] == ["reserved", "reserved", "bytes"]


def test_sorted_stretches_are_found_up_and_down_and_chance_is_not() -> None:
    ten = [b"aa", b"ab", b"Ac", b"ad", b"ae", b"af", b"ag", b"ah", b"ai", b"aj"]
    assert sorted_as_text([b"z", *ten, b"a"]).tolist() == [False, *[True] * 10, False]
    assert sorted_as_text([b"a", *ten[::-1], b"z"]).tolist() == [False, *[True] * 10, False]
    assert not sorted_as_text(ten[:7]).any()
    random = [word.encode() for word in WORDS]
    assert sorted_as_text(random).mean() < 0.001


def test_the_sample_is_of_the_least_hashes_with_their_ids() -> None:
    made = made_of(WORDS)
    hashes = np.sort(token_hashes([word.encode() for word in WORDS]))[:SAMPLE]
    assert np.array_equal(made.hashes, hashes)
    for hashed, number in zip(made.hashes[:20].tolist(), made.ids[:20].tolist(), strict=True):
        assert token_hashes([WORDS[number].encode()])[0] == hashed


def test_the_same_bytes_twice_count_once_with_the_lower_id() -> None:
    made = sketch_tokenizer(vocabulary([b"the", b"and", b"the"], [3, 5, 9]))
    assert made.ordinary == 2
    assert sorted(made.ids.tolist()) == [3, 5]


def test_it_has_at_most_64_kilobytes_however_large_the_vocabulary(tmp_path: Path) -> None:
    special = tuple((f"<|{i:060}|>", i) for i in range(3000))
    long = replace(vocabulary([str(i).encode() + b"x" for i in range(60_000)]), special=special, pattern="\u4e00" * 512)
    write_tokenizer(sketch_tokenizer(long), tmp_path / "x.tokenizer")
    assert (tmp_path / "x.tokenizer").stat().st_size <= 64 << 10


def test_the_minhash_is_one_of_datasketch() -> None:
    left, right = made_of(WORDS[:6000]), made_of(WORDS[2000:])
    assert as_datasketch(left.minhash).jaccard(as_datasketch(right.minhash)) == pytest.approx(0.5, abs=0.15)


def test_a_file_alone_comes_back(tmp_path: Path) -> None:
    made = sketch_tokenizer(open_tokenizer(write(tmp_path, "tokenizer.json", tokenizer_json(WORDS[:500]))))
    write_tokenizer(made, tmp_path / "x.tokenizer")
    read = read_tokenizer(tmp_path / "x.tokenizer")
    assert_equal(replace(made, path=""), read)
    assert str(tmp_path).encode() not in (tmp_path / "x.tokenizer").read_bytes()


def test_a_vocabulary_of_nothing_ordinary_is_written_and_read(tmp_path: Path) -> None:
    made = sketch_tokenizer(vocabulary([b"a", b"1"]))
    write_tokenizer(made, tmp_path / "x.tokenizer")
    assert read_tokenizer(tmp_path / "x.tokenizer").ordinary == 0


def test_the_tokenizer_of_a_folder_lies_in_its_sketch_and_changes_no_id(tmp_path: Path) -> None:
    write_safetensors(tmp_path, {"a.weight": np.ones((4, 4), np.float32)})
    without = sketch(tmp_path)
    write(tmp_path, "tokenizer.json", tokenizer_json([*WORDS[:500], *hangul(20)]))
    made = sketch(tmp_path)
    assert without.tokenizer is None
    assert made.tokenizer is not None
    assert made.id == without.id
    save_sketch(made, tmp_path / "x.sketch")
    read = read_sketch(tmp_path / "x.sketch")
    assert_equal(replace(made, path="", weights_seen=False, tokenizer=replace(made.tokenizer, path="")), read)


def test_a_gguf_file_brings_its_own(tmp_path: Path) -> None:
    made = sketch(write(tmp_path, "net.gguf", gguf(WORDS[:500])))
    assert made.tokenizer is not None
    assert made.tokenizer.ordinary == 500


def test_a_tokenizer_of_a_later_family_is_passed_over(tmp_path: Path) -> None:
    """The weights are still those of a family that is known."""
    write_safetensors(tmp_path, {"a.weight": np.ones((4, 4), np.float32)})
    write(tmp_path, "tokenizer.json", tokenizer_json(WORDS[:500]))
    made = sketch(tmp_path)
    assert made.tokenizer is not None
    save_sketch(replace(made, tokenizer=replace(made.tokenizer, family="tokens-9")), tmp_path / "x.sketch")
    read = read_sketch(tmp_path / "x.sketch")
    assert (read.id, read.tokenizer) == (made.id, None)


def test_an_older_reader_finds_all_that_it_knows(tmp_path: Path) -> None:
    write_safetensors(tmp_path, {"a.weight": np.ones((4, 4), np.float32)})
    save_sketch(sketch(tmp_path), tmp_path / "before.sketch")
    write(tmp_path, "tokenizer.json", tokenizer_json(WORDS[:500]))
    save_sketch(sketch(tmp_path), tmp_path / "after.sketch")
    headers, arrays = [], []
    for name in ("before", "after"):
        with safe_open(str(tmp_path / f"{name}.sketch"), framework="np") as file:
            headers.append(json.loads(file.metadata()["lineage"]))
            held = [name for name in file.keys() if not name.startswith("tokenizer.")]  # noqa: SIM118
            arrays.append({name: file.get_tensor(name).tobytes() for name in held if name != "checksum"})
    assert arrays[0] == arrays[1]
    del headers[1]["tokenizer"]
    assert {k: v for k, v in headers[0].items() if k != "bytes_read"} == {
        k: v for k, v in headers[1].items() if k != "bytes_read"
    }
