"""A model written in each encoding is recognised as the same one, re-encoded or quantised, by name and strength."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from lineage.ancestry import compare
from lineage.types import CheckpointSketch
from tests.checkpoint_files import sketched
from tests.gguf_files import gguf_bytes, line, q4_0, q8_0
from tests.quantized_files import SCHEMES, write

HIDDEN, MLP, VOCAB, LAYERS, HEADS, GROUPS = 256, 512, 320, 2, 4, 2
HALF = HIDDEN * GROUPS // HEADS
FOUR_BITS, EIGHT_BITS = 0.97, 0.99
Arrays = dict[str, np.ndarray]
# Values of 8 bits and uneven levels do not show whose rounding they are.
BY_ENCODING = {"q8_0", "gptq 4 act order", "gptq 8", "bnb fp4", "fp8 in blocks", "fp8 by tensor"}
NO_DIRECTION = {"nvfp4", "mlx mxfp4"}

GGUF_NAMES = {
    "model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output", "model.layers.": "blk.",
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
}  # fmt: skip
METADATA = {
    "general.architecture": "llama",
    "llama.attention.head_count": HEADS,
    "llama.attention.head_count_kv": GROUPS,
}


def llama(seed: int) -> Arrays:
    """Normal matrices whose rows differ in size, gains near 1."""
    rng = np.random.default_rng(seed)

    def normal(*shape: int) -> np.ndarray:
        return (0.03 * rng.standard_normal(shape) * rng.uniform(0.7, 1.4, (shape[0], 1))).astype(np.float32)

    def gain() -> np.ndarray:
        return (1 + 0.1 * rng.standard_normal(HIDDEN)).astype(np.float32)

    arrays = {"model.embed_tokens.weight": normal(VOCAB, HIDDEN)}
    for layer in range(LAYERS):
        at = f"model.layers.{layer}"
        shapes = {"q": (HIDDEN, HIDDEN), "k": (HALF, HIDDEN), "v": (HALF, HIDDEN), "o": (HIDDEN, HIDDEN)}
        arrays |= {f"{at}.self_attn.{part}_proj.weight": normal(*shape) for part, shape in shapes.items()}
        for part, shape in (("gate", (MLP, HIDDEN)), ("up", (MLP, HIDDEN)), ("down", (HIDDEN, MLP))):
            arrays[f"{at}.mlp.{part}_proj.weight"] = normal(*shape)
        arrays |= {f"{at}.{norm}.weight": gain() for norm in ("input_layernorm", "post_attention_layernorm")}
    return arrays | {"model.norm.weight": gain(), "lm_head.weight": normal(VOCAB, HIDDEN)}


BASE = llama(1)


def as_gguf(path: Path, arrays: Arrays, store: Callable[[str, np.ndarray], object]) -> Path:
    """As llama.cpp converts it: renamed, the halves of rotary heads interleaved, norms in float32."""
    lines = []
    for full_name, whole in arrays.items():
        name, array = full_name, whole
        for heads, part in ((HEADS, "q_proj"), (GROUPS, "k_proj")):
            if part in name:
                array = array.reshape(heads, 2, -1, HIDDEN).swapaxes(1, 2).reshape(array.shape)
        for usual, own in GGUF_NAMES.items():
            name = name.replace(usual, own)
        lines.append(store(name, array) if array.ndim > 1 else line(name, array))
    path.write_bytes(gguf_bytes(lines, METADATA))  # type: ignore[arg-type]
    return path


class TestGguf:
    @pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
    def test_a_narrower_file_is_re_encoded(self, dtype: type, base: CheckpointSketch, tmp_path: Path) -> None:
        path = as_gguf(tmp_path / "net.gguf", BASE, lambda name, array: line(name, array.astype(dtype)))
        found = compare(sketched(path), base)
        assert (found.relation, found.verdict) == ("re-encoded", "derived")
        assert (found.evidence.r or 0) >= 0.999

    def test_a_float32_file_holds_the_same_weights_re_encoded(self, base: CheckpointSketch, tmp_path: Path) -> None:
        child = sketched(as_gguf(tmp_path / "net.gguf", BASE, line))
        assert child.id == base.id
        found = compare(child, base)
        assert (found.relation, found.verdict) == ("re-encoded", "identical")
        assert {component.relation for component in found.components} == {"re-encoded"}

    @pytest.mark.parametrize(("store", "least", "encoding"), [(q8_0, EIGHT_BITS, "q8_0"), (q4_0, FOUR_BITS, "q4_0")])
    def test_a_file_of_blocks_is_quantised(
        self, store: Callable[[str, np.ndarray], object], least: float, encoding: str, base: CheckpointSketch,
        tmp_path: Path,
    ) -> None:  # fmt: skip
        child = sketched(as_gguf(tmp_path / "net.gguf", BASE, store))
        found = compare(child, base)
        assert (found.evidence.r or 0) >= least
        assert found.verdict == "derived"
        assert found.relation == "quantized"
        assert found.direction == "child" or encoding in BY_ENCODING
        assert {t.dtype for t in child.tensors if len(t.shape) > 1} == {f"gguf {encoding}"}

    def test_another_model_in_blocks_is_independent(self, base: CheckpointSketch, tmp_path: Path) -> None:
        found = compare(sketched(as_gguf(tmp_path / "net.gguf", llama(2), q4_0)), base)
        assert found.relation == "independent"


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("gptq 4 act order", FOUR_BITS),
        ("gptq 8", EIGHT_BITS),
        ("awq", FOUR_BITS),
        ("bnb nf4 nested", FOUR_BITS),
        ("bnb fp4", 0.96),  # eight levels a side, unevenly placed
        ("bnb int8", EIGHT_BITS),
        ("packed int4 with zeros", FOUR_BITS),
        ("int8 by row", EIGHT_BITS),
        ("fp8 in blocks", EIGHT_BITS),
        ("fp8 by tensor", EIGHT_BITS),
        ("nvfp4", FOUR_BITS),
        ("mlx 4", FOUR_BITS),
        ("mlx mxfp4", FOUR_BITS),
        ("torchao int4", FOUR_BITS),
    ],
)
def test_a_quantised_folder_is_quantised(name: str, least: float, base: CheckpointSketch, tmp_path: Path) -> None:
    scheme = SCHEMES[name]
    matrices = {
        key.removesuffix(".weight"): array for key, array in BASE.items() if ".layers." in key and array.ndim > 1
    }
    plain = {key: array for key, array in BASE.items() if key.removesuffix(".weight") not in matrices}
    child = sketched(write(tmp_path / "m", scheme, matrices, plain))
    assert {t.dtype for t in child.tensors if t.name.removesuffix(".weight") in matrices} == {scheme.encoding}
    found = compare(child, base)
    assert (found.evidence.r or 0) >= least
    assert found.verdict == "derived"
    assert found.relation == "quantized"
    assert found.direction == "child" or name in BY_ENCODING | NO_DIRECTION
