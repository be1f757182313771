"""Indexes of TensorFlow checkpoints that someone made to hurt."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from lineage.checkpoints import open_checkpoint
from lineage.checkpoints.formats.tf import sstable as tables
from lineage.errors import CheckpointError, Malformed, NoWeights, Truncated, UnsupportedFormat
from tests.hostile_files import refused_at_opening as refused
from tests.onnx_files import field, varint
from tests.tensorflow_files import block, bundle, entry, header, sstable

WEIGHT = np.ones((2, 2), np.float32)


def index(folder: Path, lines: dict[bytes, bytes], **options: int) -> Path:
    (folder / "m.data-00000-of-00001").write_bytes(bytes(64))
    (folder / "m.index").write_bytes(sstable({b"": header()} | lines, **options))
    return folder / "m.index"


def test_a_compressed_index(tmp_path: Path) -> None:
    refused(index(tmp_path, {}, compression=1), UnsupportedFormat, "has a compressed index")


def test_a_footer_that_points_behind_the_file(tmp_path: Path) -> None:
    path = bundle(tmp_path / "m", {"w": WEIGHT})
    content = path.read_bytes()[:-48]
    handles = varint(0) * 2 + varint(1 << 60) + varint(1 << 60)
    path.write_bytes(content + handles + bytes(40 - len(handles)) + struct.pack("<Q", tables.MAGIC))
    refused(path, Malformed, "lies outside the file")


def test_a_block_that_names_itself_as_its_contents(tmp_path: Path) -> None:
    """The footer calls the block of tensors the block of blocks."""
    path = bundle(tmp_path / "m", {"w": WEIGHT})
    data = block({b"": header(), b"w": entry(WEIGHT, 0)})
    handles = varint(0) * 2 + varint(0) + varint(len(data))
    path.write_bytes(path.read_bytes()[:-48] + handles + bytes(40 - len(handles)) + struct.pack("<Q", tables.MAGIC))
    with pytest.raises(CheckpointError):
        open_checkpoint(path)


def test_more_entries_than_any_model_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MAX_ENTRIES", 5)
    path = index(tmp_path, {f"w{i}".encode(): entry(WEIGHT, 0) for i in range(9)})
    refused(path, Malformed, "lists more than 5 tensors: damaged, or crafted to hang")


def test_an_entry_longer_than_its_block(tmp_path: Path) -> None:
    lie = varint(0) + varint(1) + varint(1 << 40) + b"w"
    data = lie + struct.pack("<II", 0, 1)
    handle = varint(0) + varint(len(data))
    trailer = bytes(5)
    blocks = block({b"w": handle})
    footer = varint(0) * 2 + varint(len(data) + 5) + varint(len(blocks))
    content = data + trailer + blocks + trailer + footer + bytes(40 - len(footer)) + struct.pack("<Q", tables.MAGIC)
    (tmp_path / "m.index").write_bytes(b"\0\0\x04\x08\x01\x1a\x00" + content)
    with pytest.raises(CheckpointError):
        open_checkpoint(tmp_path / "m.index")


@pytest.mark.parametrize(
    ("line", "kind", "text"),
    [
        (entry(WEIGHT, 1 << 50), Truncated, "ends at byte 1,125,899,906,842,640 of 64"),
        (entry(WEIGHT, 0, shard=7), Malformed, "names data file 7 of 1"),
        (field(1, 1) + field(2, field(2, field(1, 1 << 62))) + field(5, 16), Malformed, "overflows"),
        (field(1, 1) + field(2, field(2, field(1, 9))) + field(5, 16), Malformed, "needs 36 bytes, the index says 16"),
        (field(1, 99) + field(5, 16), CheckpointError, "has data type 99, unknown here"),
        (field(1, 1) + varint(2 << 3 | 2) + varint(1 << 40), Malformed, "beyond its message|is needed"),
    ],
)
def test_an_entry_that_lies(line: bytes, kind: type[CheckpointError], text: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=text):
        open_checkpoint(index(tmp_path, {b"w": line}))


@pytest.mark.parametrize("shards", [0, 1 << 40])
def test_a_number_of_data_files_that_is_none(shards: int, tmp_path: Path) -> None:
    refused(index(tmp_path, {b"": header(shards)}), Malformed, "data files: the file is damaged")


def test_data_that_are_a_link_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    path = bundle(tmp_path / "in" / "m", {"w": WEIGHT})
    data = tmp_path / "in" / "m.data-00000-of-00001"
    data.rename(tmp_path / "outside")
    data.symlink_to(tmp_path / "outside")
    refused(path, Malformed, "lies outside the folder: refused")


def test_variables_that_are_a_link_out_of_the_saved_model(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "m").mkdir()
    bundle(tmp_path / "elsewhere" / "variables", {"w": WEIGHT})
    (tmp_path / "m" / "variables").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "m" / "saved_model.pb").write_bytes(field(1, 1) + field(2, b""))
    refused(tmp_path / "m", Malformed, "lies outside the folder: refused")


def test_an_object_graph_that_is_cut(tmp_path: Path) -> None:
    line = field(1, 7) + field(4, 60) + field(5, 400)
    refused(index(tmp_path, {b"_CHECKPOINTABLE_OBJECT_GRAPH": line}), Truncated, "download it again")


def test_an_index_without_tensors(tmp_path: Path) -> None:
    refused(index(tmp_path, {}), NoWeights, "holds no weights")
