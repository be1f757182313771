"""The portable `.sketch` file: a safetensors file whose metadata is one JSON document; see index/FORMAT.md."""

from __future__ import annotations

import json
import math
import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from hashlib import sha256
from itertools import islice
from operator import attrgetter
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from lineage.atomic_write import written_whole
from lineage.checkpoints.numbers import MOST_TENSORS
from lineage.errors import Malformed, SketchMismatch
from lineage.sketch.arrays import ARRAYS
from lineage.sketch.bands import grids, sampled
from lineage.sketch.family import FAMILY
from lineage.sketch.layouts import content_id
from lineage.sketch.sane import EXTREME, is_extreme, require_possible
from lineage.sketch.sealing import seal
from lineage.types import Axis, CheckpointSketch, Declared, Part, Stats, TensorSketch, Units
from lineage.types.facts.exclusions import Exclusion
from lineage.written_reasons import read, written

if TYPE_CHECKING:
    from lineage.sketch.on_disk import Blocks
    from lineage.types import Neurons, TokenizerSketch
    from lineage.types.settings import PartConfiguration

SCHEMA = "lineage/sketch/1"
SUFFIX = ".sketch"
MOST_BYTES = 1 << 30  # a model of 10,000 large tensors takes a quarter of this
MOST_PARENTS = 1000
LONGEST_TEXT = 10_000
_SCHEMA_NAME, _FAMILY_NAME = re.compile(r"lineage/sketch/[0-9]{1,6}"), re.compile(r"lineage-[0-9]{1,6}")
_STATS = attrgetter(*(field.name for field in fields(Stats)))
_CHECKSUM = "checksum"  # an array, not metadata: safetensors writes arrays in a fixed order, metadata in any
_AT_ONCE = 1 << 12  # tensors whose entries are one text
_TEXT_HELD = 1 << 24  # bytes of the header that wait in memory
_TEXT_READ = 1 << 20


def is_sketch_file(path: str | Path) -> bool:
    """Whether `path` is a file with the extension of a sketch."""
    return Path(path).suffix == SUFFIX and Path(path).is_file()


def write_sketch(sketch: CheckpointSketch, path: str | Path) -> str:
    """Write `sketch` to `path` at once: a reader sees the old file or the whole new one. Raises OSError.

    Returns the SHA-256 of the file, hexadecimal.
    """
    from lineage.sketch.on_disk import Blocks  # whoever only reads sketches does not load it

    header = _header(sketch)
    beside: dict[str, NDArray[Any]] = {}
    if sketch.neurons:
        from lineage.sketch.neuron_arrays import neurons_arrays

        beside |= neurons_arrays(sketch.neurons)
    tokenizer: dict[str, Any] = {}
    if sketch.tokenizer is not None:
        from lineage.sketch.tokenizer_file import encode_tokenizer

        tokenizer["tokenizer"], arrays = encode_tokenizer(sketch.tokenizer)
        beside |= arrays
    blocks = Blocks(sketch.tensors)
    digest = sha256()
    with SpooledTemporaryFile(max_size=_TEXT_HELD) as text:
        checksum = blake3()
        for piece in _texts(header, sketch.tensors, tokenizer):
            checksum.update(piece)
            text.write(piece.replace(b"\\", b"\\\\").replace(b'"', b'\\"'))  # all that JSON escapes of ASCII
        for name in ARRAYS:
            for block in blocks.of(name):
                checksum.update(block.reshape(-1).view(np.uint8).data)
        whole = beside | {_CHECKSUM: np.frombuffer(checksum.digest(), np.uint8)}
        with written_whole(Path(path)) as file:
            for part in _parts(text, blocks, whole):
                digest.update(part)
                file.write(part)
    return digest.hexdigest()


