"""Count the bytes that a sampled answer about the models of the debate reads from the hub, from their shapes alone.

    python scripts/hub_bytes.py

Shapes are those of debate_shapes.py, values bf16. The plan of what is read is lineage's own: the sampled rows of each
tensor, and the gaps between them that are read over. Headers of the files are counted as their names are long; the
tokenizer and the config are not. Prints Markdown, which worked_cases.py puts into docs/worked-cases.md.
"""

from __future__ import annotations

import math
from itertools import pairwise

import ml_dtypes
import numpy as np
from debate_shapes import Shapes, real_shapes
from results import table

from lineage.checkpoints.remote.prefetch import NEAR
from lineage.checkpoints.remote.ranges import Span, joined
from lineage.checkpoints.remote.thrift import read_over
from lineage.sketch.tensor_pass import bands_read
from lineage.types import TensorView

WIDTH = 2  # bytes of a bf16 value
AROUND = 80  # bytes of a header for each tensor, beside its name
BF16 = np.dtype(ml_dtypes.bfloat16)


def sampled_bytes(shapes: Shapes) -> int:
    """Bytes of the ranges that are fetched of one file with these tensors, in the order of their names."""
    start, spans = 0, list[Span]()
    for name, shape in sorted(shapes.items()):
        row = WIDTH * math.prod(shape[1:])
        view = TensorView(name, shape, BF16, _unread, name)
        spans += [Span(start + row * first, start + row * last) for first, last in bands_read(view, "sampled")]
        start += WIDTH * math.prod(shape)
    near = joined(spans, NEAR)
    over = read_over([near], start)[0]
    gaps = sum(after.start - before.stop for place, (before, after) in enumerate(pairwise(near)) if place in over)
    return sum(span.stop - span.start for span in near) + gaps + sum(len(name) + AROUND for name in shapes)


def rows() -> list[list[str]]:
    """A row a model: parameters by its shapes, size, bytes that are read, share."""
    found = []
    for name, shapes in real_shapes().items():
        params = sum(map(math.prod, shapes.values()))
        read = sampled_bytes(shapes)
        share = read / (WIDTH * params)
        sizes = [
            f"{params / 1e9:.1f} billion",
            f"{WIDTH * params / 1e9:.1f} GB",
            f"{read / 1e9:.2f} GB",
            f"{share:.1%}",
        ]
        found.append([f"`hf:{name}`", *sizes])
    return found


def _unread(start: int, stop: int) -> np.ndarray:
    raise NotImplementedError  # shapes are all there is


def text() -> str:
    """The table of all of them."""
    return table(["address", "parameters by its shapes", "size", "read by `whois`", "share"], rows())


if __name__ == "__main__":
    print(text())
