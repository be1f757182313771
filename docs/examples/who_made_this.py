"""Who made this checkpoint? The library asked about three files: a rounded copy, a fine-tune and a stranger.

Run it anywhere that has lineage: it makes its files in a temporary folder.
"""

import tempfile
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

import lineage

LAYERS, HIDDEN, MLP, VOCABULARY = 4, 64, 128, 200


def trained(seed):
    """Random matrices with the names of BERT: networks of two seeds have nothing in common."""
    draw = np.random.default_rng(seed)
    shapes = {"embeddings.word_embeddings.weight": (VOCABULARY, HIDDEN)}
    for layer in range(LAYERS):
        block = f"encoder.layer.{layer}"
        for name in ("query", "key", "value"):
            shapes[f"{block}.attention.self.{name}.weight"] = (HIDDEN, HIDDEN)
        shapes[f"{block}.attention.output.dense.weight"] = (HIDDEN, HIDDEN)
        shapes[f"{block}.intermediate.dense.weight"] = (MLP, HIDDEN)
        shapes[f"{block}.output.dense.weight"] = (HIDDEN, MLP)
    return {name: draw.standard_normal(shape, dtype=np.float32) / 10 for name, shape in shapes.items()}


def tuned(weights, seed):
    """A little more training: every matrix moves by two percent."""
    draw = np.random.default_rng(seed)
    return {n: w + np.float32(0.002) * draw.standard_normal(w.shape, dtype=np.float32) for n, w in weights.items()}


def rounded(weights):
    """Eight bits a value, with one scale for each row, as quantisers leave them."""
    made = {}
    for name, matrix in weights.items():
        scale = np.abs(matrix).max(axis=1, keepdims=True) / 127
        made[name] = (np.round(matrix / scale) * scale).astype(np.float32)
    return made


def told(answer):
    """The place of a model in a few words: what it comes from, what it is related to, or neither."""
    place = answer.place
    words = [f"{one.relation} from {one.model_name}" for one in place.parents]
    words += [f"{one.relation} with {one.model_name}, which came first is open" for one in place.open]
    return "; ".join(words) or "no known relative"


with tempfile.TemporaryDirectory() as folder:
    desk = Path(folder)
    base = trained(1)
    models = {"base": base, "rounded": rounded(base), "tuned": tuned(base, 2), "stranger": trained(3)}
    for name, weights in models.items():
        save_file(weights, desk / f"{name}.safetensors")

    for step in lineage.ingest([desk / "base.safetensors"], desk / "index"):
        print(step.event, step.name)
    for name in ("rounded", "tuned", "stranger"):
        answer = lineage.whois(desk / f"{name}.safetensors", desk / "index", reference=False)
        print(f"{name}: {answer.verdict} ({told(answer)})")
