"""Small models as indexes and commands meet them: sketches with a source, and files on disk."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from lineage.store import SqliteIndex
from lineage.store.totals import recount
from lineage.types import CheckpointSketch, Declared, Depth
from tests.synthetic import Arrays, encoder, sketch


def trained(seed: int, layers: int = 2) -> Arrays:
    """Weights that no other seed shares anything with."""
    return encoder(seed, layers)


def tuned(weights: Arrays, seed: int, by: float = 0.02) -> Arrays:
    """The same weights after a little more training, `by` of each tensor's standard deviation."""
    draw = np.random.default_rng(seed)
    return {
        n: w + np.float32(by) * w.std() * draw.standard_normal(w.shape, dtype=np.float32) for n, w in weights.items()
    }


def saved(weights: Arrays, path: Path) -> Path:
    """A safetensors file of these weights."""
    save_file(weights, path)
    return path


def published(weights: Arrays, folder: Path) -> Path:
    """A new folder with these weights, a config and a card, as the hub's libraries leave it."""
    folder.mkdir()
    config = {"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2, "vocab_size": 96}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    saved(weights, folder / "model.safetensors")
    return folder


def sketched(
    weights: Arrays,
    name: str = "net",
    *,
    depth: Depth = "full",
    path: str = "",
    licence: str | None = None,
    declared: tuple[Declared, ...] = (),
) -> CheckpointSketch:
    """The sketch of weights in memory, as if they had come from `path`."""
    return replace(sketch(weights, depth, name=name, declared=declared), path=path, licence=licence)


def as_of_another_family(index: SqliteIndex, model: str) -> None:
    """Make the rows of a model say what those of an older version's sketch would."""
    index.db.execute("update models set family = 'lineage-0', segment = null where id = ?", [model])
    index.db.execute("delete from segments")
    index.db.execute("update models set segment = null")
    recount(index.db)