def _texts(header: dict[str, Any], tensors: Sequence[TensorSketch], behind: dict[str, Any]) -> Iterator[bytes]:
    """The header as JSON in ASCII, piece by piece; what lies `behind` the tensors follows them."""
    yield f'{_json(header)[:-1]},"tensors":['.encode()
    entries: Iterable[TensorSketch] = iter(tensors)
    between = b""
    while some := [_tensor_header(tensor) for tensor in islice(entries, _AT_ONCE)]:
        yield between + _json(some)[1:-1].encode()
        between = b","
    yield f"],{_json(behind)[1:]}".encode() if behind else b"]}"


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _parts(text: IO[bytes], blocks: Blocks, whole: Mapping[str, NDArray[Any]]) -> Iterator[bytes | memoryview]:
    """The bytes of a safetensors file as its library writes it, of which `text` is the only metadata, escaped."""
    from safetensors.numpy import save

    arrays = {name: (np.dtype(dtype), blocks.shape(name)) for name, (dtype, _) in ARRAYS.items()}
    arrays |= {name: (array.dtype, array.shape) for name, array in whole.items()}
    # The library is asked for the order of the arrays and for what it calls their types.
    empty = save({name: np.empty((0, *shape[1:]), dtype) for name, (dtype, shape) in arrays.items()})
    told = json.loads(empty[8 : 8 + int.from_bytes(empty[:8], "little")])
    entries, end = {}, 0
    for name, about in told.items():
        dtype, shape = arrays[name]
        start, end = end, end + math.prod(shape) * dtype.itemsize
        entries[name] = about | {"shape": shape, "data_offsets": (start, end)}
    before, behind = b'{"__metadata__":{"lineage":"', f'"}},{_json(entries)[1:]}'.encode()
    length = len(before) + text.tell() + len(behind)
    padding = -length % 8
    yield (length + padding).to_bytes(8, "little") + before
    text.seek(0)
    while piece := text.read(_TEXT_READ):
        yield piece
    yield behind + b" " * padding
    for name in entries:
        for block in [np.ascontiguousarray(whole[name])] if name in whole else blocks.of(name):
            yield block.reshape(-1).view(np.uint8).data


def read_sketch(path: str | Path) -> CheckpointSketch:
    """Read a `.sketch` file, checking every count against the arrays; its weights are not seen.

    Raises Malformed for a file that is not a sketch or is damaged, SketchMismatch for another family, OSError.
    """
    from safetensors import SafetensorError, safe_open

    where = Path(path)
    about = where.stat()
    if not stat.S_ISREG(about.st_mode):
        raise Malformed(where, "is no plain file")
    if about.st_size > MOST_BYTES:
        raise Malformed(where, f"a sketch of over {MOST_BYTES:,} bytes is not believed")
    try:
        with safe_open(str(where), framework="np") as file:
            text = (file.metadata() or {})["lineage"]
            header = json.loads(text, parse_constant=_no_number)
            _require_family(header, where)
            arrays = {name: file.get_tensor(name) for name in ARRAYS}
            checksum = file.get_tensor(_CHECKSUM)
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
        return held
    except (KeyError, ValueError, TypeError, IndexError, AttributeError, OverflowError) as error:
        raise Malformed(where, f"the sketch is damaged ({error}): make it again with `lineage sketch`") from error


def _of_neurons(names: set[str]) -> list[str]:
    """The names of neuron arrays in a sketch; their module is imported only here, since small models have none."""
    from lineage.sketch.neuron_arrays import NEURON_ARRAYS

    return [name for name in NEURON_ARRAYS if name in names]


def _neurons(header: Any, arrays: dict[str, NDArray[Any]]) -> tuple[Neurons, ...]:
    from lineage.sketch.neuron_arrays import read_neurons

    return read_neurons(header, arrays)


def _written_neurons(neurons: tuple[Neurons, ...]) -> Any:
    from lineage.sketch.neuron_arrays import neurons_header

    return neurons_header(neurons)


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


def _written_configuration(configuration: tuple[PartConfiguration, ...]) -> Any:
    from lineage.sketch.configuration import written_configuration

    return written_configuration(configuration)


def _checksum(text: str, arrays: dict[str, NDArray[Any]]) -> NDArray[np.uint8]:
    """BLAKE3 of the header's text and the bytes of the arrays in the order of `ARRAYS`, uint8 (32,)."""
    hasher = blake3(text.encode())
    for name in ARRAYS:
        hasher.update(arrays[name].reshape(-1).view(np.uint8).data)
    return np.frombuffer(hasher.digest(), np.uint8)


