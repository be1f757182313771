"""What a zip file is: told by its members."""

from __future__ import annotations

from lineage.checkpoints.formats.torch.zip import read_torch_zip, root_of
from lineage.checkpoints.io.archive import Archive
from lineage.checkpoints.io.bytes import PositionedFile
from lineage.checkpoints.reader import Contents
from lineage.errors import UnsupportedFormat


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
        from lineage.checkpoints.formats.keras import WEIGHTS, read_keras
        from lineage.checkpoints.formats.numpy_arrays import SUFFIX, read_npz

        if WEIGHTS in archive:
            return read_keras(archive)
        if any(name.endswith(SUFFIX) for name in archive.names):
            return read_npz(archive)
        raise UnsupportedFormat(file.path, "is a zip file without a torch pickle or NumPy arrays: unzip it first")
