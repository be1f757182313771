"""All formats that are read here: what their files begin with, and where their readers live."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import import_module
from typing import cast

from lineage.checkpoints.reader import Reader

_FORMATS = "lineage.checkpoints.formats"


@dataclass(frozen=True, slots=True)
class Listed:
    """A reader that is imported when the first bytes of a file fit.

    `begins` is what every file of the format begins with; the reader decides whether a file that does is one.
    """

    begins: re.Pattern[bytes]
    module: str
    name: str

    def reader(self) -> Reader:
        """The reader, imported now."""
        return cast(Reader, getattr(import_module(f"{_FORMATS}.{self.module}"), self.name)())

    def recognises(self, head: bytes) -> bool:
        """Whether a file that begins with `head` is of this format."""
        return self.begins.match(head) is not None and self.reader().recognises(head)


def _listed(begins: bytes, module: str, name: str) -> Listed:
    return Listed(re.compile(begins, re.DOTALL), module, name)


# Long magic strings first. The ninth byte that identifies safetensors is not part of any pickle that torch writes,
# # while a header length may begin like a pickle.
# Formats without a magic string come after those that have one: by their first fields, protocol buffers, JSON.
READERS = (
    _listed(rb"GGUF", "gguf", "GgufReader"),
    _listed(rb"\x93NUMPY", "numpy_arrays", "NpyReader"),
    _listed(rb"\x89HDF\r\n\x1a\n", "keras", "Hdf5Reader"),
    _listed(rb".{4}TFL3", "tflite", "TfliteReader"),
    _listed(rb"PK[\x03\x05][\x04\x06]", "zips", "ZipReader"),
    _listed(rb".{8}\{", "safetensors", "SafetensorsReader"),
    _listed(rb"lmgg", "ggml", "GgmlReader"),
    _listed(rb"7767517\r?\n", "ncnn", "NcnnReader"),
    _listed(rb"\x80", "distributed", "DistributedReader"),
    _listed(rb"\x80[\x02-\x05]", "pickles", "PickleReader"),
    _listed(rb"\x80[\x02-\x05]", "torch.legacy", "LegacyTorchReader"),
    _listed(rb"[\x04\x1f\x42\x5d\x78\xfd]", "pickles", "CompressedPickleReader"),
    _listed(rb"[\x01-\x40]\x00\x00\x00", "ctranslate2", "Ctranslate2Reader"),
    _listed(rb"\x00{16}", "paddle", "PaddleReader"),
    _listed(rb"[\x81-\x8f\xde\xdf]", "msgpack_models", "MsgpackReader"),
    _listed(rb"\x08\x01\x12", "tf", "SavedModelReader"),
    _listed(rb"\x08[\x01-\x1f]\x12", "coreml", "CoremlReader"),
    _listed(rb"\x08[\x03-\x3f]", "onnx", "OnnxReader"),
    _listed(rb"\x00\x00", "tf", "BundleReader"),
    _listed(rb"\x0a", "tf", "FrozenGraphReader"),
    _listed(rb"\s*<", "openvino", "OpenvinoReader"),
    _listed(rb"\s*[{\[]", "json_models", "JsonReader"),
)