def _header(sketch: CheckpointSketch) -> dict[str, Any]:
    """The header without its tensors, which follow."""
    return {
        "schema": SCHEMA,
        "id": sketch.id,
        "seal": seal(sketch),
        "family": sketch.family,
        "depth": sketch.depth,
        "name": sketch.name,
        "format": sketch.format,
        "architecture": sketch.architecture,
        "nbytes": sketch.nbytes,
        "bytes_read": sketch.bytes_read,
        "licence": sketch.licence,
        "declared": [[d.model, d.relation, d.source] for d in sketch.declared],
        "left_out": [[name, written(reason)] for name, reason in sketch.left_out],
        **({"unread": sketch.unread} if sketch.unread else {}),
        **({"configuration": _written_configuration(sketch.configuration)} if sketch.configuration else {}),
        **({"neurons": _written_neurons(sketch.neurons)} if sketch.neurons else {}),
    }


def _tensor_header(tensor: TensorSketch) -> dict[str, Any]:
    part = tensor.part
    return {
        "name": tensor.name,
        "shape": list(tensor.shape),
        "dtype": tensor.dtype,
        "part": [part.component, part.role, part.layer, _written(part.excluded)],
        "axes": [[axis.label, axis.exchangeable] for axis in part.axes],
        "stats": _STATS(tensor.stats),
        "band_digest": tensor.band_digest,
        "digest": tensor.digest,
        "minhash": tensor.minhash is not None,
    }


class _Cursor:
    """Returns the arrays of one tensor after the other and checks that nothing is left over."""

    def __init__(self, arrays: dict[str, NDArray[Any]]) -> None:
        for name, (dtype, tail) in ARRAYS.items():
            if arrays[name].dtype != dtype or arrays[name].ndim == 0 or arrays[name].shape[1:] != tail:
                raise ValueError(f"array {name} has another type")
            if arrays[name].dtype.kind == "f" and not np.isfinite(arrays[name]).all():
                raise ValueError(f"array {name} is not finite")
        self._arrays, self._at = arrays, dict.fromkeys(ARRAYS, 0)

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
    if (schema, family) != (SCHEMA, FAMILY):
        raise SketchMismatch(
            f"{path}: is of sketch family {family!r} ({schema!r}); this version compares {FAMILY!r} only:"
            " make it again from the checkpoint"
        )


def _decode(header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> CheckpointSketch:
    if header["depth"] not in ("sampled", "full"):
        raise ValueError("unknown depth")
    _require_few(header)
    cursor = _Cursor(arrays)
    tensors = tuple(_tensor(entry, cursor) for entry in header["tensors"])
    cursor.finish()
    require_possible(tensors)
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


def _tensor(entry: dict[str, Any], cursor: _Cursor) -> TensorSketch:
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
    left_out = None if reason is None else read(str(reason))
    return TensorSketch(
        name=str(entry["name"]),
        shape=stored,
        dtype=str(entry["dtype"]),
        part=Part(
            str(component),
            str(role),
            None if layer is None else int(layer),
            (Axis(str(first), bool(first_free)), Axis(str(second), bool(second_free))),
            left_out or (EXTREME if is_extreme(stats) else None),
        ),
        params=params,
        stats=stats,
        band_digest=str(entry["band_digest"]),
        digest=_text(entry["digest"]),
        grid=grid,
        values=cursor.take("values", len(grid[0]) * len(grid[1])).reshape(len(grid[0]), len(grid[1])),
        projection=cursor.take("projection", 1)[0] if matrix else None,
        units=(_units(shape[0], cursor), _units(shape[1], cursor)) if matrix else (None, None),
        minhash=cursor.take("minhash", 1)[0] if entry["minhash"] else None,
        moments=cursor.take("moments", 1)[0] if whole else None,
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
    raise ValueError(f"{word} is no number of JSON")


def _written(reason: Exclusion | None) -> str | None:
    return None if reason is None else written(reason)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
