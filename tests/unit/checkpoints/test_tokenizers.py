"""Spellings of tokens, which file of a folder counts, and what a file says besides its tokens."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage.checkpoints.tokenizers import open_tokenizer, tokenizer_at
from lineage.checkpoints.tokenizers.spelling import spelling_of, to_bytes
from lineage.checkpoints.tokenizers.tokenizer_json import without_merges
from lineage.errors import UnsupportedFormat
from lineage.types import Meter
from tests.tokenizer_files import CHARACTER, byte_level, pieced, pool, ranks, spaced, tokenizer_json, vocab_json, write

WORDS = pool(300)


@pytest.mark.parametrize(
    ("texts", "spelling", "tokens"),
    [
        (["\u0120the", "\u010a", "\u00c3\u00a9"], "byte-level", [b" the", b"\n", "\u00e9".encode()]),
        (["\u2581the", "\u2581\u2581", "\u00e9"], "sentencepiece", [b" the", b"  ", "\u00e9".encode()]),
        (["the", "##ing", "##"], "WordPiece", [b" the", b"ing", b" ##"]),
        (["the</w>", "th"], "byte-level, word ends", [b"the ", b"th"]),
        (["the", "\u4e2d"], "plain", [b"the", "\u4e2d".encode()]),
        (["\u0120a", "\u4e2d\u0120"], "byte-level", [b" a", "\u4e2d\u0120".encode()]),  # no byte-level text: as it is
    ],
)
def test_a_token_is_the_bytes_that_it_stands_for(texts: list[str], spelling: Any, tokens: list[bytes]) -> None:
    assert to_bytes(texts, spelling) == tokens


def test_all_256_bytes_are_spelled() -> None:
    assert to_bytes(list(CHARACTER.values()), "byte-level") == [bytes([byte]) for byte in CHARACTER]


@pytest.mark.parametrize(
    ("spell", "spelling"), [(spaced, "sentencepiece"), (pieced, "WordPiece"), (lambda t: t.strip(), "plain")]
)
def test_the_marks_of_tokens_tell_their_spelling(spell: Callable[[str], str], spelling: str) -> None:
    assert spelling_of([*map(spell, WORDS)]) == spelling


def test_byte_level_is_told_by_its_whole_alphabet() -> None:
    alphabet = list(CHARACTER.values())
    assert spelling_of([*alphabet, *map(byte_level, WORDS)]) == "byte-level"
    assert spelling_of([*alphabet, *(byte_level(word.strip()) + "</w>" for word in WORDS)]) == "byte-level, word ends"
    assert spelling_of([*alphabet[:-1], *map(byte_level, WORDS)]) == "plain"


def test_the_file_that_says_most_is_read(tmp_path: Path) -> None:
    write(tmp_path, "vocab.json", vocab_json(WORDS[:100]))
    assert open_tokenizer(tmp_path).format == "vocab.json"
    write(tmp_path, "qwen.tiktoken", ranks(WORDS[:100]))
    assert open_tokenizer(tmp_path).format == "tiktoken"
    write(tmp_path, "tokenizer.json", tokenizer_json(WORDS[:100]))
    assert open_tokenizer(tmp_path).format == "tokenizer.json"


def test_a_folder_without_one_says_so(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no vocabulary")
    assert tokenizer_at(tmp_path, Meter()) is None
    with pytest.raises(UnsupportedFormat, match="holds no tokenizer: name its file"):
        open_tokenizer(tmp_path)


def test_what_a_file_says_of_itself_is_kept(tmp_path: Path) -> None:
    found = open_tokenizer(write(tmp_path, "tokenizer.json", tokenizer_json(WORDS)))
    assert (found.algorithm, found.pattern) == ("BPE", r"\p{N}{1,3}")
    assert found.special is not None
    assert [text for text, _ in found.special] == ["<s>", "</s>", "<|pad|>"]
    assert found.marked.sum() == 3


def test_files_without_a_place_for_special_tokens_are_told_from_those_without_any(tmp_path: Path) -> None:
    assert open_tokenizer(write(tmp_path, "x.tiktoken", ranks(WORDS))).special is None
    assert open_tokenizer(write(tmp_path, "tokenizer.json", tokenizer_json(WORDS, special=()))).special == ()


def test_an_older_file_without_a_type_is_read(tmp_path: Path) -> None:
    value = json.loads(tokenizer_json(WORDS))
    del value["model"]["type"], value["added_tokens"], value["pre_tokenizer"]
    found = open_tokenizer(write(tmp_path, "tokenizer.json", json.dumps(value).encode()))
    assert found.algorithm == "BPE"
    assert WORDS[0].encode() in found.tokens


def test_the_empty_token_at_the_end_of_whispers_file_is_read(tmp_path: Path) -> None:
    found = open_tokenizer(write(tmp_path, "multilingual.tiktoken", ranks(WORDS) + b"= 556\n"))
    assert found.tokens[-1] == b""


def test_a_tokenizer_at_a_hub_is_read(hub: Callable[..., object], tmp_path: Path) -> None:
    write(tmp_path, "tokenizer.json", tokenizer_json(WORDS))
    hub({"acme/nova": tmp_path})
    assert open_tokenizer("hf:acme/nova").tokens == open_tokenizer(tmp_path).tokens
    assert open_tokenizer("hf:acme/nova/tokenizer.json").tokens == open_tokenizer(tmp_path).tokens


MODEL = {"model": {"type": "BPE", "vocab": {"a": 0, "merges": 1, '"': 2}, "merges": ["a merges", '" a', "],", "\\ \\"]}}


def layouts(value: dict[str, object]) -> list[bytes]:
    return [
        json.dumps(value).encode(),
        json.dumps(value, indent=2).encode(),
        json.dumps(value, indent=1).encode() + b"\n",
    ]


@pytest.mark.parametrize("content", layouts(MODEL))
def test_merges_that_stand_last_are_passed_over_unread(content: bytes) -> None:
    cut = without_merges(content)
    assert len(cut) < len(content)
    assert json.loads(cut) == {"model": {**MODEL["model"], "merges": []}}
    pairs = {"model": {**MODEL["model"], "merges": [["a", "b"], ["],", '":'], ["\n", '"merges":[']]}}
    for text in layouts(pairs):
        assert json.loads(without_merges(text)) == json.loads(cut)


@pytest.mark.parametrize(
    "value",
    [
        {"model": {"merges": ["a b"], "vocab": {"a": 0}}},
        {"model": {"merges": ["a b"], "vocab": [["a", 0]]}},
        {"model": {"vocab": {"a": 0}, "merges": ["a b"]}, "added_tokens": [{"id": 1, "content": "x"}]},
        {"model": {"vocab": {"merges": 0, 'merges":[': 1}}},
        {"model": {"vocab": {"a": 0}, "merges": ["a b"], "other": ["c"]}},
        {"model": {"vocab": {"a": 0}, "merges": []}, "decoder": {"decoders": [1]}},
    ],
)
def test_a_file_that_is_laid_out_otherwise_stays_as_it_is(value: dict[str, object]) -> None:
    for content in layouts(value):
        assert without_merges(content) == content


@given(
    st.recursive(
        st.text(alphabet='a"\\[]{},: \n', max_size=6),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["merges", "vocab", "m"]), inner),
        max_leaves=12,
    ),
    st.sampled_from([None, 1]),
)
def test_whatever_is_cut_is_nothing_but_merges(inner: object, indent: int | None) -> None:
    for more in ({}, {"decoder": {"m": inner}}):
        value = {"model": {"vocab": inner, "merges": inner}, **more}
        found = json.loads(without_merges(json.dumps(value, indent=indent).encode()))
        assert found in (value, {**value, "model": {"vocab": inner, "merges": []}})


@given(st.lists(st.text(max_size=5)), st.booleans())
def test_many_texts_at_once_are_the_same_as_one_by_one(texts: list[str], spaced: bool) -> None:
    texts = [*texts, "\U0010fffd\U0010fffe"] if len(texts) % 3 == 0 else texts
    naive = [(text.replace("\u2581", " ") if spaced else text).encode("utf-8", "replace") for text in texts]
    assert to_bytes(texts, "sentencepiece" if spaced else "plain") == naive
