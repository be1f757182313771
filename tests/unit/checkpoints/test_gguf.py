"""GGUF: every block type, llama.cpp's names and row order undone, what the metadata says, split files."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import gguf
import ml_dtypes
import numpy as np
import pytest
from gguf import GGMLQuantizationType, quants
from gguf.constants import GGML_QUANT_SIZES, MODEL_ARCH_NAMES, MODEL_TENSORS, TENSOR_NAMES
from gguf.scripts.gguf_convert_endian import convert_byteorder

from lineage.checkpoints import open_checkpoint
from lineage.checkpoints.formats.gguf.blocks import TYPES
from lineage.checkpoints.formats.gguf.facts import _MODEL_TYPES
from lineage.checkpoints.formats.gguf.names import STYLES, huggingface_name
from lineage.errors import Malformed, MissingExtra, NoWeights, UnsupportedDtype, UnsupportedFormat
from lineage.types import Declared
from tests.checkpoint_files import safetensors_bytes, same_bits, whole
from tests.gguf_files import F32, Q8_0, gguf_bytes, line, q4_0, q8_0

BLOCKED = sorted((type_.name, code) for code, type_ in TYPES.items() if type_.dtype is None)
LLAMA = {"general.architecture": "llama", "llama.attention.head_count": 4, "llama.attention.head_count_kv": 2}


def opened(path: Path, lines: list[Any], metadata: dict[str, Any] | None = None) -> dict[str, np.ndarray]:
    path.write_bytes(gguf_bytes(lines, metadata))
    return whole(open_checkpoint(path))


class TestBlocks:
    def test_the_types_are_those_of_the_package(self) -> None:
        for code, type_ in TYPES.items():
            assert GGMLQuantizationType[type_.name] == code
            assert GGML_QUANT_SIZES[GGMLQuantizationType(code)] == (type_.block, type_.nbytes)
        without_values = {"Q8_1", "Q8_K"}  # of activations only
        assert {t.name for t in GGMLQuantizationType} - {t.name for t in TYPES.values()} <= without_values

    def test_a_type_that_the_package_does_not_know_yet(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.delitem(quants._type_traits, GGMLQuantizationType.Q4_K)
        (tmp_path / "net.gguf").write_bytes(gguf_bytes([("w", (1, 256), 12, bytes(144))]))
        [view] = open_checkpoint(tmp_path / "net.gguf").tensors
        with pytest.raises(UnsupportedDtype, match="holds Q4_K blocks, which the installed gguf package does not know"):
            view.rows(0, 1)

    @pytest.mark.parametrize(("name", "code"), BLOCKED)
    def test_every_block_type_is_dequantised_a_band_at_a_time(self, name: str, code: int, tmp_path: Path) -> None:
        if GGMLQuantizationType(code) not in quants._type_traits:
            pytest.skip("the package has no dequantiser for it yet")
        type_, rng = TYPES[code], np.random.default_rng(code)
        raw = rng.integers(0, 60, (40, 2 * type_.nbytes), np.uint8)  # below 60: no scale is infinite
        expected = quants.dequantize(raw, GGMLQuantizationType(code))
        path = tmp_path / "net.gguf"
        path.write_bytes(gguf_bytes([("w", expected.shape, code, raw.tobytes())]))
        checkpoint = open_checkpoint(path)
        [view] = checkpoint.tensors
        assert (view.shape, view.dtype, view.encoding) == (expected.shape, np.float32, f"gguf {name.lower()}")
        assert same_bits(view.rows(0, 40), expected)
        before = checkpoint.meter.bytes_read
        assert same_bits(view.rows(7, 9), expected[7:9])
        assert checkpoint.meter.bytes_read - before == 2 * raw.shape[1]

    def test_what_the_formats_own_library_quantised(self, tmp_path: Path) -> None:
        weights = np.random.default_rng(0).standard_normal((6, 64)).astype(np.float32)
        writer = gguf.GGUFWriter(tmp_path / "net.gguf", "unheard-of")
        writer.add_array("tokenizer.ggml.tokens", [f"token {i}" for i in range(3000)])
        writer.add_array("tokenizer.ggml.scores", [float(i) for i in range(100_000)])
        kinds = ("Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "BF16")
        for kind in kinds:
            type_ = GGMLQuantizationType[kind]
            writer.add_tensor(kind, quants.quantize(weights, type_), raw_dtype=type_)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        found = whole(open_checkpoint(tmp_path / "net.gguf"))
        for kind in kinds:
            assert np.corrcoef(found[kind].astype(np.float32).ravel(), weights.ravel())[0, 1] > 0.99
        assert found["BF16"].dtype == ml_dtypes.bfloat16

    def test_what_the_formats_own_library_turned_to_the_other_order_of_bytes(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rng, lines = np.random.default_rng(0), []
        for name in ("Q4_0", "Q8_0", "Q4_K", "Q6_K", "MXFP4"):
            code = next(code for code, type_ in TYPES.items() if type_.name == name)
            raw = rng.integers(0, 60, 512 // TYPES[code].block * TYPES[code].nbytes, np.uint8)
            lines.append((name, (2, 256), code, raw.tobytes()))
        numbers = rng.standard_normal((4, 8))
        lines += [line(kind, numbers.astype(kind)) for kind in (np.float32, np.float16, ml_dtypes.bfloat16)]
        little, big = tmp_path / "little.gguf", tmp_path / "big.gguf"
        little.write_bytes(gguf_bytes([(str(name), *rest) for name, *rest in lines], LLAMA))
        big.write_bytes(little.read_bytes())
        monkeypatch.setattr("builtins.input", lambda _: "YES")
        convert_byteorder(gguf.GGUFReader(big, "r+"), argparse.Namespace(order="big", dry_run=False))
        assert open_checkpoint(big).config == open_checkpoint(little).config
        expected = whole(open_checkpoint(little))
        for name, array in whole(open_checkpoint(big)).items():
            assert same_bits(array, expected[name])

    def test_a_band_of_a_row_of_blocks(self, tmp_path: Path) -> None:
        values = np.linspace(-1, 1, 128, dtype=np.float32)
        path = tmp_path / "net.gguf"
        path.write_bytes(gguf_bytes([q8_0("w", values)]))
        [view] = open_checkpoint(path).tensors
        assert view.shape == (128,)
        assert np.allclose(view.rows(30, 70), values[30:70], atol=0.01)

    def test_only_the_simplest_types_need_no_package(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        matrix = np.ones((2, 256), np.float32)
        path = tmp_path / "net.gguf"
        path.write_bytes(gguf_bytes([q8_0("a", matrix), q4_0("b", matrix), ("c", (2, 256), 12, bytes(288))]))
        monkeypatch.setitem(sys.modules, "gguf", None)
        a, b, c = open_checkpoint(path).tensors
        assert np.allclose(a.rows(0, 2), 1, atol=0.01)
        assert np.allclose(b.rows(0, 2), 1)
        with pytest.raises(MissingExtra, match=r"Q4_K needs an optional part: pip install 'weight-lineage\[gguf\]'"):
            c.rows(0, 2)


class TestNames:
    def test_every_name_is_one_of_the_packages_map(self) -> None:
        checked = 0
        for arch, word in MODEL_ARCH_NAMES.items():
            style = STYLES.get(_MODEL_TYPES.get(word, word))
            if style is None:  # the map of one architecture changes those of the others
                continue
            names = gguf.get_tensor_name_map(arch, 2).mapping
            for tensor in MODEL_TENSORS[arch]:
                raw = TENSOR_NAMES[tensor].format(bid=1)
                found = huggingface_name(f"{raw}.weight", style).removesuffix(".weight")
                usual = {name.removeprefix("transformer.") for name, (_, own) in names.items() if own == raw}
                assert found == raw or found.removeprefix("transformer.") in usual
                checked += found != raw
        assert checked > 200

    def test_a_mixture_is_taken_apart_into_its_experts(self, tmp_path: Path) -> None:
        stack = np.random.default_rng(0).standard_normal((3, 4, 32)).astype(np.float32)
        for metadata, expected in (
            (LLAMA | {"llama.expert_count": 3}, "model.layers.0.block_sparse_moe.experts.{}.w1.weight"),
            ({"general.architecture": "qwen3moe"}, "model.layers.0.mlp.experts.{}.gate_proj.weight"),
        ):
            found = opened(tmp_path / "a.gguf", [line("blk.0.ffn_gate_exps.weight", stack)], metadata)
            assert list(found) == [expected.format(expert) for expert in range(3)]
            assert np.array_equal(np.stack(list(found.values())), stack)

    def test_rotary_factors_are_left_out(self, tmp_path: Path) -> None:
        lines = [line(name, np.ones(32, np.float32)) for name in ("rope_freqs.weight", "output_norm.weight")]
        (tmp_path / "a.gguf").write_bytes(gguf_bytes(lines, LLAMA))
        checkpoint = open_checkpoint(tmp_path / "a.gguf")
        assert [view.name for view in checkpoint.tensors] == ["model.norm.weight"]
        assert [name for name, _ in checkpoint.left_out] == ["rope_freqs.weight"]

    def test_an_unknown_architecture_keeps_its_names(self, tmp_path: Path) -> None:
        found = opened(
            tmp_path / "a.gguf", [line("blk.0.attn_q.weight", np.ones((4, 4)))], {"general.architecture": "x"}
        )
        assert list(found) == ["blk.0.attn_q.weight"]

    def test_two_tensors_of_one_name_are_refused(self, tmp_path: Path) -> None:
        ones = np.ones(4, np.float32)
        lines = [line("output_norm.weight", ones), line("model.norm.weight", ones)]
        with pytest.raises(Malformed, match=r"two tensors are 'model\.norm\.weight'"):
            opened(tmp_path / "a.gguf", lines, LLAMA)


class TestRowsAndGains:
    @pytest.mark.parametrize("stored", [q8_0, line])
    def test_the_halves_of_rotary_heads_are_put_back(self, stored: Any, tmp_path: Path) -> None:
        rng = np.random.default_rng(1)
        q, k = (rng.standard_normal((rows, 64)).astype(np.float32) for rows in (64, 32))
        bias = rng.standard_normal(64).astype(np.float32)

        def permute(weights: np.ndarray, heads: int) -> np.ndarray:  # as the converter has it
            apart = weights.reshape(heads, 2, len(weights) // heads // 2, *weights.shape[1:])
            return apart.swapaxes(1, 2).reshape(weights.shape)

        lines = [
            stored("blk.0.attn_q.weight", permute(q, 4)),
            stored("blk.0.attn_k.weight", permute(k, 2)),
            line("blk.0.attn_q.bias", permute(bias, 4)),
            line("blk.0.attn_v.weight", k),
        ]
        path = tmp_path / "a.gguf"
        path.write_bytes(gguf_bytes(lines, LLAMA))
        views = {view.name: view for view in open_checkpoint(path).tensors}
        for name, rows, expected in (("q_proj.weight", 64, q), ("k_proj.weight", 32, k), ("v_proj.weight", 32, k)):
            view = views[f"model.layers.0.self_attn.{name}"]
            found = view.rows(0, rows)
            assert np.allclose(found, expected, atol=0.02)
            for start, stop in ((3, 9), (14, 19), (31, 32), (8, 8), (1, 30)):
                assert np.array_equal(view.rows(start, stop), found[start:stop])
            with pytest.raises(IndexError):
                view.rows(0, rows + 1)
        assert np.array_equal(views["model.layers.0.self_attn.q_proj.bias"].rows(0, 64), bias)
        for architecture in ("qwen2", "gemma"):
            metadata = {key.replace("llama", architecture): held for key, held in LLAMA.items()}
            found = opened(path, lines, metadata | {"general.architecture": architecture})
            assert np.allclose(found["model.layers.0.self_attn.q_proj.weight"], permute(q, 4), atol=0.02)

    def test_head_counts_may_differ_between_layers(self, tmp_path: Path) -> None:
        q = np.arange(16, dtype=np.float32)[:, None] * np.ones((1, 32), np.float32)
        metadata = {"general.architecture": "deci", "deci.attention.head_count": [1, 2]}
        lines = [line(f"blk.{layer}.attn_q.weight", q) for layer in (0, 1)]
        found = opened(tmp_path / "a.gguf", lines, metadata)
        first, second = (found[f"model.layers.{layer}.self_attn.q_proj.weight"][:, 0] for layer in (0, 1))
        assert list(first[:8]) == list(range(0, 16, 2))
        assert list(second[:8]) == [0, 2, 4, 6, 1, 3, 5, 7]

    @pytest.mark.parametrize(
        ("architecture", "heads", "groups"), [("gptneox", 4, 4), ("bloom", 4, 4), ("falcon", 6, 2)]
    )
    def test_fused_heads_are_put_back(self, architecture: str, heads: int, groups: int, tmp_path: Path) -> None:
        side, width = 8, heads * 8
        fused = np.random.default_rng(0).standard_normal((groups, heads // groups + 2, side, width)).astype(np.float32)
        q, k, v = fused[:, :-2], fused[:, [-2]], fused[:, [-1]]  # as the converter has it
        stored = np.concatenate([part.reshape(-1, width) for part in (q, k, v)])
        counts = {"head_count": heads, "head_count_kv": groups}
        metadata = {f"{architecture}.attention.{key}": count for key, count in counts.items()}
        metadata["general.architecture"] = architecture
        [(name, found)] = opened(tmp_path / "a.gguf", [line("blk.0.attn_qkv.weight", stored)], metadata).items()
        assert name.endswith("query_key_value.weight")
        assert np.array_equal(found, fused.reshape(-1, width))

    def test_gains_that_were_stored_one_higher(self, tmp_path: Path) -> None:
        gain = np.float32([0.25, -0.5, 2, 0])
        lines = [line("output_norm.weight", gain + 1), line("blk.0.attn_norm.weight", gain + 1)]
        found = opened(tmp_path / "a.gguf", lines, {"general.architecture": "gemma3"})
        assert list(found) == ["model.norm.weight", "model.layers.0.input_layernorm.weight"]
        assert all(np.array_equal(values, gain) for values in found.values())


class TestMetadata:
    def test_becomes_config_licence_and_declared_parents(self, tmp_path: Path) -> None:
        metadata = LLAMA | {
            "general.license": "apache-2.0",
            "general.base_model.count": 2,
            "general.base_model.0.name": "Nova 9B",
            "general.base_model.0.organization": "Acme",
            "general.base_model.0.repo_url": "https://huggingface.co/acme/Nova-9B",
            "general.base_model.1.name": "Tiny\x1b[2J 1B",
            "general.base_model.1.organization": "Other Lab",
            "general.source.huggingface.repository": "acme/Nova-9B-Chat",
            "llama.block_count": 2,
            "llama.embedding_length": -5,
        }
        path = tmp_path / "nova-9b-chat.Q8_0.gguf"
        path.write_bytes(gguf_bytes([line("output_norm.weight", np.ones(4))], metadata))
        checkpoint = open_checkpoint(path)
        assert (checkpoint.name, checkpoint.format) == ("nova-9b-chat.Q8_0", "gguf")
        assert checkpoint.licence == "apache-2.0"
        assert checkpoint.declared == (
            Declared("acme/Nova-9B", None, "GGUF general.base_model.0"),
            Declared("Other-Lab/Tiny[2J-1B", None, "GGUF general.base_model.1"),
            Declared("acme/Nova-9B-Chat", None, "GGUF general.source.huggingface.repository"),
        )
        assert checkpoint.config["model_type"] == "llama"
        assert checkpoint.config["num_attention_heads"] == 4
        assert checkpoint.config["num_hidden_layers"] == 2
        assert "hidden_size" not in checkpoint.config

    def test_a_config_beside_the_file_goes_first(self, tmp_path: Path) -> None:
        (tmp_path / "model.gguf").write_bytes(gguf_bytes([line("output_norm.weight", np.ones(4))], LLAMA))
        (tmp_path / "config.json").write_text('{"model_type": "mistral"}')
        assert open_checkpoint(tmp_path).config == {"model_type": "mistral"}
        assert open_checkpoint(tmp_path).tensors[0].name == "model.norm.weight"


class TestFolders:
    def split(self, folder: Path) -> dict[str, np.ndarray]:
        q = np.random.default_rng(1).standard_normal((64, 32)).astype(np.float32)
        apart = q.reshape(4, 2, 8, 32).swapaxes(1, 2).reshape(q.shape)
        parts = [[line("output_norm.weight", np.ones(4))], [line("blk.0.attn_q.weight", apart)]]
        for number, lines in enumerate(parts, 1):
            metadata = (LLAMA if number == 1 else {}) | {"split.no": number - 1, "split.count": 2}
            (folder / f"net-{number:05d}-of-00002.gguf").write_bytes(gguf_bytes(lines, metadata))
        return {"model.norm.weight": np.ones(4), "model.layers.0.self_attn.q_proj.weight": q}

    def test_all_files_of_a_split_model_are_read_whichever_is_named(self, tmp_path: Path) -> None:
        expected = self.split(tmp_path)
        for place in (tmp_path, tmp_path / "net-00001-of-00002.gguf", tmp_path / "net-00002-of-00002.gguf"):
            checkpoint = open_checkpoint(place)
            found = whole(checkpoint)
            assert found.keys() == expected.keys()
            assert all(np.array_equal(found[name], array) for name, array in expected.items())
            assert checkpoint.nbytes == sum(path.stat().st_size for path in tmp_path.iterdir())

    def test_a_missing_file_of_a_split_model_is_named(self, tmp_path: Path) -> None:
        self.split(tmp_path)
        (tmp_path / "net-00001-of-00002.gguf").unlink()
        for place in (tmp_path, tmp_path / "net-00002-of-00002.gguf"):
            with pytest.raises(NoWeights, match=r"'net-00001-of-00002\.gguf' is missing"):
                open_checkpoint(place)

    def test_a_projector_beside_the_model_is_not_the_model(self, tmp_path: Path) -> None:
        for name in ("net.Q8_0.gguf", "mmproj-net.gguf", "imatrix.gguf"):
            (tmp_path / name).write_bytes(gguf_bytes([line(name, np.ones(4))]))
        assert [view.name for view in open_checkpoint(tmp_path).tensors] == ["net.Q8_0.gguf"]
        (tmp_path / "net.Q4_0.gguf").write_bytes(gguf_bytes([line("w", np.ones(4))]))
        with pytest.raises(UnsupportedFormat, match=r"holds several models .*: name one of them"):
            open_checkpoint(tmp_path)

    def test_the_unquantised_weights_go_first(self, tmp_path: Path) -> None:
        (tmp_path / "net.gguf").write_bytes(gguf_bytes([("w", (32,), Q8_0, bytes(34)), ("v", (1,), F32, bytes(4))]))
        (tmp_path / "model.safetensors").write_bytes(safetensors_bytes({"w": np.ones(4, np.float32)}))
        assert open_checkpoint(tmp_path).format == "safetensors"
