"""The sketch of a tokenizer in a file: inside a model's `.sketch`, or alone; index/FORMAT.md, section 12."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from lineage.atomic_write import write_whole
from lineage.errors import Malformed, SketchMismatch
from lineage.sketch.family import PERMUTATIONS, TOKENS_BEHIND
from lineage.sketch.tokenizer import ANCHORS, MOST_NAME, MOST_NAMES, MOST_SPECIAL, SAMPLE, TOKENIZER_FAMILY
from lineage.sketch.tokenizer_kinds import KINDS
from lineage.types import TokenizerSketch, TokenKind

TOKENIZER_SCHEMA = "lineage/tokenizer/1"
TOKENIZER_SUFFIX = ".tokenizer"
MOST_BYTES = 1 << 20  # of a file alone; they have 64 KB
PREFIX = "tokenizer."
_CHECKSUM = "checksum"
_ARRAYS: dict[str, tuple[Any, tuple[int, ...]]] = {  # dtype, and shape behind the first axis
    "hashes": (np.uint64, ()),
    "ids": (np.uint32, ()),
    "marks": (np.uint8, (3,)),
    "runs": (np.uint32, (TOKENS_BEHIND,)),
    "minhash": (np.uint32, ()),
    "special": (np.uint32, ()),
}
_MOST_TEXT, _MOST_TOKENS = 1 << 10, 1 << 21
_DIGEST = re.compile(r"[0-9a-f]{32}")


def encode_tokenizer(sketch: TokenizerSketch) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The entry of a header and the arrays, by the names that a file gives them."""
    arrays = {
        PREFIX + name: np.ascontiguousarray(getattr(sketch, name), dtype)
        for name, (dtype, _) in _ARRAYS.items()
        if getattr(sketch, name) is not None
    }
    header = {
        "family": sketch.family,
        "name": sketch.name,
        "format": sketch.format,
        "algorithm": sketch.algorithm,
        "size": sketch.size,
        "ordinary": sketch.ordinary,
        "fixed": [list(pair) for pair in sketch.fixed],
        "digest": sketch.digest,
        "content": sketch.content,
        "special": None if sketch.special is None else [list(pair) for pair in sketch.special_names],
        "pattern": sketch.pattern,
        "arrays": _sum(arrays),
    }
    return header, arrays


