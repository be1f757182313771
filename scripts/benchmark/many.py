"""Many models like the zoo's, to time the graph on: each zoo model with descendants that NumPy can make."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import operators
from numpy.typing import NDArray
from operators import Arrays
from zoo.model import Model, load

from benchmark.truth import Zoo
from lineage.sketch import sketch_checkpoint
from lineage.types import Checkpoint, CheckpointSketch, Meter, TensorView

_COMPUTED = 4  # every fourth descendant or so is computed from one that was trained


def many(zoo: Zoo, folder: Path, count: int) -> Iterator[CheckpointSketch]:
    """`count` sketches: the zoo's models and, as far as they do not suffice, descendants of each, equally many.

    A descendant hangs on the model or on an earlier descendant, drawn at random with a fixed seed.
    """
    names = [name for name in zoo.shown if zoo.models[name]["operator"] != "copied"][:count]
    shares = np.diff(np.linspace(0, count - len(names), len(names) + 1).round().astype(int))
    for name, descendants in zip(names, shares, strict=True):
        model = load(folder / name, {})
        yield _sketch(name, model)
        yield from (_sketch(f"{name}~{k}", one) for k, one in enumerate(_descendants(name, model, int(descendants))))


def _descendants(name: str, model: Model, count: int) -> Iterator[Model]:
    """Models moved by noise as by training, now and then one rounded, quantised or pruned; no two alike."""
    generator = np.random.default_rng(zlib.crc32(name.encode()))
    moved, is_new = [model.arrays], False
    for _ in range(count):
        if is_new and generator.integers(_COMPUTED) == 0:
            is_new = False
            yield model.changed(_CHANGES[generator.integers(len(_CHANGES))](moved[-1]))
        else:
            share = float(10 ** generator.uniform(-2.0, -0.5))
            moved.append(_moved(moved[generator.integers(len(moved))], share, generator))
            is_new = True
            yield model.changed(moved[-1])


def _moved(arrays: Arrays, share: float, generator: np.random.Generator) -> Arrays:
    return {
        n: (a + share * a.std() * generator.standard_normal(a.shape, np.float32)).astype(np.float32)
        if a.dtype.kind == "f" else a
        for n, a in arrays.items()
    }  # fmt: skip


_CHANGES = (
    operators.cast("bfloat16"),
    operators.matrices(operators.int8_rows),
    operators.matrices(operators.magnitude_pruned),
)


def _sketch(name: str, model: Model) -> CheckpointSketch:
    views = tuple(_view(n, a.reshape(a.shape or (1,))) for n, a in model.arrays.items())
    size = sum(a.nbytes for a in model.arrays.values())
    return sketch_checkpoint(Checkpoint(name, f"memory/{name}", "safetensors", views, size, Meter(), model.config))


def _view(name: str, array: NDArray[Any]) -> TensorView:
    return TensorView(name, array.shape, array.dtype, lambda start, stop: array[start:stop], name)
