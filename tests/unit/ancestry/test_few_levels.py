"""Weights of two bits and fewer are a rounding of what they come from, though they agree with it less than others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lineage.ancestry import compare
from tests.checkpoint_files import Arrays, sketched, write_safetensors
from tests.quantized_files import SCHEMES, write


def unlike_rows(seed: int) -> Arrays:
    """A decoder whose units differ in size, so that one scale for a matrix fits few of them."""
    rng = np.random.default_rng(seed)
    shapes = {f"self_attn.{part}_proj": (64, 64) for part in "qkvo"}
    shapes |= {"mlp.gate_proj": (112, 64), "mlp.up_proj": (112, 64), "mlp.down_proj": (64, 112)}
    names = {f"model.layers.{layer}.{name}.weight": shape for layer in range(2) for name, shape in shapes.items()}
    names["model.embed_tokens.weight"] = (96, 64)
    return {
        name: (rng.standard_normal(shape) * rng.gamma(2, 0.5, (shape[0], 1)) / 8).astype(np.float32)
        for name, shape in names.items()
    }


def packed(folder: Path, scheme: str, arrays: Arrays) -> Path:
    inner = {name.removesuffix(".weight"): array for name, array in arrays.items() if "_proj" in name}
    rest = {name: array for name, array in arrays.items() if "_proj" not in name}
    return write(folder, SCHEMES[scheme], inner, rest)


@pytest.mark.parametrize("scheme", [name for name in SCHEMES if "bitnet" in name or name == "hqq 1"])
def test_two_or_three_levels_are_quantised_and_not_disguised(scheme: str, tmp_path: Path) -> None:
    arrays = unlike_rows(1)
    (tmp_path / "packed").mkdir()
    child = sketched(packed(tmp_path / "packed", scheme, arrays))
    base, stranger = (sketched(write_safetensors(tmp_path, held)) for held in (arrays, unlike_rows(2)))
    found = compare(child, base)
    words = {component.name: component.relation for component in found.components}
    assert words == {"embeddings": "identical", "text decoder": "quantized"}
    assert found.relation == "quantized"
    assert min(tensor.r for tensor in found.tensors if tensor.r is not None) < 0.8
    assert compare(child, stranger).relation == "independent"