def decode_tokenizer(header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> TokenizerSketch | None:
    """A sketch from what a file holds; None for one of a family that is not known here.

    Raises ValueError, KeyError, TypeError for what does not fit, or does not fit together.
    """
    if header["family"] != TOKENIZER_FAMILY:
        return None
    special = header["special"]
    held = {name: arrays[PREFIX + name] for name in _ARRAYS if name != "special" or special is not None}
    if _sum({PREFIX + name: array for name, array in held.items()}) != header["arrays"]:
        raise ValueError("the checksum of its tokenizer does not fit")
    ordinary, size = _count(header["ordinary"]), _count(header["size"])
    _check_arrays(held, ordinary)
    return TokenizerSketch(
        family=TOKENIZER_FAMILY,
        name=_text(header["name"]),
        path="",
        format=_text(header["format"]),
        algorithm=None if header["algorithm"] is None else _text(header["algorithm"]),
        size=size,
        ordinary=ordinary,
        fixed=tuple((_kind(kind), _count(count)) for kind, count in header["fixed"]),
        digest=_digest(header["digest"]),
        content=_digest(header["content"]),
        hashes=held["hashes"],
        ids=held["ids"],
        marks=held["marks"],
        runs=held["runs"],
        minhash=held["minhash"],
        special=held.get("special"),
        special_names=tuple((_text(text, 4 * MOST_NAME), int(i)) for text, i in (special or ())[:MOST_NAMES]),
        pattern=None if header["pattern"] is None else _text(header["pattern"]),
    )


def is_tokenizer_file(path: str | Path) -> bool:
    """Whether `path` is a file with the extension of a tokenizer's sketch."""
    return Path(path).suffix == TOKENIZER_SUFFIX and Path(path).is_file()


def write_tokenizer(sketch: TokenizerSketch, path: str | Path) -> None:
    """Write the sketch of a tokenizer alone, whole or not at all. Raises OSError."""
    from safetensors.numpy import save

    header, arrays = encode_tokenizer(sketch)
    text = json.dumps({"schema": TOKENIZER_SCHEMA, "tokenizer": header}, separators=(",", ":"))
    checksum = np.frombuffer(blake3(text.encode()).digest(), np.uint8)
    write_whole(Path(path), save({**arrays, _CHECKSUM: checksum}, metadata={"lineage": text}))


def read_tokenizer(path: str | Path) -> TokenizerSketch:
    """Read the sketch of a tokenizer alone. Raises Malformed, SketchMismatch for one of another family, OSError."""
    from safetensors import SafetensorError, safe_open

    where = Path(path)
    if where.stat().st_size > MOST_BYTES:
        raise Malformed(where, f"the sketch of a tokenizer of over {MOST_BYTES:,} bytes is not believed")
    try:
        with safe_open(str(where), framework="np") as file:
            text = (file.metadata() or {})["lineage"]
            header = json.loads(text)
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        if header["schema"] != TOKENIZER_SCHEMA or arrays[_CHECKSUM].tobytes() != blake3(text.encode()).digest():
            raise ValueError("its checksum does not fit")
        found = decode_tokenizer(header["tokenizer"], arrays)
    except (SafetensorError, KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise Malformed(where, "is not a sketch of a tokenizer, or is damaged: make it again") from error
    if found is None:
        raise SketchMismatch(
            f"{where}: is of another family; this version compares {TOKENIZER_FAMILY!r}: make it again"
        )
    return found


def tokenizer_of_sketch(path: str | Path) -> TokenizerSketch | None:
    """The tokenizer that a model's `.sketch` carries, read alone; None without one. Raises Malformed, OSError."""
    from safetensors import SafetensorError, safe_open

    where = Path(path)
    try:
        with safe_open(str(where), framework="np") as file:
            names = [name for name in file.keys() if name.startswith(PREFIX)]  # noqa: SIM118 - not a mapping
            if not names:
                return None
            header = json.loads((file.metadata() or {})["lineage"])
            found = decode_tokenizer(header["tokenizer"], {name: file.get_tensor(name) for name in names})
    except (SafetensorError, KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise Malformed(where, "is not a sketch, or is damaged: make it again with `lineage sketch`") from error
    return None if found is None else replace(found, path=str(where))


def _sum(arrays: Mapping[str, NDArray[Any]]) -> str:
    """BLAKE3 of the bytes of the arrays that are there, in the order of `_ARRAYS`."""
    hasher = blake3()
    for name in _ARRAYS:
        if PREFIX + name in arrays:
            hasher.update(np.ascontiguousarray(arrays[PREFIX + name]).reshape(-1).view(np.uint8).data)
    return hasher.hexdigest()


def _check_arrays(held: Mapping[str, NDArray[Any]], ordinary: int) -> None:
    """Check types, lengths and order, on which comparisons of sketches rely."""
    sample = min(ordinary, SAMPLE)
    lengths = {"hashes": sample, "ids": sample, "marks": sample, "runs": min(sample, ANCHORS), "minhash": PERMUTATIONS}
    for name, array in held.items():
        dtype, tail = _ARRAYS[name]
        if array.dtype != dtype or array.ndim == 0 or array.shape[1:] != tail:
            raise ValueError(f"array {name} has another type")
        if len(array) != lengths.get(name, len(array)) or len(array) > max(SAMPLE, MOST_SPECIAL):
            raise ValueError(f"array {name} has another length")
    for name in ("hashes", "special"):
        if name in held and np.any(held[name][1:] <= held[name][:-1]):
            raise ValueError(f"array {name} does not ascend")
    ids = np.sort(held["ids"])
    if np.any(ids[1:] == ids[:-1]):
        raise ValueError("two tokens have one id")


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= _MOST_TOKENS:
        raise ValueError("an impossible number of tokens")
    return value


def _kind(value: Any) -> TokenKind:
    if value not in KINDS:
        raise ValueError("a kind of tokens that is not known")
    return KINDS[KINDS.index(value)]


def _digest(value: Any) -> str:
    if not isinstance(value, str) or not _DIGEST.fullmatch(value):
        raise ValueError("not a digest")
    return value


def _text(value: Any, most: int = _MOST_TEXT) -> str:
    if not isinstance(value, str) or len(value) > most:
        raise ValueError("not text")
    return value
