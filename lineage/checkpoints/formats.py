"""The readers, and which one reads a file: told by its first bytes, never by its name."""

from __future__ import annotations

from lineage.checkpoints.archive import Archive
from lineage.checkpoints.bytes import PositionedFile
from lineage.checkpoints.numpy_arrays import SUFFIX, NpyReader, read_npz
from lineage.checkpoints.reader import HEAD, Contents, Reader
from lineage.checkpoints.safetensors import SafetensorsReader
from lineage.checkpoints.torch_legacy import LegacyTorchReader
from lineage.checkpoints.torch_zip import read_torch_zip, root_of
from lineage.errors import Malformed, Truncated, UnsupportedFormat


class ZipReader:
    """A zip file: a torch checkpoint or an .npz, told by the members."""

    def recognises(self, head: bytes) -> bool:
        """A local header, or the directory of an archive without members."""
        return head.startswith((b"PK\x03\x04", b"PK\x05\x06"))

    def read(self, file: PositionedFile) -> Contents:
        """List the tensors of the kind of archive that it is."""
        archive = Archive(file)
        root = root_of(archive)
        if root is not None:
            return read_torch_zip(archive, root)
        if any(name.endswith(SUFFIX) for name in archive.names):
            return read_npz(archive)
        raise UnsupportedFormat(file.path, "is a zip file without a torch pickle or NumPy arrays: unzip it first")


# Long magic strings first. The ninth byte that tells safetensors is no part of any pickle that torch writes, while a
# header length may begin like a pickle.
READERS: tuple[Reader, ...] = (NpyReader(), ZipReader(), SafetensorsReader(), LegacyTorchReader())


def read_file(file: PositionedFile) -> Contents:
    """Read one file with the reader that recognises it. Raises CheckpointError."""
    if file.size == 0:
        raise Malformed(file.path, "is empty (0 bytes): download it again")
    head = file.head(HEAD)
    for reader in READERS:
        if reader.recognises(head):
            return reader.read(file)
    if head.startswith(b"version https://git-lfs"):
        raise UnsupportedFormat(file.path, "is a Git LFS pointer, not the file itself: run `git lfs pull`")
    if file.size <= len(head) and file.path.suffix in {".safetensors", ".npz", ".npy", ".pt", ".pth", ".bin"}:
        raise Truncated(file.path, f"{file.size} bytes are no {file.path.suffix} file: download it again")
    raise UnsupportedFormat(file.path, "is not a safetensors, PyTorch or NumPy file")
