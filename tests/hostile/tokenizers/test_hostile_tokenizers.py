"""Tokenizer files, and sketches of tokenizers, that someone made to hurt."""

from __future__ import annotations

import json
import resource
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from blake3 import blake3
from safetensors import safe_open
from safetensors.numpy import save_file

from lineage.api import save_sketch, sketch
from lineage.checkpoints.tokenizers import open_tokenizer
from lineage.errors import CheckpointError, Malformed, SketchMismatch, Truncated, UnsupportedFormat
from lineage.sketch import read_sketch, read_tokenizer, sketch_tokenizer, write_tokenizer
from lineage.types.facts.exclusions import UnreadTokenizer
from tests.checkpoint_files import write_safetensors
from tests.gguf_files import gguf_bytes
from tests.hostile_files import SPARE
from tests.tokenizer_files import gguf, piece, pool, ranks, sentencepiece, tokenizer_json, varint, vocab_txt

TOKENS = pool(300)


def changed(**fields: Any) -> bytes:
    """A tokenizer.json with other fields."""
    return json.dumps(json.loads(tokenizer_json(TOKENS)) | fields).encode()


def model(**fields: Any) -> bytes:
    held = json.loads(tokenizer_json(TOKENS))["model"]
    return changed(model=held | fields)


def with_vocabulary(**metadata: Any) -> bytes:
    held = {"tokenizer.ggml.model": "llama", "tokenizer.ggml.tokens": ["a", "b"], "tokenizer.ggml.token_type": [1, 1]}
    return gguf_bytes([("w", (32,), 0, bytes(128))], held | metadata)


FILES: dict[str, tuple[str, bytes, type[CheckpointError], str]] = {
    "ids that are no numbers": ("tokenizer.json", model(vocab={"a": "0"}), Malformed, "not an integer"),
    "ids that are fractions": ("tokenizer.json", model(vocab={"a": 0.5}), Malformed, "not an integer"),
    "a truth for an id": ("tokenizer.json", model(vocab={"a": True}), Malformed, "not an integer"),
    "an id beyond every table": ("tokenizer.json", model(vocab={"a": 1 << 70}), Malformed, "with the invalid id"),
    "a negative id": ("tokenizer.json", model(vocab={"a": -1}), Malformed, "with the invalid id"),
    "one id for two tokens": ("tokenizer.json", model(vocab={"a": 1, "b": 1}), Malformed, "to two tokens"),
    "a token twice": ("tokenizer.json", b'{"model": {"vocab": {"a": 1, "a": 2}}}', Malformed, "appears twice"),
    "an added token in the place of another": (
        "tokenizer.json", changed(added_tokens=[{"id": 0, "content": "<x>"}]), Malformed, "to two tokens",
    ),
    "added tokens that are none": ("tokenizer.json", changed(added_tokens=["<x>"]), Malformed, "without id"),
    "no list of added tokens": ("tokenizer.json", changed(added_tokens={"a": 1}), Malformed, "not a list"),
    "no vocabulary": ("tokenizer.json", model(vocab=7), Malformed, "neither"),
    "an empty vocabulary": ("vocab.json", b"{}", UnsupportedFormat, "not a tokenizer"),
    "a vocabulary of lists": ("tokenizer.json", model(vocab=[[], []]), Malformed, "neither"),
    "scores for tokens": ("tokenizer.json", model(vocab=[[1.0, "a"]]), Malformed, "not text"),
    "a token without end": ("tokenizer.json", model(vocab={"a" * 70_000: 0}), Malformed, "more than"),
    "nested without end": ("tokenizer.json", b'{"model":' + b"[" * 100_000, Malformed, "nested too deeply"),
    "no JSON": ("tokenizer.json", b'{"model": {"vocab"', Malformed, "not valid JSON"),
    "another JSON": ("tokenizer.json", b'{"a": "b"}', UnsupportedFormat, "not a tokenizer"),
    "a piece that reaches out": (
        "tokenizer.model", sentencepiece(TOKENS)[:-3] + b"\x0a\x7f\x0a", Truncated, "reaches to byte|ends within",
    ),
    "a piece that is cut": ("tokenizer.model", sentencepiece(TOKENS)[:50], Truncated, "reaches to byte"),
    "a piece of no text": ("tokenizer.model", piece("<unk>", 2) + piece(b"\xff\xfe"), Malformed, "not UTF-8"),
    "a length without end": ("tokenizer.model", piece("<unk>", 2) + b"\x0a" + b"\xff" * 20, Malformed, "no end"),
    "a length beyond the file": (
        "tokenizer.model", piece("<unk>", 2) + b"\x0a" + varint(1 << 62), Truncated, "reaches to byte",
    ),
    "a field of no kind": ("tokenizer.model", piece("<unk>", 2) + b"\x0f", Malformed, "no field of a known kind"),
    "pieces by the million": (
        "tokenizer.model", piece("<unk>", 2) + b"\x0a\x00" * ((1 << 21) + 9), Malformed, "more than",
    ),
    "ranks that are no base64": ("x.tiktoken", ranks(TOKENS) + b"!!! 9\n", Malformed, "not base64"),
    "ranks that are no numbers": ("x.tiktoken", ranks(TOKENS) + b"YQ== x\n", Malformed, "no rank"),
    "ranks of a thousand digits": ("x.tiktoken", ranks(TOKENS) + b"YQ== " + b"9" * 1000, Malformed, "no rank"),
    "one rank for two tokens": ("x.tiktoken", ranks(TOKENS) + b"YXl5 0\n", Malformed, "to two tokens"),
    "lines by the million": ("vocab.txt", b"\n" * ((1 << 21) + 9), Malformed, "lines allowed"),
    "lines of no text": ("vocab.txt", vocab_txt(TOKENS) + b"\xff\xff\n", Malformed, "not UTF-8"),
    "a tekken without bytes": (
        "tekken.json", b'{"config": {}, "vocab": [{"rank": 0}]}', Malformed, "has no bytes",
    ),
    "a tekken of a billion": (
        "tekken.json", b'{"config": {"default_vocab_size": 9999999999}, "vocab": []}', Malformed, "number of tokens",
    ),
    "a GGUF of no tokens": ("x.gguf", gguf_bytes([("w", (32,), 0, bytes(128))]), UnsupportedFormat, "no vocabulary"),
    "a GGUF in another spelling": (
        "x.gguf", with_vocabulary(**{"tokenizer.ggml.model": "rwkv"}), UnsupportedFormat, "not known here",
    ),
    "a GGUF whose tokens are numbers": (
        "x.gguf", with_vocabulary(**{"tokenizer.ggml.tokens": [1, 2]}), Malformed, "not text",
    ),
    "a GGUF with too few types": (
        "x.gguf", with_vocabulary(**{"tokenizer.ggml.token_type": [1]}), Malformed, "does not fit",
    ),
    "a GGUF that is cut": ("x.gguf", gguf(TOKENS)[:900], Truncated, "promises"),
    "another file": ("x.bin", b"\x7fELF" + bytes(99), UnsupportedFormat, "is not a tokenizer"),
}  # fmt: skip


