"""Pickles of NumPy arrays: joblib files, compressed or not, .pdparams, and .pkl files of dictionaries and lists.

The pickle runs in `Unpickler`, which executes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from lineage.checkpoints.decode.kernel_layout import unnamed_layout
from lineage.checkpoints.formats.pickles.arrays import Arrays
from lineage.checkpoints.formats.pickles.compressed import inflate, is_compressed
from lineage.checkpoints.formats.torch.state import name_tensors, viewed
from lineage.checkpoints.formats.torch.tensors import Composed, Tensor, Unread, tensor_view
from lineage.checkpoints.io.byte_sources import Memory
from lineage.checkpoints.io.bytes import ByteSource, PositionedFile
from lineage.checkpoints.reader import Contents
from lineage.checkpoints.wire.pickle_stream import PickleStream
from lineage.checkpoints.wire.unpickler import Unpickler
from lineage.errors import UnsupportedFormat
from lineage.types import TensorView

_TORCH = b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."  # the magic number of torch's older format, as any protocol writes it
_PROTOCOLS = range(2, 6)


class PickleReader:
    """A pickle that torch did not write."""

    def recognises(self, head: bytes) -> bool:
        """A pickle of protocol 2 or later without torch's magic number."""
        return len(head) > 1 and head[0] == 0x80 and head[1] in _PROTOCOLS and _TORCH not in head

    def read(self, file: PositionedFile) -> Contents:
        """List the arrays. Raises UnsupportedFormat without any."""
        return read_arrays(file, "pickle")


class CompressedPickleReader:
    """What joblib compresses: zlib, gzip, bzip2, xz, lzma or lz4 around a pickle."""

    def recognises(self, head: bytes) -> bool:
        """Each compression has a magic string."""
        return is_compressed(head)

    def read(self, file: PositionedFile) -> Contents:
        """List the arrays. Raises UnsupportedFormat for anything else that was compressed."""
        content = inflate(file)
        if not PickleReader().recognises(content[:64]):
            raise UnsupportedFormat(file.path, "is compressed, and no pickle of arrays is inside: decompress it first")
        return read_arrays(Memory(file.path, content), "joblib")


def read_arrays(source: ByteSource, format_: str) -> Contents:
    """List the arrays of a pickle that fills `source`. Raises UnsupportedFormat without any."""
    stream = PickleStream(source)
    arrays = Arrays(stream)
    loaded = Unpickler(source.path, stream, arrays.constructors, _no_storage).load()
    named = name_tensors(source.path, loaded)
    listed = _listed(named.tensors)

    def view(name: str, tensor: Tensor) -> TensorView | Unread:
        key = tensor.storage.key
        return tensor_view(source.path, name, tensor, arrays.located[key], big_endian=key in arrays.big_endian)

    contents = viewed(source.path, format_, named._replace(tensors=listed or named.tensors), view)
    if not contents.tensors and not contents.left_out:
        raise UnsupportedFormat(
            source.path, "is a pickle, but not one that torch.save wrote, and without arrays: save it as safetensors"
        )
    return contents


def _listed(tensors: Mapping[str, Tensor | Composed]) -> dict[str, Tensor | Composed]:
    """Names and layouts for the arrays of a plain list, as Keras gives the weights of a model; empty for any other.

    A layer begins with a matrix or kernel; the vectors behind it are its own.
    """
    found: dict[str, Tensor | Composed] = {}
    layer = behind = 0
    for name, tensor in tensors.items():
        if not name.isdigit() or not isinstance(tensor, Tensor):
            return {}
        layout = unnamed_layout(tensor.shape, tensor.strides)
        if len(layout.shape) > 1:
            layer, behind = layer + 1, 0
        leaf = ("weight", "bias")[behind] if behind < 2 else f"vector{behind}"
        behind += 1
        found[f"layers.{max(layer - 1, 0)}.{leaf}"] = replace(tensor, shape=layout.shape, strides=layout.strides)
    return found if len(found) == len(tensors) else {}


def _no_storage(_: object) -> object:
    raise ValueError("it names values outside of itself")
