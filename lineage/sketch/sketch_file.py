"""The portable `.sketch` file, read: a safetensors file whose metadata is one JSON document; see index/FORMAT.md."""

from __future__ import annotations

import json
import math
import re
import stat
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from lineage.checkpoints.numbers import MOST_TENSORS
from lineage.errors import Malformed, SketchMismatch
from lineage.sketch.arrays import ARRAYS, VALUES, ValueType, widened
from lineage.sketch.bands import grids, sampled
from lineage.sketch.family import FAMILY
from lineage.sketch.layouts import content_id
from lineage.sketch.sane import EXTREME, is_extreme, require_possible
from lineage.sketch.sealing import seal
from lineage.types import Axis, CheckpointSketch, Declared, Part, Stats, TensorSketch, Units
from lineage.written_reasons import read

if TYPE_CHECKING:
    from lineage.types import Neurons, TokenizerSketch
    from lineage.types.settings import PartConfiguration

SCHEMA = "lineage/sketch/2"
SUFFIX = ".sketch"
MOST_BYTES = 1 << 30  # a model of 10,000 large tensors takes a quarter of this
MOST_PARENTS = 1000
LONGEST_TEXT = 10_000
_SCHEMA_NAME, _FAMILY_NAME = re.compile(r"lineage/sketch/[0-9]{1,6}"), re.compile(r"lineage-[0-9]{1,6}")
_PROJECTION = "projection"  # an array of the first schema that nothing was read from
_ARRAYS = {
    SCHEMA: ARRAYS,
    "lineage/sketch/1": {
        name: (np.float32, (24, 24)) if name == _PROJECTION else ARRAYS[name]
        for name in ("values", _PROJECTION, "unit_codes", "unit_scale", "minhash", "moments")
    },
}
CHECKSUM = "checksum"  # an array, not metadata: safetensors writes arrays in a fixed order, metadata in any


def is_sketch_file(path: str | Path) -> bool:
    """Whether `path` is a file with the extension of a sketch."""
    return Path(path).suffix == SUFFIX and Path(path).is_file()


def read_sketch(path: str | Path) -> CheckpointSketch:
    """Read a `.sketch` file, checking every count against the arrays; its weights are not seen.

    Raises Malformed for a file that is not a sketch or is damaged, SketchMismatch for another family, OSError.
    """
    return read_with_checksum(path)[0]


def read_with_checksum(path: str | Path) -> tuple[CheckpointSketch, bytes]:
    """As `read_sketch`, with the checksum (32 bytes), which no other content has: what it covers was checked by it."""
    from safetensors import SafetensorError, safe_open

    where = Path(path)
    about = where.stat()
    if not stat.S_ISREG(about.st_mode):
        raise Malformed(where, "is not a plain file")
    if about.st_size > MOST_BYTES:
        raise Malformed(where, f"a sketch of over {MOST_BYTES:,} bytes is not believed")
    try:
        with safe_open(str(where), framework="np") as file:
            text = (file.metadata() or {})["lineage"]
            header = json.loads(text, parse_constant=_no_number)
            _require_family(header, where)
            arrays = {name: file.get_tensor(name) for name in _ARRAYS[header["schema"]]}
            checksum = file.get_tensor(CHECKSUM)
            there = {*file.keys()}
            neurons = {name: file.get_tensor(name) for name in (_of_neurons(there) if "neurons" in header else ())}
            beside = {name: file.get_tensor(name) for name in (_of_tokenizer(there) if "tokenizer" in header else ())}
    except (SafetensorError, KeyError, ValueError, TypeError, RecursionError) as error:
        raise Malformed(where, "is not a sketch, or is damaged: make it again with `lineage sketch`") from error
    try:
        if checksum.tobytes() != _checksum(text, arrays).tobytes():
            raise ValueError("its checksum does not fit")
        tokenizer = _tokenizer(header["tokenizer"], beside) if "tokenizer" in header else None
        neurons_read = _neurons(header["neurons"], neurons) if "neurons" in header else ()
        held = replace(_decode(header, arrays), neurons=neurons_read, tokenizer=tokenizer, weights_seen=False)
        if header.get("seal") not in (None, seal(held)):
            raise ValueError("its seal does not belong to its digests and values")
        return held, checksum.tobytes()
    except (KeyError, ValueError, TypeError, IndexError, AttributeError, OverflowError) as error:
        raise Malformed(where, f"the sketch is damaged ({error}): make it again with `lineage sketch`") from error


