"""Archives are the folders that they would be unpacked to; nothing is unpacked."""

from __future__ import annotations

import json
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from lineage.checkpoints import open_checkpoint
from lineage.errors import NoWeights, SeveralModels
from tests.archive_files import llamafile_of, tar_of, zip_of
from tests.checkpoint_files import same_bits, whole, write_gguf, write_shards, write_torch
from tests.distributed_files import write_distributed

ARRAYS = {
    "layers.0.weight": np.arange(48, dtype=np.float32).reshape(8, 6),
    "layers.1.weight": np.arange(30, dtype=np.float32).reshape(5, 6),
}


def folder(place: Path) -> dict[str, bytes]:
    """The files below a folder, which is emptied."""
    held = {
        path.relative_to(place).as_posix(): path.read_bytes() for path in sorted(place.rglob("*")) if path.is_file()
    }
    for name in held:
        (place / name).unlink()
    return held


def holds_the_arrays(path: Path) -> bool:
    found = whole(open_checkpoint(path))
    return found.keys() == ARRAYS.keys() and all(same_bits(found[name], ARRAYS[name]) for name in ARRAYS)


class TestTar:
    @pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz", "w:bz2"])
    @pytest.mark.parametrize("root", ["./", "", "a/much/deeper/folder/"])
    def test_nemo_files_of_any_age(self, mode: str, root: str, tmp_path: Path) -> None:
        files = {"model_config.yaml": b"a: 1\n", "model_weights.ckpt": write_torch(tmp_path, ARRAYS).read_bytes()}
        (tmp_path / "nova.nemo").write_bytes(tar_of(files, root=root, mode=mode))
        assert holds_the_arrays(tmp_path / "nova.nemo")
        assert open_checkpoint(tmp_path / "nova.nemo").name == "nova"

    @pytest.mark.parametrize("format_", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
    @pytest.mark.parametrize("depth", [1, 4, 8])
    def test_long_names(self, format_: int, depth: int, tmp_path: Path) -> None:
        if format_ == tarfile.USTAR_FORMAT and depth == 8:
            pytest.skip("names of 240 letters need one of the extensions")
        root = ("a" * 30 + "/") * depth
        files = {"model.pt": write_torch(tmp_path, ARRAYS).read_bytes(), "ключ.txt": b"k"}
        (tmp_path / "nova.tar").write_bytes(tar_of(files, root=root, format_=format_))
        assert holds_the_arrays(tmp_path / "nova.tar")

    def test_a_folder_of_parts(self, tmp_path: Path) -> None:
        parts = tmp_path / "parts"
        parts.mkdir()
        write_distributed(parts, ARRAYS)
        (tmp_path / "nova.nemo").write_bytes(tar_of({f"weights/{k}": v for k, v in folder(parts).items()}))
        assert holds_the_arrays(tmp_path / "nova.nemo")

    def test_links_are_left_out(self, tmp_path: Path) -> None:
        (tmp_path / "model.pt").write_bytes(write_torch(tmp_path, ARRAYS).read_bytes())
        with tarfile.open(tmp_path / "nova.tar", "w") as archive:
            archive.add(tmp_path / "model.pt", "model.pt")
            link = tarfile.TarInfo("model.safetensors")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(link)
        assert holds_the_arrays(tmp_path / "nova.tar")


class TestSideFiles:
    def test_shards_config_and_card_speak_of_the_model(self, tmp_path: Path) -> None:
        (tmp_path / "m").mkdir()
        files = folder(write_shards(tmp_path / "m", ARRAYS))
        files |= {"config.json": json.dumps({"model_type": "llama"}).encode(), "README.md": b"---\nlicense: mit\n---\n"}
        for name, content in {
            "a.tar": tar_of(files),
            "a.zip": zip_of(files),
            "a.mar": zip_of(files, zipfile.ZIP_DEFLATED),
        }.items():
            (tmp_path / name).write_bytes(content)
            checkpoint = open_checkpoint(tmp_path / name)
            assert holds_the_arrays(tmp_path / name)
            assert (checkpoint.config["model_type"], checkpoint.licence) == ("llama", "mit")
            assert checkpoint.files == (str(tmp_path / name),)
            assert checkpoint.nbytes == (tmp_path / name).stat().st_size


class TestOthers:
    def test_a_folder_that_holds_an_archive(self, tmp_path: Path) -> None:
        files = {"MAR-INF/MANIFEST.json": b"{}", "model.pt": write_torch(tmp_path, ARRAYS).read_bytes()}
        (tmp_path / "net.pt").unlink()
        (tmp_path / "served.mar").write_bytes(zip_of(files))
        assert holds_the_arrays(tmp_path)

    def test_a_llamafile_of_several_models(self, tmp_path: Path) -> None:
        content = write_gguf(tmp_path, ARRAYS).read_bytes()
        path = tmp_path / "net.llamafile"
        path.write_bytes(llamafile_of({"net.gguf": content, "mmproj-net.gguf": content}))
        assert holds_the_arrays(path)
        path.write_bytes(llamafile_of({"a.gguf": content, "b.gguf": content}))
        with pytest.raises(SeveralModels, match="holds several models"):
            open_checkpoint(path)

    def test_an_archive_without_weights(self, tmp_path: Path) -> None:
        (tmp_path / "notes.tar").write_bytes(tar_of({"notes.txt": b"hello"}))
        with pytest.raises(NoWeights, match=r"notes\.tar: holds no weights"):
            open_checkpoint(tmp_path / "notes.tar")
