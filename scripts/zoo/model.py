"""What the zoo knows of a model: its arrays, its config.json, the vocabulary that it reads; how it lies on disk."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from operators import Arrays, write, write_shards

Config = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Model:
    """Arrays by Hugging Face name, config.json, and the vocabulary's recipe ({} for models of images).

    `vocabulary` holds `words` (the corpus whose frequent words it has), `size`, and `order` (the seed of
    a reordering, or None).
    """

    arrays: Arrays
    config: Config
    vocabulary: dict[str, Any]

    @property
    def kind(self) -> str:
        """`model_type` of the config."""
        return str(self.config["model_type"])

    def changed(self, arrays: Arrays, **config: Any) -> Model:
        """The model with other arrays and some entries of the config replaced."""
        return replace(self, arrays=arrays, config={**self.config, **config})


def save(model: Model, folder: Path, shards: int = 1) -> None:
    """Write `model` as a Hugging Face folder; arrays keep their dtypes."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {n: np.ascontiguousarray(a) for n, a in model.arrays.items()}
    if shards > 1:
        write_shards(arrays, folder, shards)
    else:
        write(arrays, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(model.config, indent=1) + "\n", encoding="utf-8")


def load(folder: Path, vocabulary: Mapping[str, Any]) -> Model:
    """Read a folder written by `save`; every float comes back as float32."""
    arrays: Arrays = {}
    for file in sorted(folder.glob("*.safetensors")):
        arrays |= _read(file)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return Model(arrays, config, dict(vocabulary))


def _read(file: Path) -> Arrays:
    from ml_dtypes import bfloat16

    dtypes: dict[str, Any] = {"F32": np.float32, "F16": np.float16, "BF16": bfloat16, "I64": np.int64}
    data = file.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    header.pop("__metadata__", None)
    arrays: Arrays = {}
    for name, entry in header.items():
        begin, end = (start + at for at in entry["data_offsets"])
        stored = np.frombuffer(data[begin:end], dtypes[entry["dtype"]]).reshape(entry["shape"])
        arrays[name] = stored.copy() if entry["dtype"] == "I64" else stored.astype(np.float32)
    return arrays


def cosine(child: Arrays, parent: Arrays) -> float | None:
    """Median raw cosine of the matrices that both models have under one name and shape; None if there are none."""
    shared = [n for n, a in child.items() if a.ndim > 1 and n in parent and parent[n].shape == a.shape]
    found = [_cosine(child[n].astype(np.float64), parent[n].astype(np.float64)) for n in shared]
    return round(float(np.median(found)), 6) if found else None


def _cosine(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return float((a * b).sum() / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-30))
