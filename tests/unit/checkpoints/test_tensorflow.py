"""The TensorFlow family: bundles, SavedModels, tfjs, kernels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from lineage.checkpoints import open_checkpoint
from lineage.checkpoints.decode.kernel_layout import torch_layout
from lineage.checkpoints.formats.tf_names import parameter_name
from lineage.errors import Malformed, NoWeights, Truncated, UnsupportedDtype, UnsupportedFormat
from lineage.types.facts.exclusions import NotAWeight, NotRead
from tests.checkpoint_files import whole
from tests.onnx_files import field, varint
from tests.tensorflow_files import bundle, entry, header, sstable, tfjs, write_saved_model, write_tfjs

RNG = np.random.default_rng(13)


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


class TestKernels:
    @pytest.mark.parametrize(
        ("name", "shape", "turned", "order"),
        [
            ("stem/kernel", (3, 2, 4, 5), "stem/weight", (3, 2, 0, 1)),
            ("a/conv1d/kernel", (3, 4, 5), "a/conv1d/weight", (2, 1, 0)),
            ("volume/kernel", (2, 3, 2, 4, 5), "volume/weight", (4, 3, 0, 1, 2)),
            ("Conv2d_1a/weights", (3, 2, 4, 5), "Conv2d_1a/weight", (3, 2, 0, 1)),
            ("sep/pointwise_kernel", (1, 1, 4, 5), "sep/pointwise_weight", (3, 2, 0, 1)),
        ],
    )
    def test_a_kernel_is_turned(
        self, name: str, shape: tuple[int, ...], turned: str, order: tuple[int, ...], tmp_path: Path
    ) -> None:
        kernel = normal(*shape)
        found = whole(open_checkpoint(bundle(tmp_path / "a", {name: kernel})))
        assert np.array_equal(found[turned], kernel.transpose(order))

    @pytest.mark.parametrize("name", ["sep/depthwise_kernel", "m/depthwise/weights", "block_dw_2/kernel"])
    def test_a_depthwise_kernel_is_told_by_its_name(self, name: str, tmp_path: Path) -> None:
        kernel = normal(3, 2, 4, 2)
        (view,) = open_checkpoint(bundle(tmp_path / "a", {name: kernel})).tensors
        assert view.shape == (8, 1, 3, 2)
        assert np.array_equal(view.rows(0, 8)[:, 0], kernel.transpose(2, 3, 0, 1).reshape(8, 3, 2))
        assert view.name.endswith("weight")

    def test_a_depthwise_kernel_is_told_by_its_bias(self) -> None:
        assert torch_layout("m/kernel", (3, 3, 4, 2), {"m/bias": (8,)}).shape == (8, 1, 3, 3)
        assert torch_layout("m/kernel", (3, 3, 4, 2), {"m/bias": (2,)}).shape == (2, 4, 3, 3)
        assert torch_layout("m/kernel", (3, 3, 4, 1), {"m/bias": (4,)}).shape == (4, 1, 3, 3)
        assert torch_layout("m/kernel", (3, 3, 4, 1), {"m/bias": (1,)}).shape == (1, 4, 3, 3)
        assert torch_layout("m/kernel", (3, 3, 4, 1), {}).shape == (1, 4, 3, 3)

    @pytest.mark.parametrize(
        ("name", "shape"),
        [
            ("dense/kernel", (4, 6)),
            ("attention/query/kernel", (8, 2, 4)),
            ("positions", (1, 4, 4, 8)),
            ("norm/gamma", (4,)),
        ],
    )
    def test_everything_else_stays(self, name: str, shape: tuple[int, ...]) -> None:
        layout = torch_layout(name, shape, {})
        assert (layout.name, layout.shape) == (name, shape)

    def test_names_that_were_fused(self) -> None:
        assert parameter_name("m/norm/Fused;m/conv_2/Conv2D", 4) == "m/conv_2/weight"
        assert parameter_name("m/norm/Fused;m/conv_2/BiasAdd/ReadVariableOp;m/conv_2/Conv2D", 1) == "m/conv_2/bias"
        assert parameter_name("m/table/ReadVariableOp", 2) == "m/table"
        assert parameter_name("/MatMul", 2) == "/MatMul"


def object_graph(names: dict[str, str]) -> bytes:
    """A TrackableObjectGraph of one node, as the bundle keeps a text: lengths, checksum, text."""
    attributes = b"".join(
        field(2, field(1, "VARIABLE_VALUE") + field(2, full) + field(3, key)) for key, full in names.items()
    )
    text = field(1, attributes)
    return varint(len(text)) + bytes(4) + text


class TestBundles:
    def test_variables_go_by_their_own_names(self, tmp_path: Path) -> None:
        keys = [
            f"{way}/.ATTRIBUTES/VARIABLE_VALUE"
            for way in ("layer_with_weights-0/kernel", "optimizer/_trainable_variables/1")
        ]
        text = object_graph(dict(zip(keys, ("dense/kernel", "dense/bias"), strict=True)))
        lines = {key.encode(): entry(normal(4, 3), 0) for key in keys}
        lines |= {b"": header(), b"_CHECKPOINTABLE_OBJECT_GRAPH": field(1, 7) + field(4, 48) + field(5, len(text))}
        (tmp_path / "m.data-00000-of-00001").write_bytes(bytes(48) + text)
        (tmp_path / "m.index").write_bytes(sstable(lines))
        found = open_checkpoint(tmp_path / "m.index").tensors
        assert {view.name for view in found} == {"dense/kernel", "dense/bias"}

    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("dense/kernel/.OPTIMIZER_SLOT/optimizer/m/.ATTRIBUTES/VARIABLE_VALUE", NotAWeight("optimizer-state")),
            ("Adam/dense/kernel/m", NotAWeight("optimizer-state")),
            ("adam/dense_kernel_momentum", NotAWeight("optimizer-state")),
            ("dense/kernel/Adam_1", NotAWeight("optimizer-state")),
            ("dense/kernel/adam_v", NotAWeight("optimizer-state")),
            ("optimizer/learning_rate", NotAWeight("optimizer-state")),
            ("global_step", NotAWeight("training-counter")),
            ("beta1_power", NotAWeight("training-counter")),
            ("keras_api/metrics/0/total/.ATTRIBUTES/VARIABLE_VALUE", NotAWeight("training-metric")),
            ("dropout/seed_generator/state", NotAWeight("random-state")),
            ("dense/kernel/ExponentialMovingAverage", NotAWeight("moving-average")),
        ],
    )
    def test_what_is_no_weight_is_left_out(self, name: str, reason: str, tmp_path: Path) -> None:
        checkpoint = open_checkpoint(bundle(tmp_path / "a", {"dense/kernel": normal(4, 3), name: normal(4, 3)}))
        assert [view.name for view in checkpoint.tensors] == ["dense/kernel"]
        assert [why for _, why in checkpoint.left_out] == [reason]

    def test_a_model_that_is_called_like_an_optimizer_keeps_its_weights(self, tmp_path: Path) -> None:
        arrays = {"lion/dense/kernel": normal(4, 3), "momentum/encoder/kernel": normal(4, 3)}
        assert len(open_checkpoint(bundle(tmp_path / "a", arrays)).tensors) == 2

    def test_a_variable_in_slices_is_left_out(self, tmp_path: Path) -> None:
        line = entry(normal(4, 3), 0) + field(7, b"")
        path = bundle(tmp_path / "a", {"w": normal(4, 3)}, extra={b"table": line, b"\0\0slice": line})
        assert open_checkpoint(path).left_out == (("table", NotRead("sliced-variable")),)

    def test_a_copy_of_a_variable_is_left_out(self, tmp_path: Path) -> None:
        array = normal(4, 3)
        text = object_graph({"a": "dense/kernel", "b": "dense/kernel"})
        lines = {key.encode(): entry(array, 0) + b"\x35" + b"sums" for key in ("a", "b")}
        lines |= {b"": header(), b"_CHECKPOINTABLE_OBJECT_GRAPH": field(1, 7) + field(4, 48) + field(5, len(text))}
        (tmp_path / "m.data-00000-of-00001").write_bytes(array.tobytes() + text)
        (tmp_path / "m.index").write_bytes(sstable(lines))
        checkpoint = open_checkpoint(tmp_path / "m.index")
        assert [view.name for view in checkpoint.tensors] == ["dense/kernel"]
        assert checkpoint.left_out == (("dense/kernel", NotAWeight("saved-twice")),)

    def test_a_saved_model_is_opened_by_its_folder_and_by_its_graph(self, tmp_path: Path) -> None:
        folder = tmp_path / "detector"
        folder.mkdir()
        write_saved_model(folder, {"w": normal(4, 3)})
        for path in (folder, folder / "saved_model.pb", folder / "variables" / "variables.index"):
            checkpoint = open_checkpoint(path)
            assert (checkpoint.name, checkpoint.format) == ("detector", "tensorflow")

    def test_a_saved_model_without_variables(self, tmp_path: Path) -> None:
        write_saved_model(tmp_path, {"w": normal(4, 3)})
        (tmp_path / "variables" / "variables.index").unlink()
        with pytest.raises(NoWeights, match="its weights are missing"):
            open_checkpoint(tmp_path)

    def test_data_that_are_missing_or_cut(self, tmp_path: Path) -> None:
        path = bundle(tmp_path / "a", {"w": normal(4, 3)})
        data = tmp_path / "a.data-00000-of-00001"
        data.write_bytes(data.read_bytes()[:-1])
        with pytest.raises(Truncated, match="'w' ends at byte 48 of 47: download it again"):
            open_checkpoint(path)
        data.unlink()
        with pytest.raises(NoWeights, match="data-00000-of-00001' is missing"):
            open_checkpoint(path)


class TestTfjs:
    def test_half_precision_and_codes(self, tmp_path: Path) -> None:
        half = normal(3, 2).astype(np.float16)
        code = RNG.integers(0, 255, (3, 3, 2, 4)).astype(np.uint8)
        wide = RNG.integers(0, 65535, (5,)).astype(np.uint16)
        weights = [
            {"name": "a/kernel", "shape": [3, 2], "dtype": "float32", "quantization": {"dtype": "float16"}},
            {"name": "b/kernel", "shape": [3, 3, 2, 4], "dtype": "float32",
             "quantization": {"dtype": "uint8", "scale": 0.5, "min": -2}},
            {"name": "c", "shape": [5], "dtype": "float32",
             "quantization": {"dtype": "uint16", "scale": 0.01, "min": 1.5}},
        ]  # fmt: skip
        checkpoint = open_checkpoint(tfjs(tmp_path, weights, half.tobytes() + code.tobytes() + wide.tobytes()))
        found, kinds = whole(checkpoint), {view.name: view.encoding for view in checkpoint.tensors}
        assert np.array_equal(found["a/kernel"], half)
        assert np.array_equal(found["b/weight"], (code * np.float32(0.5) - 2).transpose(3, 2, 0, 1))
        assert np.array_equal(found["c"], wide * np.float32(0.01) + np.float32(1.5))
        assert kinds == {"a/kernel": None, "b/weight": "tfjs uint8 per-tensor", "c": "tfjs uint16 per-tensor"}

    def test_the_folder_is_opened_and_counted(self, tmp_path: Path) -> None:
        write_tfjs(tmp_path, {"w": normal(300, 4)})
        checkpoint = open_checkpoint(tmp_path)
        assert (checkpoint.format, checkpoint.nbytes) == ("tfjs", 4800 + (tmp_path / "model.json").stat().st_size)

    def test_a_manifest_alone(self, tmp_path: Path) -> None:
        """As face-api.js has them."""
        arrays = {"w": normal(300, 4)}
        described = json.loads(write_tfjs(tmp_path, arrays).read_text())
        bare = tmp_path / "face-weights_manifest.json"
        bare.write_text(json.dumps(described["weightsManifest"]))
        assert np.array_equal(whole(open_checkpoint(bare))["w"], arrays["w"])

    @pytest.mark.parametrize("text", ['{"model_type": "bert"}', "[1, 2]", '[{"name": "w"}]'])
    def test_a_json_file_of_something_else(self, text: str, tmp_path: Path) -> None:
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(UnsupportedFormat, match="without a weightsManifest"):
            open_checkpoint(tmp_path / "config.json")

    @pytest.mark.parametrize(
        ("change", "error", "text"),
        [
            ({"dtype": "string"}, UnsupportedDtype, "dtype 'string', unknown here"),
            ({"shape": [1 << 62, 8]}, Malformed, "overflows"),
            ({"shape": [-1]}, Malformed, "has no shape"),
            ({"shape": [3, 3]}, Truncated, "ends at byte 36, its shards at 24"),
            ({"shape": [2, 2]}, Malformed, "8 unexpected bytes after the last weight"),
            ({"quantization": {"dtype": "uint8", "scale": True, "min": 0}}, Malformed, "quantised without scale"),
            ({"name": 3}, Malformed, "a weight has no name"),
        ],
    )
    def test_a_manifest_that_lies(
        self, change: dict[str, object], error: type[Exception], text: str, tmp_path: Path
    ) -> None:
        path = tfjs(tmp_path, [{"name": "w", "shape": [3, 2], "dtype": "float32"} | change], bytes(24))
        with pytest.raises(error, match=text):
            open_checkpoint(path)

    @pytest.mark.parametrize("name", ["../net.bin", "/etc/passwd"])
    def test_a_shard_outside_the_folder(self, name: str, tmp_path: Path) -> None:
        (tmp_path / "in").mkdir()
        (tmp_path / "net.bin").write_bytes(bytes(4))
        manifest = [{"paths": [name], "weights": [{"name": "w", "shape": [1], "dtype": "float32"}]}]
        (tmp_path / "in" / "model.json").write_text(json.dumps({"weightsManifest": manifest}))
        with pytest.raises(Malformed, match="lies outside the folder: refused"):
            open_checkpoint(tmp_path / "in" / "model.json")
