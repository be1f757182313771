"""Adapters as trainers other than PEFT write them: what each file adds to which tensor."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from safetensors.numpy import save_file

from lineage.checkpoints import open_checkpoint, open_merged
from lineage.checkpoints.adapters.flat_names import with_dots
from lineage.errors import UnsupportedFormat
from lineage.sketch import sketch_checkpoint
from lineage.sketch.adapters import is_adapter
from lineage.types import Checkpoint
from lineage.types.facts.exclusions import AdapterPart

Arrays = dict[str, np.ndarray]
RNG = np.random.default_rng(5)
OUT, INTO, RANK = 8, 12, 3
MODULE = "down_blocks.0.attentions.1.transformer_blocks.0.attn1.to_q"
FLAT = MODULE.replace(".", "_")


def drawn(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


A, B = drawn(RANK, INTO), drawn(OUT, RANK)
PRODUCT = B.astype(np.float64) @ A
W = {f"{w}_{ab}": drawn(*shape) for w in ("w1", "w2") for ab, shape in (("a", (OUT, RANK)), ("b", (RANK, INTO)))}
LOHA = (W["w1_a"] @ W["w1_b"]) * (W["w2_a"] @ W["w2_b"])
K1, K2, K2A, K2B = drawn(2, 3), drawn(4, 4), drawn(4, RANK), drawn(RANK, 4)
KERNEL, K4 = drawn(RANK, 4, 3, 3), drawn(4, 2, 3, 3)
UP = drawn(OUT, RANK, 1, 1)


def alpha(value: float) -> np.ndarray:
    return np.array(value, np.float32)


CASES: Mapping[str, tuple[str, Arrays, str, np.ndarray]] = {
    "kohya": (
        "kohya-lora",
        {
            f"lora_unet_{FLAT}.lora_down.weight": A,
            f"lora_unet_{FLAT}.lora_up.weight": B,
            f"lora_unet_{FLAT}.alpha": alpha(6),
        },
        f"{MODULE}.weight",
        2 * PRODUCT,
    ),
    "kohya, alpha that is nothing": (
        "kohya-lora",
        {
            f"lora_unet_{FLAT}.lora_down.weight": A,
            f"lora_unet_{FLAT}.lora_up.weight": B,
            f"lora_unet_{FLAT}.alpha": alpha(0),
        },
        f"{MODULE}.weight",
        PRODUCT,
    ),
    "kohya, of a text encoder, with DoRA's scale": (
        "kohya-lora",
        {
            "lora_te1_text_model_encoder_layers_3_self_attn_out_proj.lora_down.weight": A,
            "lora_te1_text_model_encoder_layers_3_self_attn_out_proj.lora_up.weight": B,
            "lora_te1_text_model_encoder_layers_3_self_attn_out_proj.dora_scale": drawn(OUT, 1),
        },
        "text_encoder.text_model.encoder.layers.3.self_attn.out_proj.weight",
        PRODUCT,
    ),
    "kohya, of a convolution": (
        "kohya-lora",
        {
            "lora_unet_input_blocks_4_0_in_layers_2.lora_down.weight": KERNEL,
            "lora_unet_input_blocks_4_0_in_layers_2.lora_up.weight": UP,
        },
        "input_blocks.4.0.in_layers.2.weight",
        np.einsum("or,rikl->oikl", UP[:, :, 0, 0].astype(np.float64), KERNEL),
    ),
    "diffusers": (
        "diffusers-lora",
        {f"unet.{MODULE}.lora_A.weight": A, f"unet.{MODULE}.lora_B.weight": B},
        f"{MODULE}.weight",
        PRODUCT,
    ),
    "diffusers, of a transformer, with alpha": (
        "diffusers-lora",
        {
            "transformer.single_transformer_blocks.0.attn.to_k.lora_A.weight": A,
            "transformer.single_transformer_blocks.0.attn.to_k.lora_B.weight": B,
            "transformer.single_transformer_blocks.0.attn.to_k.alpha": alpha(1.5),
        },
        "single_transformer_blocks.0.attn.to_k.weight",
        PRODUCT / 2,
    ),
    "diffusers, as processors": (
        "diffusers-lora",
        {"mid_block.attn1.processor.to_q_lora.down.weight": A, "mid_block.attn1.processor.to_q_lora.up.weight": B},
        "mid_block.attn1.to_q.weight",
        PRODUCT,
    ),
    "LyCORIS LoHa": (
        "lycoris-loha",
        {f"lycoris_{FLAT}.hada_{name}": array for name, array in W.items()} | {f"lycoris_{FLAT}.alpha": alpha(6)},
        f"{MODULE}.weight",
        2 * LOHA,
    ),
    "LyCORIS LoKr": (
        "lycoris-lokr",
        {f"lycoris_{FLAT}.lokr_w1": K1, f"lycoris_{FLAT}.lokr_w2": K2, f"lycoris_{FLAT}.alpha": alpha(9)},
        f"{MODULE}.weight",
        np.kron(K1, K2),
    ),
    "LyCORIS LoKr with a second factor of low rank": (
        "lycoris-lokr",
        {
            f"lora_unet_{FLAT}.lokr_w1": K1,
            f"lora_unet_{FLAT}.lokr_w2_a": K2A,
            f"lora_unet_{FLAT}.lokr_w2_b": K2B,
            f"lora_unet_{FLAT}.alpha": alpha(6),
        },
        f"{MODULE}.weight",
        2 * np.kron(K1, K2A @ K2B),
    ),
    "LyCORIS LoKr of a convolution": (
        "lycoris-lokr",
        {"lora_unet_conv_in.lokr_w1": K1, "lora_unet_conv_in.lokr_w2": K4},
        "conv_in.weight",
        np.kron(K1[:, :, None, None], K4),
    ),
    "torchtune": (
        "torchtune-lora",
        {"layers.0.attn.q_proj.lora_a.weight": A, "layers.0.attn.q_proj.lora_b.weight": B},
        "layers.0.attn.q_proj.weight",
        PRODUCT,
    ),
    "MLX": (
        "torchtune-lora",
        {"model.layers.0.self_attn.q_proj.lora_a": A.T.copy(), "model.layers.0.self_attn.q_proj.lora_b": B.T.copy()},
        "model.layers.0.self_attn.q_proj.weight",
        PRODUCT,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_added_to_which_tensor(tmp_path: Path, name: str) -> None:
    format_, arrays, target, expected = CASES[name]
    opened = saved(tmp_path, arrays)
    (view,) = opened.tensors
    assert (opened.format, view.name, view.shape) == (format_, target, expected.shape)
    whole = view.rows(0, view.shape[0])
    np.testing.assert_allclose(whole, expected, rtol=2e-5, atol=1e-5)
    for start, stop in ((0, 3), (3, 6), (5, view.shape[0]), (2, 2)):
        assert np.array_equal(view.rows(start, stop), whole[start:stop])
    with pytest.raises(IndexError):
        view.rows(0, view.shape[0] + 1)
    assert is_adapter(sketch_checkpoint(opened))


def saved(folder: Path, arrays: Arrays) -> Checkpoint:
    save_file(arrays, folder / "nova.safetensors")
    return open_checkpoint(folder / "nova.safetensors")


@pytest.mark.parametrize("heads", [None, 2])
def test_gguf_has_alpha_in_its_header_and_rows_in_llama_cpp_s_order(tmp_path: Path, heads: int | None) -> None:
    writer: Any = gguf.GGUFWriter(str(tmp_path / "lora.gguf"), "llama")
    writer.add_string("general.type", "adapter")
    writer.add_float32("adapter.lora.alpha", 6.0)
    if heads is not None:
        writer.add_head_count(heads)
    writer.add_tensor("blk.1.attn_q.weight.lora_a", A)
    writer.add_tensor("blk.1.attn_q.weight.lora_b", B)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    opened = open_checkpoint(tmp_path / "lora.gguf")
    (view,) = opened.tensors
    assert (opened.format, view.name) == ("gguf-lora", "model.layers.1.self_attn.q_proj.weight")
    order = np.arange(OUT) if heads is None else np.arange(OUT).reshape(heads, -1, 2).swapaxes(1, 2).reshape(-1)
    np.testing.assert_allclose(view.rows(0, OUT), 2 * PRODUCT[order], rtol=1e-5, atol=1e-6)


def test_what_is_not_read_is_said(tmp_path: Path) -> None:
    arrays = CASES["kohya"][1] | {
        "lora_unet_conv_in.lora_down.weight": drawn(RANK, 4, 1, 1), "lora_unet_conv_in.lora_up.weight": UP,
        "lora_unet_conv_in.lora_mid.weight": drawn(RANK, RANK, 3, 3), "lora_unet_norm.diff": drawn(OUT),
        f"lora_unet_{FLAT}.dora_scale": drawn(OUT),
    }  # fmt: skip
    opened = saved(tmp_path, arrays)
    assert [view.name for view in opened.tensors] == [f"{MODULE}.weight"]
    reasons = {name.rpartition(".")[2]: reason for name, reason in opened.left_out if not name.endswith(".weight")}
    assert set(reasons) == {"diff", "dora_scale"}
    assert [reason for _, reason in opened.left_out].count(AdapterPart("decomposed-factor")) == 3


@pytest.mark.parametrize(
    ("flat", "dotted"),
    [
        ("lora_unet_double_blocks_3_img_attn_qkv", "double_blocks.3.img_attn.qkv"),
        ("lora_unet_up_blocks_1_resnets_0_time_emb_proj", "up_blocks.1.resnets.0.time_emb_proj"),
        ("lora_te2_text_model_encoder_layers_11_mlp_fc1", "text_encoder_2.text_model.encoder.layers.11.mlp.fc1"),
        ("lycoris_transformer_blocks_0_ff_net_0_proj", "transformer_blocks.0.ff.net.0.proj"),
        ("unet.down_blocks.0.proj_in", "unet.down_blocks.0.proj_in"),
        ("encoder.layer_norm", "encoder.layer_norm"),
    ],
)
def test_dots_come_back_into_names(flat: str, dotted: str) -> None:
    assert with_dots(flat) == dotted


@pytest.mark.parametrize("name", [name for name in CASES if "kernel" not in name and "DoRA" not in name])
def test_what_says_its_scale_is_merged_while_its_base_is_read(tmp_path: Path, name: str) -> None:
    format_, arrays, target, change = CASES[name]
    weight = drawn(*change.shape)
    save_file({f"model.{target}": weight, "other.weight": drawn(4, 4)}, tmp_path / "base.safetensors")
    saved(tmp_path, arrays)
    if format_.startswith("torchtune"):
        with pytest.raises(UnsupportedFormat, match="does not say how it is scaled"):
            open_merged(tmp_path / "base.safetensors", tmp_path / "nova.safetensors")
        return
    merged = {
        view.name: view for view in open_merged(tmp_path / "base.safetensors", tmp_path / "nova.safetensors").tensors
    }
    view = merged[f"model.{target}"]
    np.testing.assert_allclose(view.rows(0, len(weight)), weight + change, rtol=2e-5, atol=1e-5)
    assert np.array_equal(view.rows(1, 3), view.rows(0, len(weight))[1:3])
    assert merged["other.weight"].dtype == np.float32


def test_flat_names_find_what_no_word_of_a_network_tells(tmp_path: Path) -> None:
    arrays = {"lora_unet_odd_part_0_to_mix.lora_down.weight": A, "lora_unet_odd_part_0_to_mix.lora_up.weight": B}
    save_file({"odd_part.0.to_mix.weight": np.zeros((OUT, INTO), np.float32)}, tmp_path / "base.safetensors")
    saved(tmp_path, arrays)
    (view,) = open_merged(tmp_path / "base.safetensors", tmp_path / "nova.safetensors").tensors
    np.testing.assert_allclose(view.rows(0, OUT), PRODUCT, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("base", "said"),
    [
        ({"other.weight": drawn(OUT, INTO)}, "does not fit base: it has no tensor"),
        ({f"{MODULE}.weight": drawn(INTO, OUT)}, r"is \(12, 8\) there, \(8, 12\) here"),
        ({f"{MODULE}.weight": np.ones((OUT, INTO), np.int8)}, "is int8: nothing can be added to that"),
    ],
)
def test_what_does_not_fit_is_refused(base: Arrays, said: str, tmp_path: Path) -> None:
    save_file(base, tmp_path / "base.safetensors")
    saved(tmp_path, CASES["kohya"][1])
    with pytest.raises(UnsupportedFormat, match=said):
        open_merged(tmp_path / "base.safetensors", tmp_path / "nova.safetensors")


def test_dora_s_scale_outside_peft_is_not_merged(tmp_path: Path) -> None:
    _, arrays, target, change = CASES["kohya, of a text encoder, with DoRA's scale"]
    save_file({target: drawn(*change.shape)}, tmp_path / "base.safetensors")
    saved(tmp_path, arrays)
    with pytest.raises(UnsupportedFormat, match=r"DoRA's magnitude: .* cannot be merged"):
        open_merged(tmp_path / "base.safetensors", tmp_path / "nova.safetensors")
