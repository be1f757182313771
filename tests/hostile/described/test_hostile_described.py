"""Descriptions of values that someone made to hurt: raw files, ncnn, ANI."""

from __future__ import annotations

import bz2
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lineage.errors import CheckpointError, Malformed, NoWeights, Truncated, UnsupportedDtype, UnsupportedFormat
from tests.described_files import ncnn_model, nnf, param, tagged
from tests.hostile_files import refused

HUGE = 1 << 40


def raw(folder: Path, *entries: Any) -> Path:
    (folder / "net.bin").write_bytes(bytes(24))
    (folder / "net.json").write_text(json.dumps({"tensors": list(entries)}))
    return folder / "net.json"


RAW: dict[str, tuple[Any, type[CheckpointError], str]] = {
    "a number": (7, Malformed, "no name or shape"),
    "no shape": ({"name": "w"}, Malformed, "no name or shape"),
    "a shape of truths": ({"name": "w", "shape": [True]}, Malformed, "no name or shape"),
    "negative sides": ({"name": "w", "shape": [-2]}, Malformed, "no name or shape"),
    "a shape that overflows": ({"name": "w", "shape": [HUGE, HUGE]}, Malformed, "overflows"),
    "a shape beyond the file": ({"name": "w", "shape": [HUGE]}, Truncated, "ends at byte"),
    "no elements": ({"name": "w", "shape": [0]}, Malformed, "has no elements"),
    "objects": ({"name": "w", "shape": [2], "dtype": "object"}, UnsupportedDtype, "has dtype 'object'"),
    "a type that is a list": ({"name": "w", "shape": [2], "dtype": [1]}, UnsupportedDtype, "has dtype"),
    "a file that is a number": ({"name": "w", "shape": [2], "file": 1}, Malformed, "a file without a name"),
    "a file outside": ({"name": "w", "shape": [2], "file": "../net.bin"}, Malformed, "outside the folder"),
    "a file at the root": ({"name": "w", "shape": [2], "file": "/etc/passwd"}, Malformed, "outside the folder"),
    "the folder itself": ({"name": "w", "shape": [2], "file": "."}, Malformed, "regular file|outside"),
    "a file that is missing": ({"name": "w", "shape": [2], "file": "x"}, NoWeights, "'x' are missing"),
    "a negative offset": ({"name": "w", "shape": [2], "offset": -8}, Malformed, "an invalid offset"),
    "an offset beyond the file": ({"name": "w", "shape": [2], "offset": HUGE}, Truncated, "ends at byte"),
    "a name that clears the screen": ({"name": "\x1b[2J", "shape": [2]}, Malformed, "control characters"),
}


@pytest.mark.parametrize(("entry", "kind", "said"), RAW.values(), ids=RAW.keys())
def test_a_description_that_lies(entry: Any, kind: type[CheckpointError], said: str, tmp_path: Path) -> None:
    refused(raw(tmp_path, entry), kind, said)


def test_a_tensor_twice(tmp_path: Path) -> None:
    refused(raw(tmp_path, *[{"name": "w", "shape": [2]}] * 2), Malformed, "two tensors are named 'w'")


def test_a_description_that_is_no_list(tmp_path: Path) -> None:
    (tmp_path / "net.json").write_text('{"tensors": {"w": [2]}}')
    refused(tmp_path / "net.json", Malformed, "has no list of up to")


PRODUCT = "InnerProduct fc 1 1 a b 0=4 1=0 2=16"
NCNN: dict[str, tuple[str, bytes, type[CheckpointError], str]] = {
    "values beyond the file": ("InnerProduct fc 1 1 a b 0=4 2=999999999", bytes(9), Truncated, "ends at byte"),
    "a tag alone": (PRODUCT, bytes(2), Truncated, "ends at byte 4 of 2"),
    "half of the values": (PRODUCT, bytes(40), Truncated, "ends at byte 68 of 40"),
    "a table beyond the file": (PRODUCT, b"\1\1\1\1" + bytes(64), Truncated, "ends at byte"),
    "negative sizes": ("InnerProduct fc 1 1 a b 0=-4 2=16", bytes(68), Malformed, "negative side"),
    "sizes that overflow": (f"MemoryData m 0 1 a 0={10**12} 1={10**12}", bytes(9), Malformed, "overflows"),
    "a divisor of nothing": ("Convolution c 1 1 a b 0=0 1=0 6=16", bytes(9), UnsupportedFormat, "9 bytes belong to"),
    "a file behind": (PRODUCT, tagged(np.ones(16, np.float32)) + b"PK\3\4", UnsupportedFormat, "4 bytes belong to"),
    "a line of one word": ("Convolution", b"", Malformed, "describes no layer"),
    "counts that are none": ("Convolution c one two a b", b"", Malformed, "describes no layer"),
    "a name that clears the screen": ("PReLU \x1b[2J 1 1 a b 0=4", bytes(16), Malformed, "control characters"),
    "an attention of nothing": ("MultiHeadAttention m 1 1 a b 2=16", bytes(9), Truncated, "ends at byte"),
    "a million digits": (f"PReLU p 1 1 a b 0={'9' * 5000}", bytes(16), CheckpointError, "overflows|belong to"),
}


