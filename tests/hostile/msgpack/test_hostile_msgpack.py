"""MessagePack files that someone made to hurt."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lineage.errors import CheckpointError, Malformed, Truncated, UnsupportedDtype
from tests.hostile_files import refused
from tests.msgpack_files import Extension, packed, thinc_array, thinc_model

ONES = np.ones((2, 3), np.float32)
HEAD = b"\x81\xa1w"  # {"w": ...}


def array(shape: Any, kind: Any = "float32", values: Any = bytes(24)) -> bytes:
    return packed({"w": Extension(1, b"\x93" + packed(shape) + packed(kind) + packed(values)), "v": ONES})


def thinc(**changed: Any) -> bytes:
    held = {key.decode(): value for key, value in thinc_array(ONES).items()} | changed
    return packed(thinc_model([("a", {"W": held})]))


INNER = b"\x81\xa1w"  # a dictionary, in which flax could have a list

HOSTILE: dict[str, tuple[bytes, type[CheckpointError], str]] = {
    "a dictionary of four billion": (b"\xdf\xff\xff\xff\xff" + packed("w" * 9) + b"\xc0", Truncated, "is needed"),
    "a dictionary of millions": (
        b"\xdf\x00\x20\x00\x00" + b"".join(b"\xa8%08x\xc0" % i for i in range(1_000_001)), Malformed, "more items",
    ),
    "a list of four billion": (HEAD + INNER + b"\xdd\xff\xff\xff\xff" + bytes(60), Truncated, "is needed"),
    "lists in lists": (HEAD + INNER + b"\x91" * 5000 + b"\xc0", Malformed, "nests its data without end"),
    "bytes beyond the file": (HEAD + b"\xc6\xff\xff\xff\xff" + bytes(60), Truncated, "is needed"),
    "an extension beyond the file": (HEAD + b"\xc9\xff\xff\xff\xff\x01" + bytes(60), Truncated, "is needed"),
    "a text beyond the file": (HEAD + b"\xdb\xff\xff\xff\xff" + bytes(60), Truncated, "is needed"),
    "a byte that is none": (HEAD + b"\xc1" + bytes(60), Malformed, "no value begins"),
    "data behind": (packed({"w": ONES}) + b"PK\3\4", Malformed, "4 unexpected bytes after its data"),
    "a name twice": (b"\x82" + b"\xa3www\xc0" * 2, Malformed, "not text, or is repeated"),
    "a list as a name": (b"\x82\xa3www\xc0\x91\x01\xc0", Malformed, "not text, or is repeated"),
    "a shape that overflows": (array([1 << 40, 1 << 40]), Malformed, "overflows"),
    "negative sides": (array([-2, -3]), Malformed, "no shape or values"),
    "no elements": (array([0, 3], values=b""), Malformed, "has no elements"),
    "a shape of texts": (array(["2", "3"]), Malformed, "no shape or values"),
    "an invalid shape": (array(6), Malformed, "no shape or values"),
    "other bytes than the shape has": (array([2, 4]), Malformed, r"of shape \(2, 4\) has 24 bytes"),
    "an unknown type": (array([2, 3], "object"), UnsupportedDtype, "has dtype 'object'"),
    "a type that is none": (array([2, 3], 7), UnsupportedDtype, "has dtype '7'"),
    "values that are a number": (array([2, 3], values=7), Malformed, "no shape or values"),
    "an array of two parts": (packed({"w": Extension(1, b"\x92\x01\x02")}), Malformed, "no shape, type and values"),
    "an array with more behind": (packed({"w": Extension(1, b"\x90\x90")}), Malformed, "more than one value"),
    "an array that reaches out": (
        packed({"w": Extension(1, b"\x93\x90\xa1f\xc6\0\0\0\x99"), "v": ONES}), Malformed, "is needed",
    ),
    "chunks of chunks": (
        packed({"w": {"__msgpack_chunked_array__": True, "shape": {"0": 4}, "chunks": {"0": {"a": 1}}}}),
        Malformed, "a chunk that is not an array",
    ),
    "no chunks": (
        packed({"w": {"__msgpack_chunked_array__": True, "shape": {"0": 4}, "chunks": {}}}), Malformed, "not an array"
    ),
    "a name that clears the screen": (packed({"w": {"\x1b[2J": ONES}}), Malformed, "control characters"),
    "a name of a kilobyte": (packed({"w": {"w" * 2000: ONES}}), Malformed, "too long"),
    "thinc: more layers than parameters": (
        packed({**thinc_model([("a", {"W": thinc_array(ONES)})]), "params": []}),
        Malformed, "1 layers and parameters of 0",
    ),
    "thinc: layers that are numbers": (
        packed({"nodes": [1, 2, 3], "params": [4, 5, 6], "more": 0}), Malformed, "a layer is not a dictionary"
    ),
    "thinc: objects": (thinc(type="|O8"), UnsupportedDtype, "has dtype"),
    "thinc: a type without end": (thinc(type="<f4" * 999), UnsupportedDtype, "has dtype"),
    "thinc: a width that is none": (thinc(type="<f3"), UnsupportedDtype, "has dtype"),
    "thinc: a shape that overflows": (thinc(shape=[1 << 40, 1 << 40]), Malformed, "overflows"),
    "thinc: other bytes than the shape has": (thinc(shape=[2, 4]), Malformed, "no values of that size"),
    "thinc: values that are a number": (thinc(data=7), Malformed, "no values of that size"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "kind", "said"), HOSTILE.values(), ids=HOSTILE.keys())
def test_is_refused_in_one_line(content: bytes, kind: type[CheckpointError], said: str, tmp_path: Path) -> None:
    path = tmp_path / "net.msgpack"
    path.write_bytes(content)
    refused(path, kind, said)


def test_an_extension_that_holds_itself_a_million_times(tmp_path: Path) -> None:
    inner = b"\x93" + b"\xdd" + struct.pack(">I", 1_999_000) + b"\x01" * 1_999_000 + packed("float32") + packed(b"")
    path = tmp_path / "net.msgpack"
    path.write_bytes(packed({f"w{i}": Extension(1, inner) for i in range(3)}))
    refused(path, Malformed, "more items than any model")
