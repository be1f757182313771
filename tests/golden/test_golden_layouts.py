"""Layout and content key of the known answers, by this package and by a plain reading of index/FORMAT.md, section 7."""

from __future__ import annotations

import json
import math

import numpy as np
from blake3 import blake3
from make_vectors import GOLDEN

from lineage.sketch import read_sketch
from lineage.sketch.layouts import content_key, layout_id
from lineage.types import TensorSketch

LAYOUT = "02e518dc90ae13617a5593ee55997ba3"
CONTENT = "402203f79a9e7d9494661ab896bc02c9"


def tensor_digest(tensor: TensorSketch) -> bytes:
    if len(tensor.shape) < 2:
        return blake3(str(list(tensor.shape)).encode() + tensor.values.tobytes()).digest()
    rows, channels, *kernel = tensor.shape
    size = math.prod(kernel)
    straight = blake3(f"[{rows}, {channels}, {size}]".encode() + tensor.values.tobytes()).digest()
    if size > 1:
        return straight
    turned = np.ascontiguousarray(tensor.values.T).tobytes()
    return min(straight, blake3(f"[{channels}, {rows}, 1]".encode() + turned).digest())


def test_the_layout_of_the_known_answers():
    model = read_sketch(GOLDEN)
    lines = [f'["{t.name}", {json.dumps(list(t.shape))}, "{t.dtype}", "{t.digest}"]' for t in model.tensors]
    read = blake3("\n".join([f'"{model.format}"', *sorted(lines)]).encode()).hexdigest(length=16)
    assert layout_id(model) == read == LAYOUT


def test_the_content_key_of_the_known_answers():
    model = read_sketch(GOLDEN)
    digests = sorted(tensor_digest(t) for t in model.tensors if t.part.excluded is None)
    assert content_key(model) == blake3(b"".join(digests)).hexdigest(length=16) == CONTENT