@pytest.mark.parametrize(("line", "values", "kind", "said"), NCNN.values(), ids=NCNN.keys())
def test_a_layer_that_lies(line: str, values: bytes, kind: type[CheckpointError], said: str, tmp_path: Path) -> None:
    refused(ncnn_model(tmp_path, [line], values), kind, said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("7767517\n", "ends before the numbers"),
        ("7767517\nx y\n", "ends before the numbers"),
        ("7767517\n999999999999 1\n", "ends before the numbers"),
        (param(["Input a 0 1 x"], count=9), "lists 1 layers of 9"),
        (param(["Input a 0 1 x"]).rstrip(), "or half of one"),
        (param(["Input a 0 1 x"] * 3, count=1), "more than the 1 it announces"),
    ],
)
def test_a_text_that_is_cut(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "net.param").write_text(text)
    refused(tmp_path / "net.param", CheckpointError, said)


def test_values_behind_a_link_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "secret").write_bytes(tagged(np.ones(16, np.float32)))
    path = ncnn_model(tmp_path / "in", [PRODUCT], b"")
    (tmp_path / "in/net.bin").unlink()
    (tmp_path / "in/net.bin").symlink_to(tmp_path / "secret")
    refused(path, Malformed, "outside the folder: refused")


ANI: dict[str, tuple[bytes, type[CheckpointError], str]] = {
    "a bomb": (b"9=\n" + bz2.compress(bytes(1 << 28)), Truncated, "longer than 1,048,576 bytes"),
    "half of the text": (nnf([(2, 3, "w", "b")])[:60], Truncated, "ends too early"),
    "damaged": (nnf([(2, 3, "w", "b")])[:-20] + b"x" * 20, CheckpointError, "is damaged|ends too early"),
    "no text": (b"9=\n" + bz2.compress(b"\xff\xfe"), Malformed, "is damaged"),
    "no layers": (b"9=\n" + bz2.compress(b"nothing"), Malformed, "lists no layers"),
    "a layer without files": (b"9=\n" + bz2.compress(b"layer [\nnodes=1;\nblocksize=2;\n]"), Malformed, "lacks"),
    "counts that contradict the sizes": (nnf([(2, 3, "w", "b")], weights=7), Malformed, "does not hold 2 x 3 weights"),
    "a file outside": (nnf([(2, 3, "../w", "b")]), Malformed, "lacks its sizes or its files"),
    "the folder above": (nnf([(2, 3, "..", "b")]), Malformed, "outside the folder"),
    "the folder itself": (nnf([(2, 3, ".", "b")]), CheckpointError, "regular file|outside"),
    "sizes beyond any file": (nnf([(999999999, 999999999, "w", "b")]), CheckpointError, "lacks|needs|overflows"),
    "values of another size": (nnf([(2, 3, "b", "w")]), CheckpointError, "has [0-9]+ bytes"),
}


@pytest.mark.parametrize(("content", "kind", "said"), ANI.values(), ids=ANI.keys())
def test_a_network_that_lies(content: bytes, kind: type[CheckpointError], said: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/w").write_bytes(struct.pack("<6f", *range(6)))
    (tmp_path / "in/b").write_bytes(struct.pack("<2f", 0, 1))
    (tmp_path / "in/ANN-H.nnf").write_bytes(content)
    refused(tmp_path / "in/ANN-H.nnf", kind, said)
