"""Files that are given for weights and are something else: the message says what they are and what to do."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from lineage.checkpoints import open_checkpoint
from lineage.errors import CheckpointError, NoWeights
from tests.archive_files import tar_of
from tests.checkpoint_files import safetensors_bytes, write_shards, write_torch

WEIGHTS = safetensors_bytes({"w": np.ones((4, 4), np.float32)})
PAGE = b"<!DOCTYPE html><html><title>Sign in</title></html>" + b" " * 500


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("login.safetensors", PAGE, r"is a web page \('Sign in'\), not weights: download it again, signed in"),
        ("login.gguf", b"\n <HTML><body>", "is a web page, not weights"),
        ("denied.bin", b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "is a web page, not weights"),
        ("error.safetensors", b'{"error":"Unauthorized"}', r"a server's answer in .* \(error: 'Unauthorized'\)"),
        ("error.bin", b'{"message": "Not Found", "status": 404}', r"a server's answer .* \(message: 'Not Found'\)"),
        ("x.safetensors", b'{"weight_map": {"a": "b"}}', "is an index of shards: give it a name that ends in .index"),
        ("entry.pt", b"Entry not found", r"is a text \('Entry not found'\), not weights"),
        ("nova.tar", tar_of({"nova.nemo": tar_of({"w": WEIGHTS})}), "nova.nemo: is a tar archive: unpack it first"),
        ("nova.7z", b"7z\xbc\xaf\x27\x1c" + b"x" * 90, "is a 7z archive"),
        ("nova.pte", b"\x1c\0\0\0ET12" + b"x" * 90, "is an ExecuTorch program, which is not read"),
        ("nova.engine", b"ptrt" + b"x" * 90, "is a TensorRT engine, which is not read"),
        ("nova.llamafile", b"MZqFpD" + b"x" * 90, "is a program, not weights"),
        ("pointer.bin", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "run `git lfs pull`"),
        ("nova.safetensors.part1of3", WEIGHTS[:-9], "one part of a split file: .* into 'nova.safetensors'"),
        ("nova.gguf.002", b"x" * 99, "one part of a split file: .* into 'nova.gguf'"),
        ("nova.zip.partab", b"x" * 99, "one part of a split file: .* into 'nova.zip'"),
        ("0f3a.incomplete", WEIGHTS[:-9], r"a download that did not finish \(incomplete\)"),
        ("nova.safetensors.crdownload", b"x" * 99, r"a download that did not finish \(crdownload\)"),
        ("bom.safetensors", b"\xef\xbb\xbf" + PAGE, "is a web page"),
        ("bom.gguf", b"\xef\xbb\xbfversion https://git-lfs.github.com/spec/v1\n", "run `git lfs pull`"),
        ("list.bin", b'[{"error":"Repository not found"}]', r"a server's answer .* \(error: 'Repository not found'\)"),
        ("nova.safetensors.aa", WEIGHTS[:-9], "one part of a split file: .* into 'nova.safetensors'"),
        ("nova.safetensors.bc", b"x" * 99, "one part of a split file: .* into 'nova.safetensors'"),
        ("nova.pt", b"https://host.example/nova.pt\n", "is the address of a file .*, not the file: download that"),
        ("manifest.ocdbt", b"\x0c\xdb\x3a\x2a" + bytes(90), r"part of an orbax checkpoint .*: save its arrays"),
        ("nova.safetensors", bytes(2000), "begins with nothing but zeros"),
    ],
)
def test_what_it_is_and_what_to_do(tmp_path: Path, name: str, content: bytes, text: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=text) as error:
        open_checkpoint(tmp_path / name)
    assert error.value.exit_code == 12
    assert str(error.value).isprintable()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("manifest.ocdbt", "a checkpoint of orbax"),
        ("default/manifest.ocdbt", "a checkpoint of orbax"),
        ("0/_CHECKPOINT_METADATA", "a checkpoint of orbax"),
        (".zgroup", "a zarr of arrays"),
        ("zarr.json", "a zarr of arrays"),
        (".zmetadata", "a zarr of arrays"),
        ("params.dense.kernel/.zarray", "a zarr array"),
    ],
)
def test_a_folder_of_another_format_is_named(name: str, said: str, tmp_path: Path) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(b"{}")
    with pytest.raises(NoWeights, match=f"is {said}.*, which is not read: save") as error:
        open_checkpoint(tmp_path)
    assert error.value.exit_code == 12


def test_a_torch_archive_that_was_unzipped(tmp_path: Path) -> None:
    packed = write_torch(tmp_path, {"w": np.ones((4, 4), np.float32)})
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(tmp_path / "there")
    root = next((tmp_path / "there").iterdir())
    (root / "version").write_text("3\n")
    for place in (root, root / "data.pkl"):
        with pytest.raises(CheckpointError, match="a PyTorch archive that was unzipped: zip its folder again"):
            open_checkpoint(place)


def test_whole_files_under_such_names_are_read(tmp_path: Path) -> None:
    for name in ("nova.ckpt.100", "nova.safetensors.part1", "0f3a.incomplete"):
        (tmp_path / name).write_bytes(WEIGHTS)
        assert [view.name for view in open_checkpoint(tmp_path / name).tensors] == ["w"]


class TestIndex:
    def stale(self, folder: Path, count: int) -> Path:
        write_shards(folder, {name: np.ones((2, 2), np.float32) for name in "abcd"})
        index = folder / "model.safetensors.index.json"
        names = json.loads(index.read_text())["weight_map"]
        index.write_text(
            json.dumps(
                {"weight_map": {t: f"model-{i + 1:05d}-of-{count:05d}.safetensors" for i, t in enumerate(names)}}
            )
        )
        return folder

    def test_of_other_shards_than_those_that_are_there(self, tmp_path: Path) -> None:
        with pytest.raises(
            NoWeights, match=r"is the index of other shards: .*of-00013.* to .*00002-of-00002.* complete"
        ):
            open_checkpoint(self.stale(tmp_path, 13))

    def test_of_shards_that_are_missing(self, tmp_path: Path) -> None:
        self.stale(tmp_path, 13)
        (tmp_path / "model-00001-of-00002.safetensors").unlink()
        with pytest.raises(NoWeights, match=r"shard 'model-00001-of-00013.safetensors' is missing"):
            open_checkpoint(tmp_path)
