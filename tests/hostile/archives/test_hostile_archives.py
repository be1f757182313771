"""Archives of folders that someone made to hurt."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lineage.checkpoints import open_checkpoint
from lineage.checkpoints.io import tar
from lineage.errors import CheckpointError, Malformed, NoWeights, Truncated, UnsupportedFormat
from tests.archive_files import PROGRAM, llamafile_of, tar_of, zip_of
from tests.checkpoint_files import safetensors_bytes
from tests.hostile_files import refused
from tests.memory import within

WEIGHTS = safetensors_bytes({"w": np.ones((4, 4), np.float32)})
PLAIN = tar_of({"w.safetensors": WEIGHTS})


def header(content: bytes, **fields: bytes) -> bytes:
    """The first header with other fields, and a checksum that agrees."""
    places = {"name": (0, 100), "size": (124, 12), "kind": (156, 1), "prefix": (345, 155)}
    block = bytearray(content[:512])
    for key, value in fields.items():
        start, width = places[key]
        block[start : start + width] = value.ljust(width, b"\0")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + content[512:]


def extended(records: bytes) -> bytes:
    """A tar whose first member is described by an extended header."""
    head = header(PLAIN, name=b"pax", size=b"%011o" % len(records), kind=b"x")[:512]
    return head + records + bytes(-len(records) % 512) + PLAIN


def sparse() -> bytes:
    return header(PLAIN, kind=b"S")


HOSTILE: dict[str, tuple[bytes, type[CheckpointError], str]] = {
    "a member above": (tar_of({"../w.safetensors": WEIGHTS}), Malformed, "would leave the folder"),
    "a member in the middle above": (tar_of({"a/../../w.pt": WEIGHTS}), Malformed, "would leave the folder"),
    "a member of the system": (header(PLAIN, name=b"/etc/w.safetensors"), Malformed, "would leave the folder"),
    "two of one name": (tar_of({"w": WEIGHTS})[:-1024] + tar_of({"w": WEIGHTS}), Malformed, "two members are named"),
    "two ways to write a name": (
        tar_of({"w": WEIGHTS}, root="")[:-1024] + tar_of({"w": WEIGHTS}), Malformed, "two members are named 'w'",
    ),
    "a size of terabytes": (header(PLAIN, size=b"77777777777"), Truncated, "ends behind it"),
    "a size of exabytes": (header(PLAIN, size=b"\x80" + b"\x3f" * 11), Truncated, "ends behind it"),
    "a negative size": (header(PLAIN, size=b"\xff" * 12), Malformed, "has no size"),
    "a size in words": (header(PLAIN, size=b"many"), Malformed, "has no size"),
    "a checksum that lies": (PLAIN[:150] + b"7" + PLAIN[151:], Malformed, "whose checksum does not agree"),
    "no end": (PLAIN[:-1024], Truncated, "without the mark that ends a tar"),
    "a sparse member": (sparse(), UnsupportedFormat, "is sparse"),
    "sparse by its records": (extended(b"22 GNU.sparse.major=1\n"), UnsupportedFormat, "sparse members"),
    "a record without end": (extended(b"99999 path=x\n"), Malformed, "extended header at byte 512 is damaged"),
    "a record of no length": (extended(b"0 path=x\n"), Malformed, "extended header at byte 512 is damaged"),
    "a record that gives no size": (extended(b"12 size=-99\n"), Malformed, "gives no size"),
    "a record that leads outside": (extended(b"20 path=../../etc/w\n"), Malformed, "would leave the folder"),
    "a name of gigabytes": (header(PLAIN, size=b"%011o" % (1 << 31), kind=b"L"), Truncated, "ends behind it"),
    "a name of megabytes": (
        header(PLAIN, size=b"%011o" % (2 << 20), kind=b"L") + bytes(3 << 20), Malformed, "a member in 2,097,152 bytes",
    ),
    "folders without end": (tar_of({"a/" * 40 + "w.pt": WEIGHTS}, root=""), Malformed, "lies more than 16 folders"),
    "a tar in a tar": (tar_of({"a.nemo": PLAIN}), UnsupportedFormat, "a.nemo: is a tar archive: unpack it first"),
    "a bomb behind gzip": (tar_of({"w.pt": bytes(40 << 20)}, mode="w:gz"), Malformed, "inflates beyond"),
    "a program alone": (PROGRAM, UnsupportedFormat, "is a program, not weights"),
    "a program and a zip of nothing": (llamafile_of({"a.txt": b"x"}), NoWeights, "holds no weights"),
    "a zip that leads outside": (zip_of({"../w.pt": WEIGHTS, "w.pt": WEIGHTS}), Malformed, "would leave the folder"),
    "an index that leads outside": (
        zip_of({"model.safetensors.index.json": b'{"weight_map": {"w": "../w.pt"}}'}), Malformed, "lies outside",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("content", "kind", "said"), HOSTILE.values(), ids=HOSTILE.keys())
def test_is_refused_in_one_line(content: bytes, kind: type[CheckpointError], said: str, tmp_path: Path) -> None:
    (tmp_path / "net.tar").write_bytes(content)
    with within(100_000):
        refused(tmp_path / "net.tar", kind, said)


def test_members_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tar, "MAX_MEMBERS", 50)
    (tmp_path / "net.tar").write_bytes(tar_of({f"{n}.txt": b"" for n in range(60)}))
    refused(tmp_path / "net.tar", Malformed, "lists more than 50 members")


def test_a_device_and_a_link_are_not_opened(tmp_path: Path) -> None:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as archive:
        for name, kind in (
            ("w.safetensors", tarfile.SYMTYPE),
            ("v.safetensors", tarfile.CHRTYPE),
            ("d", tarfile.DIRTYPE),
        ):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/dev/zero"
            archive.addfile(member)
    (tmp_path / "net.tar").write_bytes(held.getvalue())
    refused(tmp_path / "net.tar", NoWeights, "holds no weights")


@pytest.mark.parametrize("make", [tar_of, zip_of, llamafile_of])
def test_what_is_plainly_there_is_read(make: Callable[..., bytes], tmp_path: Path) -> None:
    (tmp_path / "net.tar").write_bytes(make({"w.safetensors": WEIGHTS}))
    assert [view.name for view in open_checkpoint(tmp_path / "net.tar").tensors] == ["w"]
