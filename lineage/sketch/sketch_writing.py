"""The portable `.sketch` file, written piece by piece, so that a sketch on disk need not fit in memory."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
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
from lineage.sketch.arrays import ARRAYS, ValueType
from lineage.sketch.on_disk import Blocks
from lineage.sketch.sealing import seal
from lineage.sketch.sketch_file import CHECKSUM, SCHEMA
from lineage.types import CheckpointSketch, Neurons, Stats, TensorSketch
from lineage.written_reasons import written

if TYPE_CHECKING:
    from lineage.types.facts.exclusions import Exclusion
    from lineage.types.settings import PartConfiguration

_STATS = attrgetter(*(field.name for field in fields(Stats)))
_AT_ONCE = 1 << 12  # tensors whose entries are one text
_TEXT_HELD = 1 << 24  # bytes of the header that wait in memory
_TEXT_READ = 1 << 20


def write_sketch(sketch: CheckpointSketch, path: str | Path) -> str:
    """Write `sketch` to `path` at once: a reader sees the old file or the whole new one. Raises OSError.

    Returns the SHA-256 of the file, hexadecimal.
    """
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
        for piece in _texts(header, sketch.tensors, blocks.value_types, tokenizer):
            checksum.update(piece)
            text.write(piece.replace(b"\\", b"\\\\").replace(b'"', b'\\"'))  # all that JSON escapes of ASCII
        for name in ARRAYS:
            for block in blocks.of(name):
                checksum.update(block.reshape(-1).view(np.uint8).data)
        whole = beside | {CHECKSUM: np.frombuffer(checksum.digest(), np.uint8)}
        with written_whole(Path(path)) as file:
            for part in _parts(text, blocks, whole):
                digest.update(part)
                file.write(part)
    return digest.hexdigest()


def _texts(
    header: dict[str, Any], tensors: Sequence[TensorSketch], types: Iterable[ValueType], behind: dict[str, Any]
) -> Iterator[bytes]:
    """The header as JSON in ASCII, piece by piece; what lies `behind` the tensors follows them."""
    yield f'{_json(header)[:-1]},"tensors":['.encode()
    entries = zip(tensors, types, strict=True)
    between = b""
    while some := [_tensor_header(*entry) for entry in islice(entries, _AT_ONCE)]:
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


def _tensor_header(tensor: TensorSketch, values: ValueType) -> dict[str, Any]:
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
        **({} if values == "float32" else {"values": values}),
    }


def _written_neurons(neurons: tuple[Neurons, ...]) -> Any:
    from lineage.sketch.neuron_arrays import neurons_header

    return neurons_header(neurons)


def _written_configuration(configuration: tuple[PartConfiguration, ...]) -> Any:
    from lineage.sketch.configuration import written_configuration

    return written_configuration(configuration)


def _written(reason: Exclusion | None) -> str | None:
    return None if reason is None else written(reason)
