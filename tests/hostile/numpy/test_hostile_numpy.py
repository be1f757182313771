"""NumPy files that someone made to hurt: a header is a Python literal, and none is ever evaluated."""

from __future__ import annotations

import pickle
import struct
import zipfile
from pathlib import Path

import pytest

from lineage.errors import CheckpointError, Malformed, Truncated, UnsupportedDtype
from tests.hostile_files import refused

OBJECTS = pickle.dumps([print])


def npy(header: str, data: bytes = bytes(16), *, version: int = 1, length: int | None = None) -> bytes:
    text = header.encode("latin-1")
    size = len(text) if length is None else length
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", size) + text + data


def described(descr: str = "'<f4'", order: str = "False", shape: str = "(4,)") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n"


HOSTILE: dict[str, tuple[bytes, type[CheckpointError], str]] = {
    "objects, which are a pickle that calls": (
        npy(described("'|O'"), OBJECTS),
        Malformed,
        "asks to call builtins.print",
    ),
    "objects that are no arrays": (npy(described("'|O'"), pickle.dumps([1])), UnsupportedDtype, "no arrays of numbers"),
    "objects without end": (npy(described("'|O'"), b"\x80\x02]"), Truncated, "is needed, there are 3"),
    "records with objects": (npy(described("[('a', '|O')]"), OBJECTS), UnsupportedDtype, "holds records"),
    "a call for a shape": (npy(described(shape="(__import__('os').mkdir('ran'),)")), Malformed, "without descr"),
    "a call for a type": (npy(described("__import__('os').mkdir('ran')")), Malformed, "without descr"),
    "a call behind the literal": (npy(described(shape="(9,)") + "or exit()"), Truncated, "needs 36 bytes, has 16"),
    "a type with a huge width": (npy(described("'<f999999999'")), UnsupportedDtype, "unknown here"),
    "text wider than memory": (npy(described("'<U999999999'")), UnsupportedDtype, "unknown here"),
    "a shape that overflows": (npy(described(shape="(4611686018427387904, 8)")), Malformed, "overflows"),
    "a shape beyond the file": (npy(described(shape="(1099511627776,)")), Truncated, "needs 4,398,046,511,104 bytes"),
    "a side of a million digits": (npy(described(shape=f"({'9' * 9000},)")), Malformed, "an invalid shape"),
    "a negative side": (npy(described(shape="(-4,)")), Malformed, "without descr, fortran_order and shape"),
    "no elements": (npy(described(shape="(0, 4)")), Malformed, "has no elements"),
    "hundreds of dimensions": (npy(described(shape=f"({'1,' * 300})"), bytes(4)), Malformed, "300 dimensions"),
    "a header of gigabytes": (npy("", version=2, length=(1 << 32) - 1), Malformed, "header of 4,294,967,295 bytes"),
    "a header beyond the file": (npy("{", length=9000), Truncated, "ends inside its header"),
    "a version of its own": (npy(described(), version=9), Malformed, "not a .npy file of version 1 to 3"),
    "a file behind": (npy(described()) + b"PK\3\4", Malformed, "4 unexpected bytes after array"),
}


@pytest.mark.parametrize(("content", "kind", "said"), HOSTILE.values(), ids=HOSTILE.keys())
def test_is_refused_in_one_line(
    content: bytes, kind: type[CheckpointError], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.npy").write_bytes(content)
    refused(tmp_path / "net.npy", kind, said)
    with zipfile.ZipFile(tmp_path / "net.npz", "w") as archive:
        archive.writestr("w.npy", content)
    refused(tmp_path / "net.npz", kind, said)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["\x1b[2J", "w" * 2000])
def test_members_with_names_that_cannot_be_shown(name: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "net.npz", "w") as archive:
        archive.writestr(f"{name}.npy", npy(described()))
    refused(tmp_path / "net.npz", Malformed, "control characters")
