"""Quantised weights in other containers and beside other tensors, and MLX's convolutions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from lineage import api
from lineage.checkpoints import open_checkpoint
from lineage.errors import UnsupportedFormat
from lineage.sketch import sketch_checkpoint
from lineage.types.facts.exclusions import UnreadPacking
from tests.checkpoint_files import (
    header_file,
    safetensors_bytes,
    same_bits,
    whole,
    write_npz,
    write_shards,
    write_torch,
)
from tests.quantized_files import SCHEMES, gptq, quanto_bits, write, write_arrays

MATRIX = (np.random.default_rng(2).standard_normal((64, 256)) * 0.1).astype(np.float32)


@pytest.mark.parametrize("write", [write_torch, write_npz])
def test_any_container_may_hold_them(write, tmp_path: Path) -> None:
    arrays = gptq(4, 64)("model.layers.0.mlp.up_proj", MATRIX)
    folder = write_arrays(tmp_path / "m", arrays, {})
    [view] = open_checkpoint(write(tmp_path, arrays)).tensors
    [expected] = open_checkpoint(folder).tensors
    assert (view.name, view.encoding) == (expected.name, "gptq int4 group 64")
    assert same_bits(view.rows(5, 40), expected.rows(5, 40))


def test_columns_of_a_large_matrix_are_read_alone(tmp_path: Path) -> None:
    inputs, outputs = 2048, 2048
    arrays = {
        "a.qweight": np.zeros((inputs // 8, outputs), np.int32),
        "a.qzeros": np.zeros((16, outputs // 8), np.int32),
        "a.scales": np.ones((16, outputs), np.float16),
    }
    checkpoint = open_checkpoint(write_arrays(tmp_path / "m", arrays, {}))
    [view] = checkpoint.tensors
    before = checkpoint.meter.bytes_read
    assert (view.rows(800, 808) == -1).all()
    small = 16 * outputs // 2 + 16 * outputs * 2  # zeros and scales, small enough to be read in one piece
    assert checkpoint.meter.bytes_read - before <= 8 * inputs // 8 * 4 + small


def test_the_sketch_names_the_encoding(tmp_path: Path) -> None:
    arrays = SCHEMES["awq"].encode("a", MATRIX) | {"norm.weight": np.ones(64, np.float32)}
    sketch = sketch_checkpoint(open_checkpoint(write_arrays(tmp_path / "m", arrays, {})), "sampled", threads=1)
    assert {tensor.name: tensor.dtype for tensor in sketch.tensors} == {
        "a.weight": "awq int4 group 64",
        "norm.weight": "float32",
    }


@pytest.mark.parametrize(
    "names",
    [("a.qweight", "a.lookup_table"), ("a.weight", "a.counts"), ("a.weight_packed_by_hand", "a.b")],
)
def test_what_no_scheme_recognises_stays_as_stored(names: tuple[str, str], tmp_path: Path) -> None:
    arrays = {name: np.arange(8, dtype=np.int32).reshape(2, 4) for name in names}
    found = whole(open_checkpoint(write_arrays(tmp_path / "m", arrays, {"quantization_config": {"bits": 4}})))
    assert found.keys() == arrays.keys()
    assert all(same_bits(found[name], array) for name, array in arrays.items())


def test_tied_weights_stay_tied(tmp_path: Path) -> None:
    arrays = SCHEMES["mlx 4"].encode("a", MATRIX)
    first, second = (open_checkpoint(write_arrays(tmp_path / "m", arrays, {})).tensors[0] for _ in range(2))
    assert first.storage == second.storage


class TestMlx:
    def write(self, folder: Path, arrays: dict[str, np.ndarray], **metadata: str) -> Path:
        content = safetensors_bytes(arrays)
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length]) | {"__metadata__": metadata}
        return header_file(folder / "net.safetensors", header, content[8 + length :])

    @pytest.mark.parametrize(
        ("name", "shape", "expected"),
        [
            ("conv.weight", (8, 3, 5, 2), (8, 2, 3, 5)),
            ("patch.weight", (8, 2, 3, 5, 4), (8, 4, 2, 3, 5)),
            ("conv1.weight", (8, 3, 4), (8, 4, 3)),
            ("experts.weight", (8, 3, 4), (8, 3, 4)),
            ("up.weight", (8, 3), (8, 3)),
        ],
    )
    def test_channels_come_before_the_kernel(
        self, name: str, shape: tuple[int, ...], expected: tuple[int, ...], tmp_path: Path
    ) -> None:
        array = np.random.default_rng(0).standard_normal(shape).astype(np.float16)
        checkpoint = open_checkpoint(self.write(tmp_path, {name: array}, format="mlx"))
        [view] = checkpoint.tensors
        assert (checkpoint.format, view.shape) == ("mlx", expected)
        there = array if shape == expected else np.moveaxis(array, -1, 1)
        assert np.array_equal(view.rows(2, 5), there[2:5])

    def test_other_files_keep_their_axes(self, tmp_path: Path) -> None:
        array = np.zeros((8, 3, 5, 2), np.float16)
        [view] = open_checkpoint(self.write(tmp_path, {"conv.weight": array}, format="pt")).tensors
        assert view.shape == (8, 3, 5, 2)


class TestQuantoBits:
    """quanto keeps no shape: a bias tells the outputs."""

    MATRIX = (np.random.default_rng(4).standard_normal((96, 64)) * 0.05).astype(np.float32)

    @pytest.mark.parametrize(
        ("bits", "group", "whole_shift", "keeps"), [(4, 32, False, 0.98), (4, 16, True, 0.98), (2, 32, False, 0.85)]
    )
    def test_the_outputs_are_those_of_the_bias(
        self, bits: int, group: int, whole_shift: bool, keeps: float, tmp_path: Path
    ) -> None:
        stored = quanto_bits(bits, group, whole_shift=whole_shift)("a", self.MATRIX)
        stored["a.bias"] = np.zeros(96, np.float32)
        checkpoint = open_checkpoint(write_arrays(tmp_path / "m", stored, {}))
        view = next(view for view in checkpoint.tensors if view.name == "a.weight")
        assert (view.shape, view.encoding) == ((96, 64), f"quanto int{bits} group {group}")
        values = view.rows(0, 96)
        assert np.corrcoef(values.ravel(), self.MATRIX.ravel())[0, 1] > keeps
        assert all(np.array_equal(view.rows(i, i + 1), values[i : i + 1]) for i in range(96))

    def test_without_one_the_weight_is_unread(self, tmp_path: Path) -> None:
        folder = write_arrays(tmp_path / "m", quanto_bits(4, 32)("a", self.MATRIX), {})
        with pytest.raises(UnsupportedFormat, match="unread, 100% of the parameters: packed as quanto without"):
            open_checkpoint(folder)


IN, OUT = 64, 128
UNREAD: dict[str, dict[str, np.ndarray]] = {
    "EXL2": {
        "q_weight": np.ones((32, OUT), np.int32), "q_scale": np.ones((2, OUT // 8), np.int32),
        "q_scale_max": np.ones(2, np.float16), "q_groups": np.ones(4, np.int16), "q_invperm": np.ones(IN, np.int16),
    },
    "EXL3": {
        "trellis": np.ones((IN // 16, OUT // 16, 64), np.int16), "suh": np.ones(IN, np.float16),
        "svh": np.ones(OUT, np.float16),
    },
    "AQLM": {
        "codes": np.ones((OUT, IN // 8, 1), np.int16), "codebooks": np.ones((1, 2, 1, 8), np.float16),
        "scales": np.ones((OUT, 1, 1, 1), np.float16),
    },
    "Marlin": {
        "B": np.ones((IN // 16, 2 * OUT), np.int32), "s": np.ones((1, OUT), np.float16),
        "workspace": np.zeros(16, np.int32),
    },
    "QuIP#": {
        "Qidxs": np.ones((OUT, IN // 8), np.int16), "SU": np.ones(IN, np.float16), "SV": np.ones(OUT, np.float16),
    },
    "SVDQuant": {
        "qweight": np.ones((OUT, IN // 2), np.int8), "wscales": np.ones((1, OUT), np.float16),
        "smooth": np.ones(IN, np.float16), "lora_down": np.ones((IN, 2), np.float16),
    },
    "EETQ": {"weight": np.ones((OUT, IN), np.int8), "weight_scales": np.ones(OUT, np.float16)},
    "compressed-tensors 2:4": {
        "compressed": np.ones((OUT, IN // 2), np.int8), "bitmask": np.ones((OUT, IN // 8), np.uint8),
    },
    "HQQ without its shape": {
        "W_q": np.ones((OUT, IN // 2), np.uint8), "scale": np.ones((OUT, 1), np.float16),
        "zero": np.ones((OUT, 1), np.float16),
    },
    "HQQ without its shape, or with quantised zeros": {
        "W_q": np.ones((OUT, IN // 2), np.uint8), "scale": np.ones((OUT, 1), np.float16),
        "zero_q": np.ones((OUT, 1), np.uint8), "shape": np.array([OUT, IN]),
    },
    "HQQ with quantised scales": {
        "W_q": np.ones((OUT, IN // 2), np.uint8), "scale_q": np.ones((OUT, 1), np.uint8),
        "zero": np.ones((OUT, 1), np.float16), "shape": np.array([OUT, IN]),
    },
    "HQQ in a pickle, whose numbers lie beside its tensors": {
        "W_q": np.ones((OUT // 2, IN), np.uint8), "meta.scale": np.ones((OUT, 1), np.float16),
        "meta.zero_q": np.ones((OUT, 1), np.uint8), "meta.meta_zero.scale": np.ones(1, np.float16),
        "meta.meta_zero.zero": np.ones(1, np.float16),
    },
    "HQQ in a pickle, with quantised scales": {
        "W_q": np.ones((OUT // 2, IN), np.uint8), "meta.scale_q": np.ones((OUT, 1), np.uint8),
        "meta.zero": np.ones((OUT, 1), np.float16), "meta.meta_scale.scale": np.ones(1, np.float16),
    },
}  # fmt: skip


class TestUnread:
    """Packings that are known but not read: refused with their share of the whole model, never answered for."""

    @pytest.mark.parametrize("packing", UNREAD)
    def test_the_packing_and_its_share_of_the_whole_are_said(self, packing: str, tmp_path: Path) -> None:
        stored = {f"layers.{i}.fc.{part}": array for i in range(3) for part, array in UNREAD[packing].items()}
        stored["embed.weight"] = np.ones((IN, OUT), np.float32)
        with pytest.raises(UnsupportedFormat, match=f"is unread, 75% of the parameters: packed as {packing}") as error:
            open_checkpoint(write_arrays(tmp_path / "m", stored, {}))
        assert error.value.exit_code == 12

    @pytest.mark.parametrize("key", ["quantization_config", "quantization", "compression_config"])
    @pytest.mark.parametrize("kind", [np.uint8, np.int8, np.int32])
    def test_a_quantisation_that_nothing_here_knows(self, kind: type[np.integer], key: str, tmp_path: Path) -> None:
        stored = {"a.secret": np.ones((OUT, IN), kind), "embed.weight": np.ones((IN, OUT), np.float32)}
        folder = write_arrays(tmp_path / "m", stored, {key: {"quant_method": "unheard-of"}})
        with pytest.raises(UnsupportedFormat, match="unread, 50% of the parameters: packed as unheard-of"):
            open_checkpoint(folder)
        plain = open_checkpoint(write_arrays(tmp_path / "n", stored, {}))
        assert sorted(view.name for view in plain.tensors) == ["a.secret", "embed.weight"]

    def test_tables_of_indices_are_no_packing(self, tmp_path: Path) -> None:
        stored = {"relative_position_index": np.ones((49, 49), np.int64), "w": np.ones((8, 8), np.float32)}
        folder = write_arrays(tmp_path / "m", stored, {"quantization_config": {"quant_method": "unheard-of"}})
        assert sorted(view.name for view in open_checkpoint(folder).tensors) == ["relative_position_index", "w"]

    def test_the_share_is_of_all_shards(self, tmp_path: Path) -> None:
        stored = {f"fc.{part}": array for part, array in UNREAD["EXL2"].items()}
        write_shards(tmp_path, {"embed.weight": np.ones((IN, 3 * OUT), np.float32)} | stored)
        with pytest.raises(UnsupportedFormat, match="is unread, 25% of the parameters"):
            open_checkpoint(tmp_path)

    def test_less_than_a_hundredth_is_left_out_and_said(self, tmp_path: Path) -> None:
        stored = {f"fc.{part}": array for part, array in UNREAD["AQLM"].items()}
        stored["embed.weight"] = np.ones((128 * IN, OUT), np.float32)
        checkpoint = open_checkpoint(write_arrays(tmp_path / "m", stored, {}))
        assert [view.name for view in checkpoint.tensors] == ["embed.weight"]
        assert checkpoint.left_out == (("fc", UnreadPacking("AQLM")),)


@pytest.mark.parametrize("scheme", ["hqq 4", "hqq 8", "hqq 3", "quanto int8", "quanto fp8", "bitnet", "gptq 4"])
def test_a_quantised_copy_is_never_a_model_with_other_layers(scheme: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(9)
    modules = {f"model.layers.{i}.mlp.{n}_proj": (256, 256) for i in range(2) for n in ("gate", "up", "down")}
    modules |= {f"model.layers.{i}.self_attn.{n}_proj": (256, 256) for i in range(2) for n in "qkvo"}
    matrices = {name: rng.standard_normal(shape).astype(np.float32) / 16 for name, shape in modules.items()}
    plain = {"model.embed_tokens.weight": rng.standard_normal((96, 256)).astype(np.float32)}
    whole_model = write_arrays(tmp_path / "plain", plain | {f"{n}.weight": m for n, m in matrices.items()}, {})
    copy = write(tmp_path / "copy", SCHEMES[scheme], matrices, plain)
    found = api.compare(*(sketch_checkpoint(open_checkpoint(path), threads=1) for path in (copy, whole_model)))
    words = {finding.name: finding.relation for finding in found.components}
    assert words == {"embeddings": "identical", "text decoder": "quantized"}
    assert sum(finding.share for finding in found.components) == pytest.approx(1)
    assert found.direction in ("child", "undirected")


@pytest.mark.parametrize("fill", [0, 0b01010101, 0xFF])
def test_bytes_of_another_scheme_are_not_taken_for_ternary(fill: int, tmp_path: Path) -> None:
    stored = {"a.weight": np.full((32, 16), fill, np.uint8), "a.weight_scale": np.array([0.5], np.float32)}
    checkpoint = open_checkpoint(write_arrays(tmp_path / "m", stored, {}))
    view = next(view for view in checkpoint.tensors if view.name == "a.weight")
    assert (view.shape, view.encoding) == ((32, 16), None)
