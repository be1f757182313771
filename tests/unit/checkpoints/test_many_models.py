"""Several models in a folder: pipelines, dense layers, adapters, folders of models, and the caches of other tools."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lineage import api
from lineage.anatomy import describe
from lineage.checkpoints import models_in, open_checkpoint
from lineage.errors import CheckpointError, Malformed, NoWeights, SeveralModels, UnsupportedFormat
from tests.adapter_files import drawn as drawn_adapter
from tests.adapter_files import write_adapter
from tests.checkpoint_files import safetensors_bytes, sketched, whole, write_shards
from tests.gguf_files import gguf_bytes, line

RNG = np.random.default_rng(3)


def drawn(*shape: int) -> np.ndarray:
    return (RNG.standard_normal(shape) * RNG.gamma(2, 0.5, (shape[0],) + (1,) * (len(shape) - 1))).astype(np.float32)


def put(path: Path, arrays: Mapping[str, np.ndarray] | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(safetensors_bytes({"w": drawn(4, 3)} if arrays is None else arrays))
    return path


def refused(path: Path, said: str, kind: type[CheckpointError] = UnsupportedFormat) -> None:
    with pytest.raises(kind, match=said) as error:
        open_checkpoint(path)
    assert str(error.value).isprintable()
    assert error.value.exit_code == 12


UNET = {"conv_in.weight": drawn(16, 4, 3, 3), "mid.conv.weight": drawn(16, 16, 3, 3), "conv_in.bias": drawn(16)}
VAE = {"encoder.conv_in.weight": drawn(16, 3, 3, 3), "decoder.conv_out.weight": drawn(16, 16, 3, 3)}


def pipeline(folder: Path, models: Mapping[str, Mapping[str, np.ndarray]], listed: Any = None) -> Path:
    for name, arrays in models.items():
        put(folder / name / "diffusion_pytorch_model.safetensors", arrays)
        (folder / name / "config.json").write_text(json.dumps({"_class_name": name}))
    index = {"_class_name": "Pipeline", "_diffusers_version": "0.30", "scheduler": ["diffusers", "DDIMScheduler"]}
    index |= {name: ["diffusers", "Model"] for name in models} if listed is None else listed
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


class TestPipelines:
    def test_each_model_is_a_part_of_one_checkpoint(self, tmp_path: Path) -> None:
        checkpoint = open_checkpoint(pipeline(tmp_path / "Nova", {"unet": UNET, "vae": VAE}))
        expected = {f"unet.{n}": a for n, a in UNET.items()} | {f"vae.{n}": a for n, a in VAE.items()}
        found = whole(checkpoint)
        assert found.keys() == expected.keys()
        assert all(np.array_equal(found[name], expected[name]) for name in expected)
        assert (checkpoint.name, len(checkpoint.files)) == ("Nova", 2)
        assert len({view.storage for view in checkpoint.tensors}) == len(expected)

    def test_each_is_a_component_with_its_own_answer(self, tmp_path: Path) -> None:
        ours = sketched(pipeline(tmp_path / "a", {"unet": UNET, "vae": VAE}))
        other = {name: drawn(*array.shape) for name, array in VAE.items()}
        theirs = sketched(pipeline(tmp_path / "b", {"unet": UNET, "vae": other}))
        assert {t.part.component for t in ours.tensors} == {"unet", "vae"}
        words = {finding.name: finding.relation for finding in api.compare(ours, theirs).components}
        assert words["unet"] == "identical"
        assert words["vae"] in ("independent", "inconclusive")

    def test_the_single_file_that_others_pack_one_into_has_the_same_components(self, tmp_path: Path) -> None:
        packed = {f"model.diffusion_model.{name}": array for name, array in UNET.items()}
        packed |= {f"first_stage_model.{name}": array for name, array in VAE.items()}
        single = sketched(put(tmp_path / "single.safetensors", packed))
        assert {t.part.component for t in single.tensors} == {"unet", "vae"}
        found = api.compare(single, sketched(pipeline(tmp_path / "a", {"unet": UNET, "vae": VAE})))
        assert {finding.name: finding.relation for finding in found.components} == dict.fromkeys(
            ("unet", "vae"), "identical"
        )

    def test_sub_models_in_shards_and_those_that_are_not_there(self, tmp_path: Path) -> None:
        folder = pipeline(
            tmp_path, {"unet": UNET}, {"unet": ["d", "U"], "vae": [None, None], "text_encoder": ["t", "C"]}
        )
        (folder / "text_encoder").mkdir()
        write_shards(folder / "text_encoder", {"a.weight": drawn(4, 3), "b.weight": drawn(4, 3)})
        assert {view.name.partition(".")[0] for view in open_checkpoint(folder).tensors} == {"unet", "text_encoder"}

    def test_a_sub_model_that_is_a_link_is_followed_inside_and_refused_outside(self, tmp_path: Path) -> None:
        folder = pipeline(tmp_path / "p", {"unet": UNET, "vae": VAE})
        (folder / "vae").rename(folder / "shared_vae")
        (folder / "vae").symlink_to("shared_vae")
        expected = {f"unet.{name}" for name in UNET} | {f"vae.{name}" for name in VAE}
        assert {view.name for view in open_checkpoint(folder).tensors} == expected
        (folder / "shared_vae").rename(tmp_path / "elsewhere")
        (folder / "vae").unlink()
        (folder / "vae").symlink_to(tmp_path / "elsewhere")
        refused(folder, "'vae' lies outside the folder: refused", Malformed)

    def test_no_axis_is_shared_between_two_of_them(self) -> None:
        shapes = {"layers.0.weight": (8, 6), "layers.0.bias": (8,), "layers.1.weight": (5, 8)}
        names = [(f"{model}.{name}", shape) for model in ("unet", "vae") for name, shape in shapes.items()]
        anatomy = describe(names, {"sub_models": {"unet": {}, "vae": {}}})
        labels: dict[str, set[str]] = {"unet": set(), "vae": set()}
        for part in anatomy.parts:
            labels[part.component] |= {axis.label for axis in part.axes if axis.exchangeable}
        assert labels["unet"]
        assert labels["unet"].isdisjoint(labels["vae"])

    @pytest.mark.parametrize(
        ("listed", "said"),
        [({"../x": ["d", "M"]}, "which is not a folder in it"), ({"a/b": ["d", "M"]}, "which is not a folder in it")],
    )
    def test_a_list_that_leads_outside_is_refused(self, listed: Any, said: str, tmp_path: Path) -> None:
        put(tmp_path / "x/model.safetensors")
        refused(pipeline(tmp_path / "p", {"unet": UNET}, listed), said, Malformed)

    def test_a_list_of_thousands_is_refused(self, tmp_path: Path) -> None:
        listed = {f"m{number}": ["d", "M"] for number in range(1000)}
        refused(pipeline(tmp_path, {"unet": UNET}, listed), "lists 1,001 models", Malformed)


class TestSentenceTransformers:
    MODULES = (("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Dense", "Dense"), ("3_Normalize", "Normalize"))

    def write(self, folder: Path, first: str = "") -> Path:
        put(folder / first / "model.safetensors", {"encoder.weight": drawn(8, 8)})
        (folder / first / "config.json").write_text('{"model_type": "bert"}')
        put(folder / "2_Dense/model.safetensors", {"linear.weight": drawn(4, 8), "linear.bias": drawn(4)})
        modules = [
            {"idx": i, "name": str(i), "path": path or first, "type": kind}
            for i, (path, kind) in enumerate(self.MODULES)
        ]
        (folder / "modules.json").write_text(json.dumps(modules))
        return folder

    @pytest.mark.parametrize("first", ["", "0_Transformer"])
    def test_dense_layers_belong_to_the_model(self, first: str, tmp_path: Path) -> None:
        checkpoint = open_checkpoint(self.write(tmp_path / "m", first))
        assert [view.name for view in checkpoint.tensors] == [
            "encoder.weight", "2_Dense.linear.bias", "2_Dense.linear.weight",
        ]  # fmt: skip
        assert checkpoint.config == {"model_type": "bert"}

    def test_without_them_the_model_is_the_transformer_alone(self, tmp_path: Path) -> None:
        folder = self.write(tmp_path / "m")
        (folder / "2_Dense/model.safetensors").unlink()
        alone = open_checkpoint(folder)
        (folder / "modules.json").unlink()
        assert [view.name for view in alone.tensors] == [view.name for view in open_checkpoint(folder).tensors]

    @pytest.mark.parametrize("modules", ["{}", "[1]", '[{"path": "../x"}]', "["])
    def test_a_list_that_is_none_is_refused(self, modules: str, tmp_path: Path) -> None:
        put(tmp_path / "m/model.safetensors")
        (tmp_path / "m/modules.json").write_text(modules)
        refused(tmp_path / "m", "modules|JSON|not a folder in it", Malformed)


def names_in(place: Path) -> list[str]:
    return [str(model.relative_to(place)) for model in models_in(place)]


class TestFoldersOfModels:
    def test_every_model_below_is_meant(self, tmp_path: Path) -> None:
        put(tmp_path / "a/model.safetensors")
        put(tmp_path / "group/b/model.safetensors")
        put(tmp_path / "group/c/pytorch_lora.safetensors")
        (tmp_path / "group/notes").mkdir()
        write_adapter(tmp_path / "d", drawn_adapter({"q": (8, 8)}, 2, 1))
        pipeline(tmp_path / "e", {"unet": UNET, "vae": VAE})
        assert names_in(tmp_path) == ["a", "d", "e", "group/b", "group/c"]
        refused(tmp_path / "group", "holds several models .b, c.: name one of them", SeveralModels)

    def test_files_beside_each_other_are_models_and_shards_are_not(self, tmp_path: Path) -> None:
        put(tmp_path / "x.safetensors")
        put(tmp_path / "y.safetensors")
        assert names_in(tmp_path) == ["x.safetensors", "y.safetensors"]
        (tmp_path / "s").mkdir()
        write_shards(tmp_path / "s", {"a": drawn(3, 2), "b": drawn(3, 2)})
        assert names_in(tmp_path / "s") == ["."]

    @pytest.mark.parametrize(
        "names",
        [
            ("m.pt2", "nova.nemo"),
            ("lyra.safetensors", "nova.gguf"),
            ("lyra.safetensors", "nova.h5", "vega.onnx"),
            ("best.ckpt", "other.onnx"),
        ],
    )
    def test_packings_of_unlike_names_are_several_models(self, names: tuple[str, ...], tmp_path: Path) -> None:
        for name in names:
            put(tmp_path / name)
        refused(tmp_path, f"holds several models .{', '.join(names)}.: name one of them", SeveralModels)
        assert names_in(tmp_path) == list(names)

    @pytest.mark.parametrize(
        "names",
        [
            ("nova.safetensors", "nova.onnx", "nova.nemo"),
            ("nova.safetensors", "nova-q4_k_m.gguf"),
            ("model.safetensors", "nova.gguf"),
            ("nova.safetensors", "tf_model.h5"),
            ("nova.safetensors", "optimizer.pt", "training_args.bin"),
        ],
    )
    def test_packings_of_one_name_are_one_model(self, names: tuple[str, ...], tmp_path: Path) -> None:
        for name in names:
            put(tmp_path / name)
        assert names_in(tmp_path) == ["."]
        assert open_checkpoint(tmp_path).files == (str(tmp_path / names[0]),)

    def test_one_model_stands_for_itself_with_what_lies_beside_it(self, tmp_path: Path) -> None:
        put(tmp_path / "m/model.safetensors")
        put(tmp_path / "m/onnx/other.safetensors")
        assert names_in(tmp_path / "m") == ["."]
        assert models_in(tmp_path) == [tmp_path]
        assert models_in(tmp_path / "m/model.safetensors") == [tmp_path / "m/model.safetensors"]
        assert models_in(tmp_path / "m/onnx") == [tmp_path / "m/onnx"]

    def test_a_file_beside_folders_of_models_is_one_of_them(self, tmp_path: Path) -> None:
        for name in ("a/model.safetensors", "b/model.safetensors", "stray.safetensors"):
            put(tmp_path / "zoo" / name)
        assert names_in(tmp_path / "zoo") == ["stray.safetensors", "a", "b"]
        refused(tmp_path / "zoo", "holds several models .stray.safetensors, a, b.", SeveralModels)
        (tmp_path / "zoo/config.json").write_text("{}")
        assert models_in(tmp_path / "zoo") == [tmp_path / "zoo"]
        assert open_checkpoint(tmp_path / "zoo").name == "zoo"

    def test_parts_of_one_model_are_not_several(self, tmp_path: Path) -> None:
        for rank in (0, 1):
            put(tmp_path / f"run/mp_rank_0{rank}/model.safetensors")
        assert models_in(tmp_path / "run") == [tmp_path / "run"]

    def test_links_are_followed_inside_and_not_in_circles(self, tmp_path: Path) -> None:
        put(tmp_path / "zoo/a/model.safetensors")
        put(tmp_path / "zoo/store/b/model.safetensors")
        (tmp_path / "zoo/link").symlink_to(tmp_path / "zoo/store")
        (tmp_path / "zoo/store/up").symlink_to(tmp_path / "zoo")
        assert names_in(tmp_path / "zoo") == ["a", "link/b"]
        put(tmp_path / "elsewhere/model.safetensors")
        (tmp_path / "zoo/out").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(UnsupportedFormat, match="zoo/out: is a link out of the folder: name where it leads"):
            models_in(tmp_path / "zoo")

    def test_folders_without_end_are_refused(self, tmp_path: Path) -> None:
        put(tmp_path / "/".join("abcdefghijk") / "model.safetensors")
        with pytest.raises(UnsupportedFormat, match="folders without end"):
            models_in(tmp_path)

    def test_ingest_means_all_of_them_and_one_that_fails_stops_none(self, tmp_path: Path) -> None:
        for name in "abc":
            put(tmp_path / f"zoo/{name}/model.safetensors", {"w.weight": drawn(40, 30)})
        (tmp_path / "zoo/b/model.safetensors").write_bytes(b"nothing")
        done = list(api.ingest([tmp_path / "zoo"], tmp_path / "index"))
        assert sorted((one.event, Path(one.path).name) for one in done if one.error is None) == [
            ("ingested", "a"), ("ingested", "c"),
        ]  # fmt: skip
        assert [one.exit_code for one in done if one.error is not None] == [12]
        assert {one.event for one in api.ingest([tmp_path / "zoo/a"], tmp_path / "index")} == {"unchanged"}


class TestAdapters:
    def test_a_folder_of_adapters_names_them(self, tmp_path: Path) -> None:
        for name in ("first", "second"):
            write_adapter(tmp_path / name, drawn_adapter({"q": (8, 8)}, 2, 1))
        refused(tmp_path, "holds several adapters .first, second.: name one of them", SeveralModels)
        assert names_in(tmp_path) == ["first", "second"]

    def test_the_only_one_below_is_meant_and_a_model_comes_first(self, tmp_path: Path) -> None:
        write_adapter(tmp_path / "checkpoint-9", drawn_adapter({"q": (8, 8)}, 2, 1))
        assert open_checkpoint(tmp_path).tensors[0].encoding is not None
        put(tmp_path / "merged/model.safetensors")
        assert [view.name for view in open_checkpoint(tmp_path).tensors] == ["w"]


class TestHubCache:
    def write(self, root: Path, commit: str = "a" * 40, *, main: bool = True) -> Path:
        home = root / "models--acme--Nova"
        content = safetensors_bytes({"w": drawn(4, 3)})
        blob = home / "blobs" / hashlib.sha256(content).hexdigest()
        blob.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(content)
        snapshot = home / "snapshots" / commit
        snapshot.mkdir(parents=True)
        (snapshot / "model.safetensors").symlink_to(Path("../../blobs") / blob.name)
        if main:
            (home / "refs").mkdir(exist_ok=True)
            (home / "refs/main").write_text(commit)
        return home

    def test_the_folder_of_a_model_is_its_main_snapshot(self, tmp_path: Path) -> None:
        self.write(tmp_path, "b" * 40, main=False)
        home = self.write(tmp_path, "a" * 40)
        checkpoint = open_checkpoint(home)
        assert (checkpoint.name, checkpoint.path) == ("acme/Nova", str(home / "snapshots" / ("a" * 40)))

    def test_without_a_main_one_the_only_snapshot_is_meant(self, tmp_path: Path) -> None:
        home = self.write(tmp_path, main=False)
        assert open_checkpoint(home).name == "acme/Nova"
        self.write(tmp_path, "c" * 40, main=False)
        refused(home, "holds several snapshots .a+, c+.: name one of them")

    @pytest.mark.parametrize("commit", ["../../..", "a/b", "", "x" * 400])
    def test_a_main_one_that_is_no_commit_is_not_followed(self, commit: str, tmp_path: Path) -> None:
        home = self.write(tmp_path)
        (home / "refs/main").write_text(commit)
        assert open_checkpoint(home).path == str(home / "snapshots" / ("a" * 40))

    def test_a_download_that_is_unfinished_says_so(self, tmp_path: Path) -> None:
        home = self.write(tmp_path)
        for link in (home / "snapshots").rglob("*.safetensors"):
            link.unlink()
        (home / "blobs/1234.incomplete").write_bytes(b"half")
        refused(home, "its download is unfinished .1 of its blobs end in .incomplete.: run it again", NoWeights)
        write_shards(home / "snapshots" / ("a" * 40), {"a": drawn(3, 2), "b": drawn(3, 2)})
        next((home / "snapshots" / ("a" * 40)).glob("*-00002-of*")).unlink()
        refused(home, "shard .* is missing: .* its download is unfinished", NoWeights)

    def test_a_cache_is_a_folder_of_models(self, tmp_path: Path) -> None:
        home = self.write(tmp_path / "hub")
        self.write(tmp_path / "other").rename(tmp_path / "hub/models--acme--Lyra")
        (tmp_path / "hub/datasets--acme--texts").mkdir()
        assert models_in(tmp_path / "hub") == [tmp_path / "hub/models--acme--Lyra", home]
        refused(tmp_path / "hub", "holds several models .models--acme--Lyra, models--acme--Nova.", SeveralModels)

    def test_a_cache_of_one_model_is_that_model(self, tmp_path: Path) -> None:
        home = self.write(tmp_path / "hub")
        assert models_in(tmp_path / "hub") == [home]
        assert open_checkpoint(tmp_path / "hub").name == "acme/Nova"

    @pytest.mark.parametrize("name", ["acme/Nova-9B", "acme/nova.v2", "Acme_1/nova_x"])
    def test_a_path_that_may_be_a_name_at_the_hub_says_how_to_write_it(
        self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        refused(Path(name), f"no such file or folder; a model at the hub is written hf:{name}", CheckpointError)
        with pytest.raises(CheckpointError, match=r"no such file or folder$"):
            open_checkpoint(tmp_path / "acme/Nova-9B")


class TestOllama:
    def write(self, root: Path, layers: Any = None, name: str = "library/nova/9b") -> Path:
        content = gguf_bytes([line("w", drawn(4, 3))], {"general.name": "net"})
        digest = hashlib.sha256(content).hexdigest()
        (root / "blobs").mkdir(parents=True, exist_ok=True)
        (root / f"blobs/sha256-{digest}").write_bytes(content)
        manifest = root / "manifests/registry.ollama.ai" / name
        manifest.parent.mkdir(parents=True, exist_ok=True)
        kinds = {"model": digest, "template": "0" * 64, "license": "1" * 64}
        listed = [{"mediaType": f"application/vnd.ollama.image.{k}", "digest": f"sha256:{d}"} for k, d in kinds.items()]
        manifest.write_text(json.dumps({"schemaVersion": 2, "layers": listed if layers is None else layers}))
        return manifest

    def test_a_manifest_is_the_model_that_it_lists(self, tmp_path: Path) -> None:
        checkpoint = open_checkpoint(self.write(tmp_path))
        assert (checkpoint.name, checkpoint.format) == ("nova:9b", "gguf")
        assert open_checkpoint(self.write(tmp_path, name="acme/lyra/latest")).name == "lyra:latest"

    def test_a_blob_is_a_model_and_the_folder_one_of_models(self, tmp_path: Path) -> None:
        manifest = self.write(tmp_path / "models")
        other = self.write(tmp_path / "models", name="library/lyra/latest")
        assert open_checkpoint(next((tmp_path / "models/blobs").iterdir())).format == "gguf"
        assert models_in(tmp_path / "models") == [other, manifest]

    @pytest.mark.parametrize(
        ("layers", "said", "kind"),
        [
            ([], "lists 0 models of ollama", UnsupportedFormat),
            ([("model", "sha256:../../x")], "no sha256 digest", Malformed),
            ([("model", f"sha256:{'0' * 64}")], "are not among the blobs: pull it again", NoWeights),
            ([("model", f"sha256:{'0' * 64}")] * 2, "lists 2 models", UnsupportedFormat),
            (
                [("model", f"sha256:{'0' * 64}"), ("adapter", f"sha256:{'1' * 64}")],
                "puts an adapter",
                UnsupportedFormat,
            ),
        ],
        ids=["none", "a way out", "a missing blob", "two", "an adapter"],
    )
    def test_a_manifest_of_something_else(
        self, layers: Any, said: str, kind: type[CheckpointError], tmp_path: Path
    ) -> None:
        listed = [{"mediaType": f"application/vnd.ollama.image.{name}", "digest": digest} for name, digest in layers]
        refused(self.write(tmp_path, listed), said, kind)
