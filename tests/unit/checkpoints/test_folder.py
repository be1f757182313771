"""Model folders: which files are the weights, and what the side files say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from lineage.checkpoints import open_checkpoint
from lineage.errors import CheckpointError, Malformed, NoWeights, UnsupportedFormat
from lineage.types import Declared
from lineage.types.facts.exclusions import NotAWeight
from tests.checkpoint_files import safetensors_bytes, whole, write_npz, write_shards, write_torch

ARRAYS = {"a": np.ones((2, 2), np.float32), "b": np.zeros((3,), np.float32), "c": np.ones((1, 4), np.float32)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "Nova-9B").mkdir()
    return tmp_path / "Nova-9B"


def put(folder: Path, name: str, value: float = 1.0) -> Path:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(safetensors_bytes({"w": np.full((2, 2), value, np.float32)}))
    return folder / name


class TestChoice:
    def test_safetensors_before_torch_before_numpy(self, folder: Path) -> None:
        write_npz(folder, ARRAYS)
        assert open_checkpoint(folder).format == "npz"
        write_torch(folder, ARRAYS)
        assert open_checkpoint(folder).format == "torch"
        put(folder, "model.safetensors")
        assert open_checkpoint(folder).format == "safetensors"

    def test_the_usual_name_wins(self, folder: Path) -> None:
        put(folder, "consolidated.safetensors", 2.0)
        put(folder, "model.safetensors", 1.0)
        assert whole(open_checkpoint(folder))["w"][0, 0] == 1.0

    def test_several_models_are_ambiguous(self, folder: Path) -> None:
        put(folder, "one.safetensors")
        put(folder, "two.safetensors")
        with pytest.raises(UnsupportedFormat, match=r"several models .one.safetensors, two.safetensors."):
            open_checkpoint(folder)

    def test_training_files_beside_the_weights_do_not_count(self, folder: Path) -> None:
        for name in ("training_args.bin", "optimizer.pt", "scheduler.pt", "rng_state_0.pth"):
            (folder / name).write_bytes(b"whatever")
        put(folder, "net.safetensors")
        assert whole(open_checkpoint(folder)).keys() == {"w"}

    def test_a_sub_folder_counts_only_if_it_holds_the_only_weights(self, folder: Path) -> None:
        put(folder, "0_Transformer/model.safetensors", 1.0)
        (folder / "1_Pooling").mkdir()
        (folder / "1_Pooling/config.json").write_text("{}")
        (folder / "0_Transformer/config.json").write_text('{"model_type": "bert"}')
        checkpoint = open_checkpoint(folder)
        assert (checkpoint.name, checkpoint.config) == ("Nova-9B", {"model_type": "bert"})
        put(folder, "2_Dense/model.safetensors", 2.0)
        with pytest.raises(UnsupportedFormat, match="0_Transformer, 2_Dense"):
            open_checkpoint(folder)
        put(folder, "model.safetensors", 3.0)
        assert whole(open_checkpoint(folder))["w"][0, 0] == 3.0

    def test_a_folder_named_like_a_file_is_a_folder(self, tmp_path: Path) -> None:
        (tmp_path / "x.safetensors").mkdir()
        with pytest.raises(NoWeights):
            open_checkpoint(tmp_path / "x.safetensors")
        put(tmp_path / "x.safetensors", "model.safetensors")
        assert open_checkpoint(tmp_path / "x.safetensors").name == "x.safetensors"


class TestShards:
    def test_the_index_itself_opens_the_model(self, folder: Path) -> None:
        write_shards(folder, ARRAYS)
        by_index = open_checkpoint(folder / "model.safetensors.index.json")
        assert whole(by_index).keys() == ARRAYS.keys()
        assert by_index.name == "Nova-9B"

    def test_numbered_shards_need_no_index(self, folder: Path) -> None:
        write_shards(folder, ARRAYS)
        (folder / "model.safetensors.index.json").unlink()
        assert whole(open_checkpoint(folder)).keys() == ARRAYS.keys()

    @pytest.mark.parametrize("indexed", [True, False])
    @pytest.mark.parametrize("number", [1, 2])
    def test_a_missing_shard_is_named(self, folder: Path, indexed: bool, number: int) -> None:
        write_shards(folder, ARRAYS)
        (folder / f"model-0000{number}-of-00002.safetensors").unlink()
        if not indexed:
            (folder / "model.safetensors.index.json").unlink()
        with pytest.raises(NoWeights, match=f"shard 'model-0000{number}-of-00002.safetensors' is missing"):
            open_checkpoint(folder)

    def test_torch_shards(self, folder: Path) -> None:
        for number, name in enumerate(ARRAYS, 1):
            write_torch(folder, {name: ARRAYS[name]}).rename(folder / f"pytorch_model-0000{number}-of-00003.bin")
        weight_map = {name: f"pytorch_model-0000{number}-of-00003.bin" for number, name in enumerate(ARRAYS, 1)}
        (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": weight_map}))
        checkpoint = open_checkpoint(folder)
        assert whole(checkpoint).keys() == ARRAYS.keys()
        assert len({view.storage for view in checkpoint.tensors}) == 3

    def test_a_tensor_that_the_index_gives_to_another_shard_is_left_out(self, folder: Path) -> None:
        write_shards(folder, ARRAYS)
        index = folder / "model.safetensors.index.json"
        weight_map = json.loads(index.read_text())["weight_map"]
        del weight_map["c"]
        index.write_text(json.dumps({"weight_map": weight_map}))
        assert open_checkpoint(folder).left_out == (("c", NotAWeight("not-in-shard-index")),)
        index.write_text(json.dumps({"weight_map": {**weight_map, "d": weight_map["a"]}}))
        with pytest.raises(Malformed, match="names tensor 'd', which its shard does not hold"):
            open_checkpoint(folder)
        index.write_text(json.dumps({"weight_map": {}}))
        with pytest.raises(Malformed, match="names no tensor: download it again"):
            open_checkpoint(folder)

    def test_the_cache_of_the_hub_links_to_its_blobs(self, tmp_path: Path) -> None:
        snapshot = tmp_path / "models--acme--Nova" / "snapshots" / ("0" * 40)
        blobs = tmp_path / "models--acme--Nova" / "blobs"
        snapshot.mkdir(parents=True)
        blobs.mkdir()
        put(blobs, "abc")
        (snapshot / "model.safetensors").symlink_to("../../blobs/abc")
        assert open_checkpoint(snapshot).name == "acme/Nova"


class TestSideFiles:
    def test_config_licence_and_declared_parents(self, folder: Path) -> None:
        put(folder, "model.safetensors")
        (folder / "config.json").write_text('{"model_type": "llama", "_name_or_path": "acme/Base-7B"}')
        (folder / "README.md").write_text(
            "---\nlicense: apache-2.0\nbase_model:\n- qwen/Qwen2.5\n- 'acme/Other'\nbase_model_relation: merge\n---\n"
        )
        checkpoint = open_checkpoint(folder)
        assert checkpoint.config["model_type"] == "llama"
        assert checkpoint.licence == "apache-2.0"
        assert checkpoint.declared == (
            Declared("qwen/Qwen2.5", "merge", "README.md base_model"),
            Declared("acme/Other", "merge", "README.md base_model"),
            Declared("acme/Base-7B", None, "config.json _name_or_path"),
        )

    def test_a_config_that_names_its_own_folder_declares_nothing(self, folder: Path) -> None:
        put(folder, "model.safetensors")
        (folder / "config.json").write_text('{"_name_or_path": "/home/me/nova-9b/"}')
        assert open_checkpoint(folder).declared == ()

    def test_a_usual_file_speaks_for_its_folder_and_another_does_not(self, folder: Path) -> None:
        (folder / "config.json").write_text('{"model_type": "bert"}')
        usual, other = put(folder, "model.safetensors"), put(folder, "experiment.safetensors")
        assert (open_checkpoint(usual).config, open_checkpoint(usual).name) == ({"model_type": "bert"}, "Nova-9B")
        assert (open_checkpoint(other).config, open_checkpoint(other).name) == ({}, "experiment")

    @pytest.mark.parametrize("config", ["{", "[]", "", '{"a": 1, "a": 2}', "[" * 100_000])
    def test_a_broken_config_is_one_clear_line(self, folder: Path, config: str) -> None:
        put(folder, "model.safetensors")
        (folder / "config.json").write_text(config)
        with pytest.raises(Malformed, match=r"config\.json: "):
            open_checkpoint(folder)

    def test_a_folder_that_cannot_be_found(self, tmp_path: Path) -> None:
        for path in (tmp_path / "none", tmp_path / ("n" * 5000), str(tmp_path) + "/a\0b"):
            with pytest.raises(CheckpointError):
                open_checkpoint(path)


class TestWaysOut:
    @pytest.mark.parametrize("shard", ["../secret.safetensors", "{absolute}", "sub/../../secret.safetensors", "link"])
    def test_a_shard_outside_the_folder_is_refused(self, folder: Path, shard: str) -> None:
        secret = put(folder.parent, "secret.safetensors")
        (folder / "sub").mkdir()
        (folder / "link").symlink_to(secret)
        weight_map = {"w": shard.format(absolute=secret)}
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
        with pytest.raises(Malformed, match="lies outside the folder: refused"):
            open_checkpoint(folder)

    @pytest.mark.parametrize("name", ["model.safetensors", "config.json", "README.md"])
    def test_a_link_out_of_the_folder_is_refused(self, folder: Path, name: str) -> None:
        put(folder, "model.safetensors")
        secret = put(folder.parent, "secret")
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(secret)
        with pytest.raises(Malformed, match="lies outside the folder: refused"):
            open_checkpoint(folder)