@pytest.mark.parametrize(("name", "content", "kind", "said"), FILES.values(), ids=FILES.keys())
def test_the_file_is_refused(name: str, content: bytes, kind: type[CheckpointError], said: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(kind, match=said) as error:
        open_tokenizer(path)
    assert str(error.value).isprintable()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 8 * SPARE


def test_a_file_larger_than_any_tokenizer_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    with path.open("wb") as file:
        file.write(b"{")
        file.truncate(1 << 40)
    with pytest.raises(Malformed, match="of any tokenizer"):
        open_tokenizer(path)


def test_no_expression_is_run_and_a_long_one_is_not_kept(tmp_path: Path) -> None:
    """This one would take longer than the universe has."""
    pre = {"type": "Split", "pattern": {"Regex": "(a+)+$"}}
    found = open_tokenizer(_written(tmp_path, changed(pre_tokenizer=pre)))
    assert found.pattern == "(a+)+$"
    pre = {"type": "Split", "pattern": {"Regex": "(" * 100_000}}
    assert open_tokenizer(_written(tmp_path, changed(pre_tokenizer=pre))).pattern is None


def test_steps_without_end_are_passed_over(tmp_path: Path) -> None:
    step: dict[str, Any] = {"type": "ByteLevel"}
    for _ in range(200):
        step = {"type": "Sequence", "pretokenizers": [step]}
    assert len(open_tokenizer(_written(tmp_path, changed(pre_tokenizer=step))).tokens) > len(TOKENS)


def test_surrogates_that_are_no_characters_are_read_as_something_else(tmp_path: Path) -> None:
    path = _written(tmp_path, b'{"model": {"vocab": {"\\ud800x": 0, "<\\udfff>": 1, "ab": 2}}}')
    made = sketch_tokenizer(open_tokenizer(path))
    write_tokenizer(made, tmp_path / "x.tokenizer")
    assert read_tokenizer(tmp_path / "x.tokenizer").special_names == made.special_names
    assert made.ordinary == 2


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret.json"
    secret.write_bytes(tokenizer_json(TOKENS))
    home = tmp_path / "model"
    home.mkdir()
    (home / "tokenizer.json").symlink_to(secret)
    with pytest.raises(Malformed, match="outside the folder"):
        open_tokenizer(home)


def test_a_damaged_tokenizer_does_not_keep_the_weights_from_being_sketched(tmp_path: Path) -> None:
    write_safetensors(tmp_path, {"a.weight": np.ones((4, 4), np.float32)})
    (tmp_path / "tokenizer.json").write_bytes(model(vocab={"a": -1}))
    made = sketch(tmp_path)
    assert made.tokenizer is None
    [(_, reason)] = [pair for pair in made.left_out if pair[0] == "tokenizer.json"]
    assert isinstance(reason, UnreadTokenizer)
    save_sketch(made, tmp_path / "x.sketch")
    assert read_sketch(tmp_path / "x.sketch").left_out == made.left_out


def _written(folder: Path, content: bytes) -> Path:
    (folder / "tokenizer.json").write_bytes(content)
    return folder / "tokenizer.json"


class TestSketchesThatLie:
    """A header that is changed and sealed again."""

    @pytest.fixture
    def forged(self, tmp_path: Path):
        made = sketch_tokenizer(open_tokenizer(_written(tmp_path, tokenizer_json(TOKENS))))
        write_tokenizer(made, tmp_path / "x.tokenizer")
        with safe_open(str(tmp_path / "x.tokenizer"), framework="np") as file:
            header = json.loads(file.metadata()["lineage"])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118

        def forge(entries: dict[str, Any], **changes: np.ndarray) -> Path:
            held = arrays | {f"tokenizer.{name}": array for name, array in changes.items()}
            order = ("hashes", "ids", "marks", "runs", "minhash", "special")
            content = b"".join(held[f"tokenizer.{name}"].tobytes() for name in order)
            entry = header["tokenizer"] | {"arrays": blake3(content).hexdigest()} | entries
            text = json.dumps(header | {"tokenizer": entry})
            held["checksum"] = np.frombuffer(blake3(text.encode()).digest(), np.uint8)
            path = tmp_path / "forged.tokenizer"
            save_file(held, path, metadata={"lineage": text})
            return path

        forge.arrays = arrays  # type: ignore[attr-defined]
        return forge

    def test_sealed_again_it_reads(self, forged) -> None:
        assert read_tokenizer(forged({"name": "another"})).name == "another"

    @pytest.mark.parametrize(
        "entries",
        [
            {"ordinary": 10}, {"ordinary": -1}, {"ordinary": 1 << 40}, {"ordinary": True}, {"size": "many"},
            {"fixed": [["nonsense", 1]]}, {"fixed": [["digits", -1]]}, {"digest": "no"}, {"content": 7},
            {"special": [["x" * 9999, 1]]}, {"special": None}, {"pattern": "(" * 9999}, {"arrays": "0" * 64},
            {"name": None}, {"format": "f" * 9999},
        ],
        ids=str,
    )  # fmt: skip
    def test_entries_that_do_not_fit_are_refused(self, forged, entries: dict[str, Any]) -> None:
        with pytest.raises(Malformed, match="not a sketch of a tokenizer"):
            read_tokenizer(forged(entries))

    def test_arrays_that_do_not_fit_are_refused(self, forged) -> None:
        hashes, ids = (forged.arrays[f"tokenizer.{name}"] for name in ("hashes", "ids"))
        bad = {
            "hashes": [hashes[::-1].copy(), hashes[:-1], hashes.astype(np.int64), hashes.reshape(-1, 1)],
            "ids": [np.zeros_like(ids), ids[:-1], ids.astype(np.float32)],
            "marks": [np.zeros((len(ids), 2), np.uint8)],
            "runs": [np.zeros((1, 6), np.uint32), np.zeros((len(ids), 7), np.uint32)],
            "minhash": [np.zeros(4, np.uint32)],
            "special": [np.array([3, 2], np.uint32), np.arange(5000, dtype=np.uint32)],
        }
        for name, arrays in bad.items():
            for array in arrays:
                with pytest.raises(Malformed, match="not a sketch of a tokenizer"):
                    read_tokenizer(forged({}, **{name: array}))

    def test_another_family_is_told_from_damage(self, forged) -> None:
        with pytest.raises(SketchMismatch, match="another family"):
            read_tokenizer(forged({"family": "tokens-99"}))

    def test_a_bit_that_turned_is_found(self, forged, tmp_path: Path) -> None:
        whole = bytearray(forged({}).read_bytes())
        for at in range(0, len(whole), max(1, len(whole) // 40)):
            damaged = whole.copy()
            damaged[at] ^= 1
            (tmp_path / "bit.tokenizer").write_bytes(damaged)
            with pytest.raises((Malformed, SketchMismatch)):
                read_tokenizer(tmp_path / "bit.tokenizer")
