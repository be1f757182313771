"""What a zip file is, recognised by its members."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from lineage.checkpoints.formats.torch.zip import read_torch_zip, root_of
from lineage.checkpoints.io.archive import Archive
from lineage.checkpoints.io.bytes import PositionedFile
from lineage.checkpoints.reader import Contents
from lineage.errors import UnsupportedFormat


class ZipReader:
    """A zip file, recognised by its members: a torch checkpoint or program (torch.export's, too), .keras or .npz."""

    def recognises(self, head: bytes) -> bool:
        """A local header, or the directory of an archive without members."""
        return head.startswith((b"PK\x03\x04", b"PK\x05\x06"))

    def read(self, file: PositionedFile) -> Contents:
        """List the tensors of the kind of archive that it is."""
        archive = Archive(file)
        read = _reading(archive)
        if read is None:
            raise UnsupportedFormat(file.path, "is a zip file without a torch pickle or NumPy arrays: unzip it first")
        return read(archive)


def is_model(archive: Archive) -> bool:
    """Whether a zip is itself a model, not a folder of files that was packed."""
    return _reading(archive) is not None


def _reading(archive: Archive) -> Callable[[Archive], Contents] | None:
    """The reader of the kind of archive that the members show."""
    root = root_of(archive)
    if root is not None:
        return partial(read_torch_zip, root=root)
    from lineage.checkpoints.formats.keras import WEIGHTS, read_keras
    from lineage.checkpoints.formats.numpy_arrays import SUFFIX, read_npz
    from lineage.checkpoints.formats.torch.exported import is_exported, read_exported

    if is_exported(archive):
        return read_exported
    if WEIGHTS in archive:
        return read_keras
    return read_npz if any(name.endswith(SUFFIX) for name in archive.names) else None
