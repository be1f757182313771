"""Adapters that do not fit themselves, and those made to take time and memory: one clear line each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lineage.checkpoints import open_checkpoint, open_merged
from lineage.errors import CheckpointError, Malformed, NoWeights, UnsupportedFormat
from lineage.sketch import sketch_checkpoint
from tests.adapter_files import config_of, drawn, names_of, write_adapter, write_tensors
from tests.checkpoint_files import safetensors_bytes
from tests.memory import within

FACTORS = drawn({"layers.0.q_proj": (6, 4), "layers.0.v_proj": (6, 4)}, rank=2, seed=1)
A, B = (f"base_model.model.layers.0.q_proj.lora_{part}.weight" for part in "AB")


def refused(path: Path, kind: type[CheckpointError], text: str) -> None:
    with pytest.raises(kind, match=text) as error:
        open_checkpoint(path)
    assert str(error.value).isprintable()
    assert error.value.exit_code == 12


def changed(folder: Path, config: dict[str, Any] | None = None, **tensors: np.ndarray | None) -> Path:
    """The adapter with some tensors replaced or, where they are None, left out."""
    held = {name: array for name, array in (names_of(FACTORS) | tensors).items() if array is not None}
    return write_tensors(folder, held, config_of(2) | (config or {}))


class TestFactors:
    @pytest.mark.parametrize(("missing", "other"), [(A, "A"), (B, "B")])
    def test_one_without_the_other(self, tmp_path: Path, missing: str, other: str) -> None:
        refused(changed(tmp_path, **{missing: None}), Malformed, rf"q_proj\.lora_.* has no lora_{other} beside it")

    @pytest.mark.parametrize(
        ("shape", "text"),
        [
            ((3, 4), r"have no product"),
            ((2, 4, 3), r"have no product"),
            ((2,), r"is float32 of shape \(2,\), not a factor"),
            ((), r"not a factor"),
        ],
    )
    def test_shapes_that_do_not_fit(self, tmp_path: Path, shape: tuple[int, ...], text: str) -> None:
        refused(changed(tmp_path, **{A: np.ones(shape, np.float32)}), Malformed, text)

    def test_integers(self, tmp_path: Path) -> None:
        refused(changed(tmp_path, **{A: np.ones((2, 4), np.int32)}), Malformed, "is int32 of shape .*, not a factor")

    def test_no_rank(self, tmp_path: Path) -> None:
        header = {A: {"dtype": "F32", "shape": [0, 4], "data_offsets": [0, 0]}}
        text = json.dumps(header).encode()
        (tmp_path / "adapter_model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text)
        (tmp_path / "adapter_config.json").write_text(json.dumps(config_of(2)))
        refused(tmp_path, Malformed, "has no elements")

    def test_another_rank_than_the_config_says(self, tmp_path: Path) -> None:
        refused(changed(tmp_path, {"r": 3}), Malformed, "has rank 2, adapter_config.json says 3")
        assert changed(tmp_path, {"r": 3, "rank_pattern": {"q_proj|v_proj": 2}})
        assert len(open_checkpoint(tmp_path).tensors) == 2

    def test_two_adapters_in_one_file(self, tmp_path: Path) -> None:
        tensors = names_of(FACTORS, kept="default") | names_of(FACTORS, kept="other")
        refused(write_tensors(tmp_path, tensors, config_of(2)), Malformed, "are for one tensor: save one adapter at a")

    def test_names_of_other_methods_among_them(self, tmp_path: Path) -> None:
        strange = {"base_model.model.layers.0.q_proj.hada_w1_a": np.ones((2, 2), np.float32)}
        refused(changed(tmp_path, **strange), UnsupportedFormat, "is not a factor of PEFT's LoRA")

    def test_magnitudes_and_config_must_agree(self, tmp_path: Path) -> None:
        refused(
            changed(tmp_path / "a", {"use_dora": True}), Malformed, "has no lora_magnitude_vector, against use_dora"
        )
        magnitude = {"base_model.model.layers.0.q_proj.lora_magnitude_vector": np.ones(6, np.float32)}
        refused(changed(tmp_path / "b", **magnitude), Malformed, "has a lora_magnitude_vector, against use_dora")
        short = {name: np.ones(5, np.float32) for name in (*magnitude, next(iter(magnitude)).replace("q_", "v_"))}
        refused(changed(tmp_path / "c", {"use_dora": True}, **short), Malformed, "has 5 values for 6 rows")

    def test_nan_is_refused_when_it_is_read(self, tmp_path: Path) -> None:
        opened = open_checkpoint(changed(tmp_path, **{A: np.full((2, 4), np.nan, np.float32)}))
        with pytest.raises(Malformed, match=r"layers\.0\.q_proj\.weight.* NaN or infinite"):
            sketch_checkpoint(opened)

    def test_a_product_beyond_float32_is_refused_when_it_is_read(self, tmp_path: Path) -> None:
        huge = {name: np.full(shape, 3e38, np.float32) for name, shape in ((A, (2, 4)), (B, (6, 2)))}
        opened = open_checkpoint(changed(tmp_path, **huge))
        with pytest.raises(Malformed, match="NaN or infinite"):
            sketch_checkpoint(opened)


class TestSize:
    @pytest.mark.parametrize("sides", [(1 << 22, 4), (4, 1 << 18), (1 << 20, 1 << 14)])
    def test_a_small_file_with_a_change_that_no_model_has_room_for(
        self, tmp_path: Path, sides: tuple[int, int]
    ) -> None:
        out, into = sides
        factors = {"q": (np.zeros((out, 1), np.float16), np.zeros((1, into), np.float16))}
        refused(
            write_adapter(tmp_path, factors), Malformed, f"would have {out:,} rows of {into:,}: no model is so large"
        )

    def test_a_rank_that_no_adapter_has(self, tmp_path: Path) -> None:
        factors = {"q": (np.zeros((2, 5000), np.float16), np.zeros((5000, 2), np.float16))}
        write_adapter(tmp_path, factors)
        refused(tmp_path, Malformed, "'r' of adapter_config.json is 5000, not a rank from 1 to 4,096")
        (tmp_path / "adapter_config.json").write_text(json.dumps(config_of(4096)))
        refused(tmp_path, Malformed, "has rank 5000, adapter_config.json says 4096")

    def test_a_large_change_is_sampled_in_little_memory(self, tmp_path: Path) -> None:
        factors = {"q": (np.ones((1 << 16, 1), np.float16), np.ones((1, 1 << 15), np.float16))}
        opened = open_checkpoint(write_adapter(tmp_path, factors))
        with within(400 << 10):
            made = sketch_checkpoint(opened, "sampled")
        assert made.params == 1 << 31


class TestConfig:
    @pytest.mark.parametrize(
        ("settings", "kind", "text"),
        [
            ({"peft_type": "IA3"}, UnsupportedFormat, "is a 'IA3' adapter of acme/base: only LoRA and DoRA are read"),
            ({"peft_type": "PREFIX_TUNING"}, UnsupportedFormat, "is a 'PREFIX_TUNING' adapter"),
            ({"peft_type": None}, UnsupportedFormat, "is an adapter of a kind that is not named"),
            ({"peft_type": ["LORA"]}, UnsupportedFormat, "is an adapter of a kind that is not named"),
            ({"r": "8"}, Malformed, "'r' of adapter_config.json is '8', not a rank"),
            ({"r": True}, Malformed, "is True, not a rank"),
            ({"r": 0}, Malformed, "is 0, not a rank"),
            ({"r": -1}, Malformed, "is -1, not a rank"),
            ({"r": 10**30}, Malformed, "not a rank from 1 to 4,096"),
            ({"lora_alpha": "16"}, Malformed, "'lora_alpha' of adapter_config.json is '16', not a number"),
            ({"lora_alpha": float("nan")}, Malformed, "is nan, not a number"),
            ({"lora_alpha": float("inf")}, Malformed, "is inf, not a number"),
            ({"lora_alpha": False}, Malformed, "is False, not a number"),
            ({"use_rslora": "yes"}, Malformed, "'use_rslora' of adapter_config.json is 'yes', neither true nor false"),
            ({"fan_in_fan_out": 1}, Malformed, "is 1, neither true nor false"),
            ({"use_dora": []}, Malformed, "neither true nor false"),
            ({"rank_pattern": [1]}, Malformed, "rank_pattern of adapter_config.json is not an object"),
            ({"rank_pattern": {"q": "x"}}, Malformed, "'rank_pattern q' of adapter_config.json is 'x', not a rank"),
            ({"alpha_pattern": 3}, Malformed, "alpha_pattern of adapter_config.json is not an object"),
            ({"alpha_pattern": {"q": {}}}, Malformed, "'alpha_pattern q' of adapter_config.json is {}, not a number"),
            ({"alpha_pattern": {"(a+)+$": 3}}, UnsupportedFormat, "is a regular expression: only names"),
            ({"layer_replication": [[0, 2], [1, 3]]}, UnsupportedFormat, "sets layer_replication, which is not read"),
            ({"target_parameters": ["experts.w"]}, UnsupportedFormat, "sets target_parameters, which is not read"),
        ],
    )
    def test_settings_that_cannot_be_followed(
        self, tmp_path: Path, settings: dict[str, Any], kind: type[CheckpointError], text: str
    ) -> None:
        refused(changed(tmp_path, settings), kind, text)

    @pytest.mark.parametrize("base", [None, 7, "", "a\nb", "x" * 300])
    def test_a_base_that_cannot_be_shown_is_not_declared(self, tmp_path: Path, base: object) -> None:
        assert open_checkpoint(changed(tmp_path, {"base_model_name_or_path": base})).declared == ()

    @pytest.mark.parametrize("text", ["", "[]", "{", '{"r": 2, "r": 4}', "[" * 100_000])
    def test_a_config_that_is_none(self, tmp_path: Path, text: str) -> None:
        changed(tmp_path)
        (tmp_path / "adapter_config.json").write_text(text)
        refused(tmp_path, Malformed, "this file")

    def test_none_at_all(self, tmp_path: Path) -> None:
        write_tensors(tmp_path, names_of(FACTORS), None)
        refused(tmp_path, NoWeights, "holds an adapter alone, without the adapter_config.json")
        refused(tmp_path / "adapter_model.safetensors", NoWeights, "holds an adapter alone")

    def test_a_config_without_an_adapter(self, tmp_path: Path) -> None:
        (tmp_path / "adapter_config.json").write_text(json.dumps(config_of(2)))
        refused(tmp_path, NoWeights, "holds no weights")

    def test_a_config_beside_something_else(self, tmp_path: Path) -> None:
        write_tensors(tmp_path, {"prompt_embeddings": np.ones((3, 4), np.float32)}, config_of(2))
        refused(tmp_path, NoWeights, "holds no factors of a LoRA, as its adapter_config.json promises")

    def test_factors_whose_scale_nobody_tells(self, tmp_path: Path) -> None:
        names = ("layers.0.q.lora_A.weight", "layers.0.q.lora_B.weight")
        (tmp_path / "net.safetensors").write_bytes(safetensors_bytes(dict.fromkeys(names, np.ones((2, 2), np.float32))))
        refused(tmp_path / "net.safetensors", NoWeights, "holds an adapter alone, without the adapter_config.json")

    def test_a_base_with_an_adapter_beside_it_is_a_model(self, tmp_path: Path) -> None:
        changed(tmp_path)
        (tmp_path / "model.safetensors").write_bytes(safetensors_bytes({"q.weight": np.ones((2, 2), np.float32)}))
        assert [view.name for view in open_checkpoint(tmp_path).tensors] == ["q.weight"]
        assert len(open_checkpoint(tmp_path / "adapter_model.safetensors").tensors) == 2


class TestMerging:
    @pytest.fixture
    def base(self, tmp_path: Path) -> Path:
        path = tmp_path / "base.safetensors"
        arrays = {f"layers.0.{part}_proj.weight": np.ones((6, 4), np.float32) for part in "qv"}
        path.write_bytes(safetensors_bytes(arrays))
        return path

    def refused(self, base: Path, adapter: Path, text: str) -> None:
        with pytest.raises(UnsupportedFormat, match=text) as error:
            open_merged(base, adapter)
        assert str(error.value).isprintable()

    def test_what_does_not_fit_the_base(self, tmp_path: Path, base: Path) -> None:
        other = write_adapter(tmp_path / "a", drawn({"layers.0.k_proj": (6, 4)}, 2, 1))
        self.refused(base, other, r"does not fit base: it has no tensor 'layers\.0\.k_proj\.weight'")
        wide = write_adapter(tmp_path / "b", drawn({"layers.0.q_proj": (6, 5)}, 2, 1))
        self.refused(base, wide, r"does not fit base: .* is \(6, 4\) there, \(6, 5\) here")

    def test_what_is_no_adapter_and_what_is_no_base(self, tmp_path: Path, base: Path) -> None:
        adapter = write_adapter(tmp_path / "a", FACTORS)
        self.refused(base, base, "is not a LoRA or DoRA adapter")
        self.refused(adapter, adapter, "is an adapter itself")

    @pytest.mark.parametrize("begun", ["pissa", "PiSSA_niter_16", "olora", "loftq", "corda"])
    def test_factors_that_stand_on_a_changed_base(self, tmp_path: Path, base: Path, begun: str) -> None:
        adapter = changed(tmp_path / "a", {"init_lora_weights": begun})
        self.refused(base, adapter, "its factors belong to a changed base")

    def test_what_is_not_computed(self, tmp_path: Path, base: Path) -> None:
        bias = {"base_model.model.layers.0.q_proj.lora_B.bias": np.ones(6, np.float32)}
        self.refused(base, changed(tmp_path / "a", **bias), "a bias that the adapter adds.* cannot be merged")
        token = {"base_model.model.embed.token_adapter.trainable_tokens_delta": np.ones((1, 4), np.float32)}
        self.refused(base, changed(tmp_path / "b", **token), "rows of single tokens.* cannot be merged")
        columns = {f"base_model.model.layers.0.{p}_proj.lora_magnitude_vector": np.ones(4, np.float32) for p in "qv"}
        tensors = names_of(drawn({f"layers.0.{p}_proj": (4, 6) for p in "qv"}, 2, 1)) | columns
        turned = write_tensors(tmp_path / "c", tensors, config_of(2, use_dora=True, fan_in_fan_out=True))
        self.refused(base, turned, "magnitudes of .* are of its columns")

    def test_a_base_of_integers(self, tmp_path: Path) -> None:
        path = tmp_path / "codes.safetensors"
        path.write_bytes(safetensors_bytes({f"layers.0.{p}_proj.weight": np.ones((6, 4), np.int8) for p in "qv"}))
        self.refused(path, write_adapter(tmp_path / "a", FACTORS), "is int8: nothing can be added to that")


class TestTrainers:
    """Adapters that bring their scale with them."""

    DOWN, UP, ALPHA = (f"lora_unet_q.{part}" for part in ("lora_down.weight", "lora_up.weight", "alpha"))

    def saved(self, folder: Path, **arrays: np.ndarray | None) -> Path:
        whole = {self.DOWN: np.ones((2, 4), np.float32), self.UP: np.ones((6, 2), np.float32)} | arrays
        path = folder / "net.safetensors"
        path.write_bytes(safetensors_bytes({name: array for name, array in whole.items() if array is not None}))
        return path

    @pytest.mark.parametrize(
        ("arrays", "text"),
        [
            ({UP: None}, "the factors for 'lora_unet_q' lack one: down are there"),
            ({UP: np.ones((6, 3), np.float32)}, "have no product"),
            ({UP: np.ones((6, 2), np.int8)}, "is int8 of shape .*, not a factor"),
            ({UP: np.ones(6, np.float32)}, "not a factor"),
            ({ALPHA: np.ones(3, np.float32)}, "alpha' is of shape \\(3,\\), not a number"),
            ({"lora_unet_q.lora_A.weight": np.ones((2, 4), np.float32)}, "has another down for its module"),
            ({DOWN: np.ones((1, 1 << 18), np.float32), UP: np.ones((4, 1), np.float32)}, "no model is so large"),
            ({"lora_unet_k.hada_w1_a": np.ones((6, 2), np.float32)}, "lack one: w1_a are there"),
            ({"lora_unet_k.lokr_w1": np.ones((6, 2), np.float32)}, "lack one: k1 are there"),
            (
                {f"k.lokr_w{i}": np.ones(shape, np.float32) for i, shape in ((1, (1200, 1000)), (2, (2000, 1000)))},
                "would have 2,400,000 rows of 1,000,000: no model is so large",
            ),
            (
                {f"k.lokr_w{i}": np.ones(shape, np.float32) for i, shape in ((1, (2, 2, 2)), (2, (2, 2)))},
                "lokr_w1 of 'k' has 3 axes, not 2",
            ),
            (
                {
                    f"k.hada_w{i}_{ab}": np.ones((2, 2 + (i > 1 and ab == "b")), np.float32)
                    for i in (1, 2)
                    for ab in "ab"
                },
                "the two products for 'k' are",
            ),
        ],
    )
    def test_factors_that_do_not_fit(self, tmp_path: Path, arrays: dict[str, np.ndarray | None], text: str) -> None:
        refused(self.saved(tmp_path, **arrays), Malformed, text)

    @pytest.mark.parametrize("alpha", [np.nan, np.inf])
    def test_an_alpha_that_is_no_number(self, tmp_path: Path, alpha: float) -> None:
        opened = open_checkpoint(self.saved(tmp_path, **{self.ALPHA: np.array(alpha, np.float32)}))
        with pytest.raises(Malformed, match=r"alpha of .* is (nan|inf): the file is damaged"):
            sketch_checkpoint(opened)

    def test_nothing_but_kinds_that_are_not_read(self, tmp_path: Path) -> None:
        middle = {"lora_unet_q.lora_mid.weight": np.ones((2, 2, 3, 3), np.float32)}
        refused(self.saved(tmp_path, **middle), NoWeights, "factors are not read: .*decomposed")
