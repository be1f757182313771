"""A model in any format is the same model: in full precision re-encoded, in fewer bits quantised, by its scheme."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lineage.ancestry import compare
from lineage.types import CheckpointSketch
from lineage.types.facts.schemes import StoredAs
from tests.checkpoint_files import WRITERS, Write, sketched, write_mar, write_safetensors, write_shards, write_tar
from tests.coreml_files import Blobs, in_blob, operation, package
from tests.described_files import ncnn_model, tagged
from tests.record_files import ct2_file, ct2_variable, ggml_record, whisper_header

Arrays = dict[str, np.ndarray]
LAYERS = 3


def decoder(seed: int) -> Arrays:
    rng = np.random.default_rng(seed)
    shapes = {"mlp.gate_proj": (256, 96), "mlp.up_proj": (256, 96), "mlp.down_proj": (96, 256)}
    shapes |= {f"self_attn.{part}_proj": (96, 96) for part in "qkvo"}
    embedded = {"model.embed_tokens.weight": rng.standard_normal((300, 96)).astype("f4")}
    return embedded | {
        f"model.layers.{i}.{part}.weight": (rng.standard_normal(shape) * rng.uniform(0.5, 2, (shape[0], 1))).astype(
            "f4"
        )
        for i in range(LAYERS)
        for part, shape in shapes.items()
    }


BASE = decoder(1)
SAME_FORMAT = (write_safetensors, write_shards, write_tar, write_mar)


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS.keys())
def test_full_precision_is_re_encoded_in_another_format(write: Write, base: CheckpointSketch, tmp_path: Path) -> None:
    child = sketched(write(tmp_path, BASE))
    assert (child.format == base.format) == (write in SAME_FORMAT)
    found = compare(child, base)
    assert found.verdict == "identical"
    assert found.relation == ("identical" if write in SAME_FORMAT else "re-encoded")
    assert found.evidence.r is not None
    assert found.evidence.r > 0.999


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS.keys())
def test_other_weights_are_not_related(write: Write, base: CheckpointSketch, tmp_path: Path) -> None:
    found = compare(sketched(write(tmp_path, decoder(2))), base)
    assert found.relation in {"independent", "inconclusive"}
    assert found.evidence.log10_p > -3


def rounded(array: np.ndarray, levels: int) -> tuple[np.ndarray, np.ndarray]:
    """Symmetric codes, and the step of each row."""
    step = np.abs(array).max(axis=1) / levels
    return np.round(array / step[:, None]).astype(np.int8), step.astype(np.float32)


def ctranslate2_int8(folder: Path) -> Path:
    variables = []
    for name, array in BASE.items():
        codes, step = rounded(array, 127)
        variables += [ct2_variable(name, codes), ct2_variable(f"{name}_scale", 1 / step)]
    (folder / "model.bin").write_bytes(ct2_file(variables))
    return folder / "model.bin"


def ncnn_int8(folder: Path) -> Path:
    layers, values = [], b""
    for name, array in BASE.items():
        codes, step = rounded(array, 127)
        layers.append(f"InnerProduct {name.removesuffix('.weight')} 1 1 a b 0={len(array)} 1=0 2={array.size} 8=1")
        values += tagged(codes) + (1 / step).tobytes() + bytes(4)
    return ncnn_model(folder, layers, values)


def core_ml_int8(folder: Path) -> Path:
    blobs, operations = Blobs(), []
    for name, array in BASE.items():
        codes, step = rounded(array, 127)
        attributes = {
            "quantized_data": in_blob("int8", codes.shape, blobs.add(codes.tobytes())),
            "scale": in_blob("float32", step.shape, blobs.add(step.tobytes())),
            "zero_point": in_blob("int8", step.shape, blobs.add(bytes(len(step)))),
        }
        operations.append(operation("constexpr_affine_dequantize", name, attributes=attributes))
    return package(folder, operations, blobs)


def whisper_q4_0(folder: Path) -> Path:
    records = []
    for name, array in BASE.items():
        grouped = array.reshape(-1, 32)
        extreme = grouped[np.arange(len(grouped)), np.abs(grouped).argmax(axis=1)]
        scale = (extreme / -8).astype("<f2")
        codes = np.clip(np.round(grouped / scale.astype(np.float32)[:, None]) + 8, 0, 15).astype(np.uint8)
        packed = codes[:, :16] | codes[:, 16:] << 4
        blocks = b"".join(struct.pack("<e", s) + row.tobytes() for s, row in zip(scale, packed, strict=True))
        records.append(ggml_record(name.encode(), array.shape, 2, blocks))
    (folder / "ggml.bin").write_bytes(whisper_header(2002) + b"".join(records))
    return folder / "ggml.bin"


@pytest.mark.parametrize(
    ("write", "scheme", "least"),
    [
        (ctranslate2_int8, "ctranslate2 int8 per-channel", 0.99),
        (ncnn_int8, "ncnn int8 per-channel", 0.99),
        (core_ml_int8, "coreml int8 per-channel", 0.99),
        (whisper_q4_0, "ggml q4_0", 0.97),
    ],
)
def test_fewer_bits_are_quantised_from_the_whole(
    write: Callable[[Path], Path], scheme: str, least: float, base: CheckpointSketch, tmp_path: Path
) -> None:
    found = compare(sketched(write(tmp_path)), base)
    assert (found.relation, found.direction) == ("quantized", "child")
    assert found.evidence.r is not None
    assert found.evidence.r > least
    assert found.components[0].schemes == (StoredAs(scheme),)
