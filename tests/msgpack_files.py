"""MessagePack files of flax and thinc, written from the formats' definitions."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np


class Extension:
    """An extension of a type."""

    def __init__(self, code: int, content: bytes) -> None:
        self.code = code
        self.content = content


def packed(value: Any) -> bytes:
    """One value; arrays as flax writes them."""
    if isinstance(value, np.ndarray):
        parts = packed(list(value.shape)) + packed(value.dtype.name) + packed(value.tobytes())
        return packed(Extension(1, b"\x93" + parts))
    if isinstance(value, Extension):
        return b"\xc9" + struct.pack(">IB", len(value.content), value.code) + value.content
    if isinstance(value, bool) or value is None:
        return {None: b"\xc0", False: b"\xc2", True: b"\xc3"}[value]
    if isinstance(value, int):
        return bytes([value]) if 0 <= value < 128 else b"\xd3" + struct.pack(">q", value)
    if isinstance(value, float):
        return b"\xcb" + struct.pack(">d", value)
    if isinstance(value, bytes):
        return b"\xc6" + struct.pack(">I", len(value)) + value
    if isinstance(value, str):
        text = value.encode()
        return (bytes([0xA0 | len(text)]) if len(text) < 32 else b"\xdb" + struct.pack(">I", len(text))) + text
    if isinstance(value, dict):
        items = b"".join(packed(key) + packed(inner) for key, inner in value.items())
        return (bytes([0x80 | len(value)]) if len(value) < 16 else b"\xdf" + struct.pack(">I", len(value))) + items
    items = b"".join(map(packed, value))
    return (bytes([0x90 | len(value)]) if len(value) < 16 else b"\xdd" + struct.pack(">I", len(value))) + items


def nested(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """A tree by the dots of the names."""
    tree: dict[str, Any] = {}
    for name, array in arrays.items():
        *path, leaf = name.split(".")
        inner = tree
        for part in path:
            inner = inner.setdefault(part, {})
        inner[leaf] = array
    return tree


def write_flax(folder: Path, arrays: Mapping[str, np.ndarray]) -> Path:
    path = folder / "net.msgpack"
    path.write_bytes(packed({"params": nested(arrays)}))
    return path


def thinc_array(array: np.ndarray) -> dict[bytes, Any]:
    """How srsly writes an array."""
    return {b"nd": True, b"type": array.dtype.str, b"kind": b"", b"shape": list(array.shape), b"data": array.tobytes()}


def thinc_model(layers: list[tuple[str, dict[str, Any]]], shims: list[Any] | None = None) -> dict[str, Any]:
    """A model of layers with their parameters."""
    nodes = [{"index": i, "name": name, "dims": {}, "refs": {}} for i, (name, _) in enumerate(layers)]
    return {
        "nodes": nodes,
        "attrs": [{} for _ in layers],
        "params": [parameters for _, parameters in layers],
        "shims": shims or [[] for _ in layers],
    }


def write_thinc(folder: Path, arrays: Mapping[str, np.ndarray]) -> Path:
    layers: dict[str, dict[str, Any]] = {}
    for name, array in arrays.items():
        stem, _, leaf = name.rpartition(".")
        layers.setdefault(stem, {})[leaf] = thinc_array(array)
    path = folder / "model"
    path.write_bytes(packed(thinc_model(list(layers.items()))))
    return path