def _of_neurons(names: set[str]) -> list[str]:
    """The names of neuron arrays in a sketch; their module is imported only here, since small models have none."""
    from lineage.sketch.neuron_arrays import NEURON_ARRAYS

    return [name for name in NEURON_ARRAYS if name in names]


def _neurons(header: Any, arrays: dict[str, NDArray[Any]]) -> tuple[Neurons, ...]:
    from lineage.sketch.neuron_arrays import read_neurons

    return read_neurons(header, arrays)


def _of_tokenizer(names: set[str]) -> list[str]:
    """The names of tokenizer arrays in a sketch; their module is imported only here, since most sketches have none."""
    from lineage.sketch.tokenizer_file import PREFIX

    return [name for name in names if name.startswith(PREFIX)]


def _tokenizer(header: Any, arrays: dict[str, NDArray[Any]]) -> TokenizerSketch | None:
    from lineage.sketch.tokenizer_file import decode_tokenizer

    return decode_tokenizer(header, arrays)


def _configuration(header: Any) -> tuple[PartConfiguration, ...]:
    from lineage.sketch.configuration import read_configuration

    return read_configuration(header)


def _checksum(text: str, arrays: dict[str, NDArray[Any]]) -> NDArray[np.uint8]:
    """BLAKE3 of the header's text and the bytes of the arrays in their order, uint8 (32,)."""
    hasher = blake3(text.encode())
    for array in arrays.values():
        hasher.update(array.reshape(-1).view(np.uint8).data)
    return np.frombuffer(hasher.digest(), np.uint8)


class _Cursor:
    """Returns the arrays of one tensor after the other and checks that nothing is left over."""

    def __init__(self, schema: str, arrays: dict[str, NDArray[Any]]) -> None:
        for name, (dtype, tail) in _ARRAYS[schema].items():
            if arrays[name].dtype != dtype or arrays[name].ndim == 0 or arrays[name].shape[1:] != tail:
                raise ValueError(f"array {name} has another type")
        none = {name: np.empty((0, *tail), dtype) for name, (dtype, tail) in ARRAYS.items()}
        self.values = widened(none | arrays)
        wide = {VALUES[kind]: values for kind, values in self.values.items()}
        self._arrays: dict[str, NDArray[Any]] = none | arrays | wide
        self._arrays.pop(_PROJECTION, None)
        for name, array in self._arrays.items():
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise ValueError(f"array {name} is not finite")
        self._at = dict.fromkeys(self._arrays, 0)

    def take(self, name: str, count: int) -> NDArray[Any]:
        start = self._at[name]
        self._at[name] = start + count
        taken = self._arrays[name][start : start + count]
        if len(taken) < count:
            raise ValueError(f"array {name} is too short")
        return taken

    def finish(self) -> None:
        for name, at in self._at.items():
            if at != len(self._arrays[name]):
                raise ValueError(f"array {name} is too long")


def _require_family(header: dict[str, Any], path: Path) -> None:
    schema, family = (str(header[key])[:40] for key in ("schema", "family"))
    if not _SCHEMA_NAME.fullmatch(schema) or not _FAMILY_NAME.fullmatch(family):
        raise ValueError("no schema or family of a sketch")
    if schema not in _ARRAYS or family != FAMILY:
        raise SketchMismatch(
            f"{path}: is of sketch family {family!r} ({schema!r}); this version compares {FAMILY!r} only:"
            " make it again from the checkpoint"
        )


