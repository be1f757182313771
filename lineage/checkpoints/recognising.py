"""Which reader reads a file: recognised by its first bytes, never by its name."""

from __future__ import annotations

import re
from dataclasses import replace

from lineage.checkpoints.formats.listing import READERS
from lineage.checkpoints.formats.mistaken import mistaken
from lineage.checkpoints.io.bytes import PositionedFile
from lineage.checkpoints.reader import HEAD, Contents
from lineage.errors import Malformed, Truncated, UnsupportedFormat

_DESCRIBES = re.compile(rb"7767517\r?\n|\s*(?:\{|<\?xml|<net\b)")
KNOWN = (
    "safetensors, GGUF, PyTorch, ONNX, TensorFlow (SavedModel, checkpoint, frozen graph, TFLite, tfjs), Keras, "
    "Core ML, OpenVINO, Paddle, flax, Equinox, CTranslate2, ncnn, ggml, thinc, joblib or NumPy file"
)


def read_file(file: PositionedFile) -> Contents:
    """Read one file with the reader that recognises it. Raises CheckpointError."""
    try:
        return _read(file)
    except (Truncated, Malformed, UnsupportedFormat) as error:
        said = mistaken(file) if file.size and error.path == str(file.path) else None
        if said is None:
            raise
        raise UnsupportedFormat(file.path, said) from error


def _read(file: PositionedFile) -> Contents:
    if file.size == 0:
        raise Malformed(file.path, "is empty (0 bytes): download it again")
    head = file.head(HEAD)
    for listed in READERS:
        if listed.recognises(head):
            return listed.reader().read(file)
    described = _description_beside(file)
    if described is not None:
        return replace(read_file(described), beside=described.size)
    from lineage.checkpoints.plugins import read_by_plugin  # brings the metadata of installed distributions

    contents, said = read_by_plugin(file, head)
    if contents is not None:
        return contents
    if file.size <= len(head) and file.path.suffix in {".safetensors", ".gguf", ".npz", ".npy", ".pt", ".pth", ".bin"}:
        raise Truncated(file.path, f"{file.size} bytes are too few for a {file.path.suffix} file: download it again")
    raise UnsupportedFormat(file.path, f"is not a {KNOWN}{said}")


def _description_beside(file: PositionedFile) -> PositionedFile | None:
    """What describes a file of values without any header: NAME.param (ncnn), NAME.xml or NAME.json beside NAME.bin."""
    if file.path.suffix != ".bin":
        return None
    described = (file.beside(".bin", ending) for ending in (".param", ".xml", ".json"))
    found = next((one for one in described if one is not None), None)
    return found if found is not None and found.size and _DESCRIBES.match(found.head(HEAD)) else None
