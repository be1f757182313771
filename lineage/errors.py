"""Everything that can go wrong, in one tree.

    LineageError                     exit 1
      CheckpointError                exit 12  a checkpoint, sketch or index file that cannot be read
        Truncated                             it is shorter than its own header says
        Malformed                             it breaks the rules of its format, or a limit on hostile input
          Contradicted                        a sketch that contradicts the weights whose id it bears
        UnsupportedDtype                      it holds values of a type that this version cannot read
        UnsupportedFormat                     no reader accepts the file
          SeveralModels                       a folder of several models where one is needed
        NoWeights                             it holds no model weights (an adapter alone, an empty folder)
        Unreachable                           a server does not deliver it: gated, missing, changed, no answer
      StoreError                     exit 1
        NoIndex                      exit 10  the folder holds no index
        Locked                       exit 11  another process is writing to the index
        Unknown                      exit 1   no model of that id or name
          Gone                                 another process has just removed it
      SketchMismatch                 exit 1   two sketches of different families cannot be compared
      UnknownEnding                  exit 2   no format has the extension of a name
      MissingExtra                   exit 1   an optional part is not installed
      ClusterError                   exit 1   a cluster that cannot be reached, or whose nodes cannot do the work

Each message is one printable line, whatever a file wrote into it: what is wrong, where, and what to do about it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lineage.printable import printable


class LineageError(Exception):
    """Base of every error that this package raises on purpose; `exit_code` is the command line's."""

    exit_code = 1

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class CheckpointError(LineageError):
    """A file that cannot be read; the message begins with its path."""

    exit_code = 12

    def __init__(self, path: str | Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = str(path)
        self.problem = printable(problem)


class Truncated(CheckpointError):
    """The file is shorter than its own header says."""


class Malformed(CheckpointError):
    """The file breaks the rules of its format, or a limit that keeps hostile files out."""


class Contradicted(Malformed):
    """A sketch that was handed over has different figures from `other`, the name of a model of the same id."""

    def __init__(self, path: str | Path, figure: str, other: str) -> None:
        told = f"has different {figure} from {other}, whose id it bears"
        super().__init__(path, f"{told}: one of the two is forged or damaged; ask about the weights, or ingest them")


class UnsupportedDtype(CheckpointError):
    """The file holds values of a type that this version cannot read."""


class UnsupportedFormat(CheckpointError):
    """No reader accepts the file."""


class SeveralModels(UnsupportedFormat):
    """The folder holds several models; `names` are those of their files or folders in it."""

    def __init__(self, path: str | Path, names: Sequence[str], what: str = "models") -> None:
        shown = ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
        super().__init__(path, f"holds several {what} ({shown}): name one of them")
        self.names = tuple(names)


class NoWeights(CheckpointError):
    """The file or folder holds no model weights."""


class Unreachable(CheckpointError):
    """A server does not deliver the file: gated, missing, changed while it was read, or no answer.

    `status` is the HTTP status where that is the reason.
    """

    def __init__(self, path: str | Path, problem: str, status: int | None = None) -> None:
        super().__init__(path, problem)
        self.status = status


class StoreError(LineageError):
    """The index cannot answer the request."""


class NoIndex(StoreError):
    """There is no index in the folder."""

    exit_code = 10


class Locked(StoreError):
    """Another process is writing to the index."""

    exit_code = 11


class Unknown(StoreError):
    """No model of the index has that id, prefix or name, or several have."""


class Gone(Unknown):
    """A model that was there when the query began has since been removed or replaced: ask again."""


class SketchMismatch(LineageError):
    """Two sketches were made by different families, versions or parameters."""


class UnknownEnding(LineageError):
    """The extension of a file's name selects no format."""

    exit_code = 2


class MissingExtra(LineageError):
    """An optional part of the package is not installed; the message names it."""


class ClusterError(LineageError):
    """The cluster cannot be reached or used; what was finished on it is kept."""
