"""Opening the tokenizer of a folder, a file or an address, whatever its format."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from lineage.checkpoints.folders.folder import find_weights
from lineage.checkpoints.formats.gguf.header import MAGIC
from lineage.checkpoints.io import strict_json
from lineage.checkpoints.io.bytes import DiskFolder, Folder, PositionedFile, read
from lineage.checkpoints.remote import is_remote, locate
from lineage.checkpoints.tokenizers.entries import MAX_FILE, Entries, vocabulary
from lineage.checkpoints.tokenizers.gguf import read_gguf_vocabulary
from lineage.checkpoints.tokenizers.lists import is_vocab_json, read_vocab_json, read_vocab_txt
from lineage.checkpoints.tokenizers.sentencepiece import looks_like_sentencepiece, read_sentencepiece
from lineage.checkpoints.tokenizers.tiktoken import is_tekken, looks_like_ranks, read_ranks, read_tekken
from lineage.checkpoints.tokenizers.tokenizer_json import is_tokenizer_json, read_tokenizer_json, without_merges
from lineage.errors import Malformed, NoWeights, UnsupportedFormat
from lineage.types import Meter, Vocabulary

_NAMES = (
    re.compile(r"tokenizer\.json"),
    re.compile(r"tekken.*\.json"),
    re.compile(r"(tokenizer|spiece|sentencepiece|sentencepiece\.bpe|spm)\.model(\.v\d\w*)?"),
    re.compile(r".*\.tiktoken"),
    re.compile(r"vocab\.json"),
    re.compile(r"vocab\.txt"),
    re.compile(r".*\.gguf", re.IGNORECASE),
)
"""The files that hold a tokenizer, the most informative first; the last holds weights besides."""
_HEAD = 1 << 16  # bytes


def open_tokenizer(path: str | Path) -> Vocabulary:
    """Read the tokenizer at `path`: a file of one of the formats, or a folder that holds such a file; or an address.

    Nothing is executed, no expression of a file is run. Raises UnsupportedFormat if there is no tokenizer,
    Truncated, Malformed, Unreachable, CheckpointError.
    """
    place, name = _placed(path, Meter())
    if isinstance(place, PositionedFile):
        return vocabulary(_read(place), name)
    file = tokenizer_in(place)
    if file is None:
        raise UnsupportedFormat(place.path, "holds no tokenizer: name its file")
    return vocabulary(_read(file), name)


def tokenizer_at(path: str | Path, meter: Meter) -> Vocabulary | None:
    """The tokenizer beside the weights at a path or an address: that of a folder, or of a GGUF file; None without one.

    What is read for it is counted into `meter`. Raises CheckpointError.
    """
    place, name = _placed(path, meter)
    file = tokenizer_in(place) if not isinstance(place, PositionedFile) else place
    if file is None or (file is place and file.path.suffix.lower() != ".gguf"):
        return None
    try:
        return vocabulary(_read(file), name)
    except UnsupportedFormat:
        return None
    finally:
        if place.meter is not meter:
            meter.bytes_read += place.meter.bytes_read


def is_tokenizer_alone(path: str | Path) -> bool:
    """Whether a file is named as a tokenizer's, or a folder holds one and no weights. Raises CheckpointError."""
    name = Path(str(path)).name
    if is_remote(path) or not Path(path).is_dir():
        return any(pattern.fullmatch(name) for pattern in _NAMES[:-1])
    folder = DiskFolder(Path(path), Meter())
    try:
        find_weights(folder)
    except NoWeights:
        return tokenizer_in(folder) is not None
    except UnsupportedFormat:  # several models
        return False
    return False


def tokenizer_in(folder: Folder) -> PositionedFile | None:
    """The file of a folder that holds its tokenizer; None without one. Raises CheckpointError."""
    files = folder.files()
    for pattern in _NAMES:
        found = [name for name in files if pattern.fullmatch(name)]
        if found:
            return folder.open(found[0])
    return None


def _placed(path: str | Path, meter: Meter) -> tuple[Folder | PositionedFile, str]:
    """What lies at a path or an address, and what its model is called; a server's reads have a meter of their own."""
    if is_remote(path):
        located = locate(str(path))
        return located.place, "/".join(located.naming.parts[-2:])
    where = Path(path)
    return DiskFolder(where, meter) if where.is_dir() else PositionedFile(where, meter), where.absolute().name


def _read(file: PositionedFile) -> Entries:
    head = file.head(_HEAD)
    if head.startswith(MAGIC):
        return read_gguf_vocabulary(file)
    if file.size > MAX_FILE:
        raise Malformed(file.path, f"is {file.size:,} bytes long, more than the {MAX_FILE:,} of any tokenizer")
    content = read(file, 0, file.size)
    if head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{":
        return _of_json(file.path, strict_json.parse_object(file.path, without_merges(content), "this file"))
    if looks_like_sentencepiece(head):
        return read_sentencepiece(file.path, content)
    if looks_like_ranks(head):
        return read_ranks(file.path, content)
    if file.path.suffix == ".txt":
        return read_vocab_txt(file.path, content)
    raise UnsupportedFormat(
        file.path, "is not a tokenizer: tokenizer.json, sentencepiece, vocab.json, vocab.txt, tiktoken, GGUF are read"
    )


def _of_json(path: Path, value: dict[str, Any]) -> Entries:
    if is_tokenizer_json(value):
        return read_tokenizer_json(path, value)
    if is_tekken(value):
        return read_tekken(path, value)
    if is_vocab_json(value):
        return read_vocab_json(path, value)
    raise UnsupportedFormat(path, "is JSON, but not a tokenizer")
