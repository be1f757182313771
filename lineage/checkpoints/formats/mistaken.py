"""Files that are given as weights and are something else: what each is, and what to do about it."""

from __future__ import annotations

import re

from lineage.checkpoints.io import strict_json
from lineage.checkpoints.io.bytes import PositionedFile
from lineage.checkpoints.io.quoting import quoted
from lineage.errors import CheckpointError

HEAD = 1024  # bytes that are looked at
_MARK = b"\xef\xbb\xbf"  # of the order of bytes, which some servers and editors put in front
_MAX_ANSWER = 1 << 16  # bytes of JSON that may be a server's answer
_PAGE = re.compile(rb"\s*(?:<!doctype html|<html|<head|<\?xml)", re.IGNORECASE)
_TITLE = re.compile(rb"<title>\s*([^<]{1,60}?)\s*</title>", re.IGNORECASE)
_ERROR_KEYS = ("error", "errors", "message", "detail", "error_description")
_TAR = 257  # where a tar archive says `ustar`
_MAGIC = (
    (re.compile(rb"Rar!"), "is a RAR archive: unpack it first"),
    (re.compile(rb"7z\xbc\xaf\x27\x1c"), "is a 7z archive: unpack it first"),
    (re.compile(rb"\x28\xb5\x2f\xfd"), "is compressed by zstd: decompress it first (`zstd -d`)"),
    (re.compile(rb"(?s)....ET1\d"), "is an ExecuTorch program, which is not read: give what it was exported from"),
    (re.compile(rb"ptrt|ftrt"), "is a TensorRT engine, which is not read: give what it was built from"),
    (re.compile(rb"\x7fELF|MZ"), "is a program, not weights (a llamafile has a zip at its end: was it cut?)"),
    (re.compile(rb"\x0c\xdb:\*"), "is part of an orbax checkpoint (OCDBT), not read: save its arrays as safetensors"),
    (re.compile(rb"# xet version"), "is a pointer to a file of Xet, not the file: download it with the hub's client"),
    (re.compile(rb"version https://git-lfs"), "is a Git LFS pointer, not the file itself: run `git lfs pull`"),
)  # fmt: skip
_SPLIT = re.compile(
    r"(?P<whole>.+\.[A-Za-z]\w*)[.-](?:part[.-]?(?:\d{1,4}(?:of\d{1,4})?|[a-z]{1,2})|split[.-]?\w{1,3}|\d{3}|[a-d][a-z])"
)
_UNFINISHED = (".incomplete", ".part", ".partial", ".crdownload", ".download", ".opdownload", ".aria2", ".!ut")


def mistaken(file: PositionedFile) -> str | None:
    """What a file is that no reader could read, for a message; None if that is unclear."""
    head = file.head(HEAD).removeprefix(_MARK)
    return next((said for look in _LOOKS if (said := look(file, head)) is not None), None)


def _page(_: PositionedFile, head: bytes) -> str | None:
    if not _PAGE.match(head) or b"<net" in head:  # a graph of OpenVINO, which is damaged
        return None
    title = _TITLE.search(head)
    called = f" ({quoted(title[1].decode('utf-8', 'replace'))})" if title else ""
    return f"is a web page{called}, not weights: download it again, signed in where the page asks for it"


def _archive(_: PositionedFile, head: bytes) -> str | None:
    if head[_TAR : _TAR + 5] == b"ustar":
        return "is a tar archive: unpack it first (`tar -xf`), and give the weights in it"
    return next((said for magic, said in _MAGIC if magic.match(head)), None)


def _unpacked(file: PositionedFile, _: bytes) -> str | None:
    """The pickle of a torch archive that was unzipped, as a file manager does."""
    if file.path.name != "data.pkl" or not any(file.folder.holds(name) for name in ("version", "byteorder")):
        return None
    return "is the pickle of a PyTorch archive that was unzipped: zip its folder again (`zip -0 -r net.pt FOLDER`)"


def _by_name(file: PositionedFile, _: bytes) -> str | None:
    name = file.path.name
    if name.lower().endswith(_UNFINISHED):
        return f"is the beginning of a download that did not finish ({name.rpartition('.')[2]}): download it again"
    split = _SPLIT.fullmatch(name)
    if split is None:
        return None
    return f"is one part of a split file: join all parts first (`cat` them in order into {quoted(split['whole'])})"


def _zeros(_: PositionedFile, head: bytes) -> str | None:
    if not head or any(head):
        return None
    return "begins with nothing but zeros, as a download does that did not finish: download it again"


def _json(file: PositionedFile, head: bytes) -> str | None:
    """An answer of a server in place of the file, or an index of shards under another name."""
    if head.lstrip()[:1] not in (b"{", b"["):
        return None
    try:
        held = strict_json.read_json(file, _MAX_ANSWER)
    except CheckpointError:
        return None
    held = held[0] if isinstance(held, list) and len(held) == 1 else held
    if not isinstance(held, dict):
        return None
    if isinstance(held.get("weight_map"), dict):
        return "is an index of shards: give it a name that ends in .index.json, beside its shards"
    key = next((key for key in _ERROR_KEYS if key in held), None)
    if key is None:
        return None
    return f"is a server's answer in place of the file ({key}: {quoted(str(held[key]))}): download it again, signed in"


def _text(file: PositionedFile, head: bytes) -> str | None:
    """A short answer in plain words, as `Entry not found`, or the address of the file."""
    if file.size > 200 or not head.isascii() or not head[:1].isalpha():
        return None
    text = " ".join(head.decode("ascii").split())
    if re.fullmatch(r"https?://\S+", text):
        return f"is the address of a file ({quoted(text)}), not the file: download that"
    if not text.isprintable() or len(text.split(" ")) < 2:
        return None
    return f"is a text ({quoted(text)}), not weights: download it again"


_LOOKS = (_page, _archive, _json, _unpacked, _by_name, _zeros, _text)