def _decode(header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> CheckpointSketch:
    if header["depth"] not in ("sampled", "full"):
        raise ValueError("unknown depth")
    _require_few(header)
    cursor = _Cursor(header["schema"], arrays)
    types = [_value_type(entry) for entry in header["tensors"]]
    tensors = tuple(_tensor(entry, kind, cursor) for entry, kind in zip(header["tensors"], types, strict=True))
    cursor.finish()
    require_possible(tensors, cursor.values, types, arrays)
    if content_id(tensors, header["depth"]) != header["id"]:
        raise ValueError("its id does not belong to its digests")
    return CheckpointSketch(
        id=header["id"],
        family=FAMILY,
        depth=header["depth"],
        name=str(header["name"]),
        path="",
        format=str(header["format"]),
        architecture=str(header["architecture"]),
        nbytes=int(header["nbytes"]),
        bytes_read=int(header["bytes_read"]),
        tensors=tensors,
        licence=_text(header["licence"]),
        declared=tuple(Declared(str(m), _text(r), str(s)) for m, r, s in header["declared"]),
        left_out=tuple((str(name), read(str(reason))) for name, reason in header["left_out"]),
        unread=_unread(header.get("unread", 0)),
        configuration=_configuration(header["configuration"]) if "configuration" in header else (),
    )


def _require_few(header: dict[str, Any]) -> None:
    """Raise ValueError for more tensors or parents, or longer texts, than a sketch may have."""
    if max(len(header["tensors"]), len(header["left_out"])) > MOST_TENSORS or len(header["declared"]) > MOST_PARENTS:
        raise ValueError(f"over {MOST_TENSORS:,} tensors, or over {MOST_PARENTS:,} declared parents")
    texts = [header[key] for key in ("name", "format", "architecture", "licence")]
    texts += [text for one in (*header["declared"], *header["left_out"]) for text in one]
    texts += [text for entry in header["tensors"] for text in (entry["name"], entry["dtype"], *entry["part"][:2])]
    if max(map(len, [text for text in texts if isinstance(text, str)]), default=0) > LONGEST_TEXT:
        raise ValueError(f"a name or text of over {LONGEST_TEXT:,} characters")


def _unread(count: Any) -> int:
    if type(count) is not int or not 0 <= count < 1 << 60:
        raise ValueError("an impossible number of values that were not read")
    return count


def _tensor(entry: dict[str, Any], kind: ValueType, cursor: _Cursor) -> TensorSketch:
    stored = tuple(int(n) for n in entry["shape"])
    shape = stored or (1,)
    params = math.prod(shape)
    if min(shape) < 1 or len(shape) > 64 or params >= 1 << 60:
        raise ValueError("impossible shape")
    component, role, layer, reason = entry["part"]
    (first, first_free), (second, second_free) = entry["axes"]
    grid = grids(shape)
    matrix = len(shape) > 1
    whole = entry["digest"] is not None
    stats = _stats(entry["stats"])
    place = str(component), str(role), None if layer is None else int(layer)
    axes = str(first), bool(first_free), str(second), bool(second_free)
    part = _part(place, axes, None if reason is None else str(reason))
    return TensorSketch(
        name=str(entry["name"]),
        shape=stored,
        dtype=str(entry["dtype"]),
        part=part if part.excluded or not is_extreme(stats) else replace(part, excluded=EXTREME),
        params=params,
        stats=stats,
        band_digest=str(entry["band_digest"]),
        digest=_text(entry["digest"]),
        grid=grid,
        values=cursor.take(VALUES[kind], len(grid[0]) * len(grid[1])).reshape(len(grid[0]), len(grid[1])),
        units=(_units(shape[0], cursor), _units(shape[1], cursor)) if matrix else (None, None),
        minhash=cursor.take("minhash", 1)[0] if entry["minhash"] else None,
        moments=cursor.take("moments", 1)[0] if whole else None,
    )


def _value_type(entry: dict[str, Any]) -> ValueType:
    kind: ValueType = entry.get("values", "float32")
    if kind not in VALUES:
        raise ValueError("values of an unknown type")
    return kind


@lru_cache(maxsize=1 << 14)
def _part(place: tuple[str, str, int | None], axes: tuple[str, bool, str, bool], why_not: str | None) -> Part:
    """What a tensor is for, from its line of the header: the same object in all models of a kind."""
    first, first_free, second, second_free = axes
    return Part(
        *place, (Axis(first, first_free), Axis(second, second_free)), None if why_not is None else read(why_not)
    )


def _units(length: int, cursor: _Cursor) -> Units:
    index = sampled(length)
    return Units(index, cursor.take("unit_codes", len(index)), cursor.take("unit_scale", len(index)))


def _stats(values: list[Any]) -> Stats:
    mean, std, kurtosis, zeros, levels_row, levels_group, distinct = values
    if not all(map(math.isfinite, values)):
        raise ValueError("its statistics are not finite")
    return Stats(
        float(mean), float(std), float(kurtosis), float(zeros), int(levels_row), int(levels_group), float(distinct)
    )


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is not a number of JSON")


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
