"""Models made in memory: tensors from arrays, and a small text encoder of random matrices with BERT's names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from lineage.sketch import sketch_checkpoint
from lineage.sketch.tensor_pass import sketch_tensor
from lineage.types import (
    Axis,
    Checkpoint,
    CheckpointSketch,
    Declared,
    Depth,
    Meter,
    Part,
    TensorSketch,
    TensorView,
    Vocabulary,
)

Arrays = dict[str, NDArray[Any]]

HIDDEN, MLP, VOCAB, LAYERS = 64, 128, 200, 4
FREE = Part("model", "unknown", None, (Axis("rows", True), Axis("columns", True)))
CONFIG = {"model_type": "bert", "num_attention_heads": 4, "hidden_size": HIDDEN}
_SKETCHES: dict[bytes, CheckpointSketch] = {}


def view(name: str, array: NDArray[Any]) -> TensorView:
    """A tensor that lies in memory."""
    rows = array.reshape(array.shape or (1,))
    return TensorView(name, array.shape, array.dtype, lambda start, stop: rows[start:stop], name)


def tensor(array: NDArray[Any], depth: Depth = "full", part: Part = FREE) -> TensorSketch:
    """The sketch of one array, both axes exchangeable unless `part` says otherwise."""
    return sketch_tensor(view("weight", array), part, depth, "memory")


def sketch(
    arrays: Mapping[str, NDArray[Any]],
    depth: Depth = "full",
    *,
    name: str = "model",
    declared: tuple[Declared, ...] = (),
    config: Mapping[str, Any] | None = None,
    vocabulary: Vocabulary | None = None,
) -> CheckpointSketch:
    """The sketch of a model that lies in memory, its tensors in the order of `arrays`; made once of equal ones."""
    tokens = None if vocabulary is None else vocabulary.tokens
    seal = blake3(repr((depth, name, declared, config, tokens)).encode())
    for key, array in arrays.items():
        seal.update(f"{key} {array.dtype} {array.shape}".encode())
        seal.update(np.ascontiguousarray(array).tobytes())
    if seal.digest() not in _SKETCHES:
        _SKETCHES[seal.digest()] = _sketch(arrays, depth, name, declared, config, vocabulary)
    return _SKETCHES[seal.digest()]


def _sketch(
    arrays: Mapping[str, NDArray[Any]],
    depth: Depth,
    name: str,
    declared: tuple[Declared, ...],
    config: Mapping[str, Any] | None,
    vocabulary: Vocabulary | None,
) -> CheckpointSketch:
    made = Checkpoint(
        name=name,
        path=f"memory/{name}",
        format="safetensors",
        tensors=tuple(view(n, a) for n, a in arrays.items()),
        nbytes=sum(a.nbytes for a in arrays.values()),
        meter=Meter(),
        config=CONFIG if config is None else config,
        declared=declared,
    )
    return sketch_checkpoint(made, depth, threads=1, vocabulary=vocabulary)


def encoder(seed: int, layers: int = LAYERS) -> Arrays:
    """A text encoder: normal matrices, gains near 1, biases near 0."""
    random = np.random.default_rng(seed)

    def normal(*shape: int) -> NDArray[np.float32]:
        return (0.05 * random.standard_normal(shape)).astype(np.float32)

    def norm(prefix: str) -> Arrays:
        return {f"{prefix}.weight": 1 + 0.4 * normal(HIDDEN), f"{prefix}.bias": normal(HIDDEN)}

    arrays: Arrays = {
        "bert.embeddings.word_embeddings.weight": normal(VOCAB, HIDDEN),
        "bert.embeddings.position_embeddings.weight": normal(96, HIDDEN),
        **norm("bert.embeddings.LayerNorm"),
    }
    for layer in range(layers):
        at = f"bert.encoder.layer.{layer}"
        shapes = {
            f"{at}.attention.self.query": (HIDDEN, HIDDEN),
            f"{at}.attention.self.key": (HIDDEN, HIDDEN),
            f"{at}.attention.self.value": (HIDDEN, HIDDEN),
            f"{at}.attention.output.dense": (HIDDEN, HIDDEN),
            f"{at}.intermediate.dense": (MLP, HIDDEN),
            f"{at}.output.dense": (HIDDEN, MLP),
        }
        for name, shape in shapes.items():
            arrays[f"{name}.weight"] = normal(*shape)
            arrays[f"{name}.bias"] = normal(shape[0])
        arrays |= norm(f"{at}.attention.output.LayerNorm") | norm(f"{at}.output.LayerNorm")
    return arrays
