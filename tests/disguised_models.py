"""Small models of Llama's and BERT's names whose units are of unlike size, as those of trained ones are."""

from __future__ import annotations

import numpy as np

from lineage.types import CheckpointSketch
from tests.synthetic import Arrays, sketch

VOCAB, WIDTH, MLP, LAYERS = 400, 96, 192, 3


def llama(seed: int, layers: int = LAYERS, *, is_trained: bool = True) -> Arrays:
    """Matrices with gains before them that are not all one; units of one size unless `is_trained`."""
    random = np.random.default_rng(seed)

    def matrix(out: int, into: int) -> np.ndarray:
        sizes = random.gamma(2.0, 0.5, (out, 1)) if is_trained else 1.0
        return (sizes * random.standard_normal((out, into)) / np.sqrt(into)).astype(np.float32)

    arrays: Arrays = {"model.embed_tokens.weight": matrix(VOCAB, WIDTH), "lm_head.weight": matrix(VOCAB, WIDTH)}
    for layer in range(layers):
        at = f"model.layers.{layer}"
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            arrays[f"{at}.self_attn.{name}.weight"] = matrix(WIDTH, WIDTH)
        for name, shape in (("gate", (MLP, WIDTH)), ("up", (MLP, WIDTH)), ("down", (WIDTH, MLP))):
            arrays[f"{at}.mlp.{name}_proj.weight"] = matrix(*shape)
        for name in ("input_layernorm", "post_attention_layernorm"):
            arrays[f"{at}.{name}.weight"] = (1.0 + 0.2 * random.standard_normal(WIDTH)).astype(np.float32)
    arrays["model.norm.weight"] = (1.0 + 0.2 * random.standard_normal(WIDTH)).astype(np.float32)
    return arrays


def sketched(arrays: Arrays, name: str = "model") -> CheckpointSketch:
    """The sketch of one of them."""
    return sketch(arrays, name=name, config={"model_type": "llama", "num_attention_heads": 3, "hidden_size": WIDTH})
