"""How PEFT names and scales the tensors of an adapter, and what it makes of a base."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from lineage.checkpoints import open_checkpoint, open_merged
from lineage.sketch import sketch_checkpoint
from lineage.types import Declared
from lineage.types.facts.exclusions import AdapterPart
from tests.adapter_files import config_of, drawn, names_of, write_adapter, write_tensors
from tests.checkpoint_files import whole

FACTORS = drawn({"model.layers.0.self_attn.q_proj": (6, 4)}, rank=2, seed=1)
NAME = "model.layers.0.self_attn.q_proj.weight"
((B, A),) = FACTORS.values()
SUM = 2.0 * B.astype(np.float64) @ A


class TestNames:
    @pytest.mark.parametrize("kept", ["", "default", "adapter_1"])
    @pytest.mark.parametrize("prefix", ["base_model.model.", ""])
    def test_as_saved_and_as_in_memory(self, tmp_path: Path, prefix: str, kept: str) -> None:
        tensors = names_of(FACTORS, prefix=prefix, kept=kept)
        (view,) = open_checkpoint(write_tensors(tmp_path, tensors, config_of(2))).tensors
        assert view.name == NAME
        np.testing.assert_allclose(view.rows(0, 6), SUM, rtol=1e-5)

    @pytest.mark.parametrize("kept", ["", ".default"])
    def test_of_embeddings(self, tmp_path: Path, kept: str) -> None:
        prefix = "base_model.model.model.embed_tokens.lora_embedding_"
        tensors = {f"{prefix}A{kept}": np.ascontiguousarray(A), f"{prefix}B{kept}": np.ascontiguousarray(B)}
        (view,) = open_checkpoint(write_tensors(tmp_path, tensors, config_of(2))).tensors
        assert (view.name, view.shape, view.encoding) == ("model.embed_tokens.weight", (4, 6), "lora-r2")
        np.testing.assert_allclose(view.rows(0, 4), SUM.T, rtol=1e-5)

    @pytest.mark.parametrize(
        "name", ["lm_head.weight", "lm_head.modules_to_save.default.weight", "lm_head.base_layer.weight"]
    )
    def test_of_whole_tensors(self, tmp_path: Path, name: str) -> None:
        head = np.arange(12, dtype=np.float16).reshape(3, 4)
        tensors = names_of(FACTORS) | {f"base_model.model.{name}": head}
        found = {v.name: v for v in open_checkpoint(write_tensors(tmp_path, tensors, config_of(2))).tensors}
        assert (found["lm_head.weight"].encoding, found["lm_head.weight"].dtype) == (None, np.float16)
        np.testing.assert_array_equal(found["lm_head.weight"].rows(0, 3), head)

    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("lm_head.original_module.weight", AdapterPart("copy-of-base")),
            (NAME.replace("weight", "base_layer.weight"), AdapterPart("base-weight")),
            (NAME.replace("weight", "lora_B.bias"), AdapterPart("added-bias")),
            ("model.embed_tokens.token_adapter.trainable_tokens_delta", AdapterPart("token-rows")),
        ],
    )
    def test_of_what_is_left_out(self, tmp_path: Path, name: str, reason: str) -> None:
        tensors = names_of(FACTORS) | {f"base_model.model.{name}": np.ones((6, 4), np.float32)}
        opened = open_checkpoint(write_tensors(tmp_path, tensors, config_of(2)))
        assert [view.name for view in opened.tensors] == [NAME]
        assert opened.left_out == ((f"base_model.model.{name}", reason),)

    @pytest.mark.parametrize("kept", ["", ".weight", ".default", ".default.weight"])
    def test_of_magnitudes(self, tmp_path: Path, kept: str) -> None:
        name = f"base_model.model.{NAME.removesuffix('.weight')}.lora_magnitude_vector{kept}"
        tensors = names_of(FACTORS) | {name: np.ones(6, np.float32)}
        opened = open_checkpoint(write_tensors(tmp_path, tensors, config_of(2, use_dora=True)))
        assert (opened.format, opened.tensors[0].encoding) == ("peft-dora", "dora-r2")
        assert opened.left_out == ((name, AdapterPart("dora-magnitude")),)


class TestConfig:
    @pytest.mark.parametrize(
        ("patterns", "alpha"),
        [
            ({}, 4.0),
            ({"q_proj": 10}, 10.0),
            ({"self_attn.q_proj": 10, "q_proj": 3}, 10.0),
            ({"q_proj": 3, "self_attn.q_proj": 10}, 3.0),
            ({"^model.layers.0.self_attn.q_proj": 10}, 10.0),
            ({"model\\.layers\\.0\\.self_attn\\.q_proj": 10}, 10.0),
            ({"^q_proj": 10, "attn.q_proj": 10, "k_proj": 10, "q_pro": 10}, 4.0),
        ],
    )
    def test_alpha_patterns_mean_ends_of_names_and_the_first_one_counts(
        self, tmp_path: Path, patterns: dict[str, int], alpha: float
    ) -> None:
        (view,) = open_checkpoint(write_adapter(tmp_path, FACTORS, alpha_pattern=patterns)).tensors
        np.testing.assert_allclose(view.rows(0, 6), SUM / 4.0 * alpha, rtol=1e-5)

    def test_the_base_is_declared_beside_what_the_card_says(self, tmp_path: Path) -> None:
        (tmp_path / "README.md").write_text("---\nbase_model: acme/other\nlicense: mit\n---\n")
        opened = open_checkpoint(write_adapter(tmp_path, FACTORS))
        assert opened.licence == "mit"
        assert opened.declared == (
            Declared("acme/other", None, "README.md base_model"),
            Declared("acme/base", "adapter", "adapter_config.json base_model_name_or_path"),
        )

    def test_an_adapter_of_rank_one_is_no_fixed_table(self, tmp_path: Path) -> None:
        made = sketch_checkpoint(open_checkpoint(write_adapter(tmp_path, drawn({"q": (64, 64)}, rank=1, seed=2))))
        assert [t.part.excluded for t in made.tensors] == [None]


class TestMerging:
    def base(self, folder: Path, name: str = NAME, dtype: type = np.float32) -> tuple[Path, dict[str, np.ndarray]]:
        arrays = {
            name: np.random.default_rng(1).standard_normal((6, 4)).astype(dtype),
            "model.norm.weight": np.ones(4, dtype),
        }
        save_file(arrays, folder / "base.safetensors")
        return folder / "base.safetensors", arrays

    @pytest.mark.parametrize("dtype", [np.float32, np.float16])
    def test_what_it_does_not_change_stays_as_it_is(self, tmp_path: Path, dtype: type) -> None:
        path, arrays = self.base(tmp_path, dtype=dtype)
        merged = open_merged(path, write_adapter(tmp_path / "lora", FACTORS))
        found = whole(merged)
        np.testing.assert_allclose(found[NAME], arrays[NAME] + SUM, rtol=1e-5)
        np.testing.assert_array_equal(found["model.norm.weight"], arrays["model.norm.weight"])
        assert {view.name: view.dtype for view in merged.tensors} == {NAME: np.float32, "model.norm.weight": dtype}
        assert merged.name == "base+lora"

    @pytest.mark.parametrize(
        "name", ["layers.0.self_attn.q_proj.weight", "module.model.layers.0.self_attn.q_proj.weight"]
    )
    def test_containers_around_the_names_do_not_matter(self, tmp_path: Path, name: str) -> None:
        path, arrays = self.base(tmp_path, name)
        found = whole(open_merged(path, write_adapter(tmp_path / "lora", FACTORS)))
        np.testing.assert_allclose(found[name], arrays[name] + SUM, rtol=1e-5)

    def test_a_base_that_has_inputs_as_rows(self, tmp_path: Path) -> None:
        save_file({NAME: np.ones((4, 6), np.float32)}, tmp_path / "base.safetensors")
        found = whole(open_merged(tmp_path / "base.safetensors", write_adapter(tmp_path / "lora", FACTORS)))
        np.testing.assert_allclose(found[NAME], 1.0 + SUM.T, rtol=1e-5)

    def test_whole_tensors_replace_the_bases_and_new_ones_are_added(self, tmp_path: Path) -> None:
        path, _ = self.base(tmp_path)
        wholes = {"model.norm.weight": np.full(4, 2.0, np.float32), "score.weight": np.ones((3, 4), np.float32)}
        tensors = names_of(FACTORS) | {f"base_model.model.{name}": array for name, array in wholes.items()}
        found = whole(open_merged(path, write_tensors(tmp_path / "lora", tensors, config_of(2))))
        assert found.keys() == {NAME, *wholes}
        for name, array in wholes.items():
            np.testing.assert_array_equal(found[name], array)

    def test_magnitudes_are_the_norms_of_the_rows(self, tmp_path: Path) -> None:
        path, arrays = self.base(tmp_path)
        wanted = np.arange(1, 7, dtype=np.float32)
        name = f"base_model.model.{NAME.removesuffix('.weight')}.lora_magnitude_vector"
        adapter = write_tensors(tmp_path / "dora", names_of(FACTORS) | {name: wanted}, config_of(2, use_dora=True))
        view = next(view for view in open_merged(path, adapter).tensors if view.name == NAME)
        found = view.rows(0, 6)
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), wanted, rtol=1e-5)
        direction = arrays[NAME] + SUM
        np.testing.assert_allclose(found, direction * (wanted / np.linalg.norm(direction, axis=1))[:, None], rtol=1e-5)
        np.testing.assert_array_equal(view.rows(2, 5), found[2:5])
