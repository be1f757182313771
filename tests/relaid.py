"""The same weights as another library, a converter or a narrower type would store them."""

from __future__ import annotations

import numpy as np

from tests.synthetic import Arrays

_OTHER_LIBRARY = {
    "bert.encoder.layer": "transformer.h",
    "attention.self.query": "attn.to_q",
    "attention.self.key": "attn.to_k",
    "attention.self.value": "attn.to_v",
    "attention.output.dense": "attn.to_out",
    "intermediate.dense": "mlp.fc_in",
    "output.dense": "mlp.fc_out",
    "word_embeddings": "wte",
    "position_embeddings": "wpe",
}


def renamed(weights: Arrays) -> Arrays:
    """Under the names of another library."""
    found = {}
    for name, array in weights.items():
        new = name
        for ours, theirs in _OTHER_LIBRARY.items():
            new = new.replace(ours, theirs)
        found[new] = array
    return found


def numbered(weights: Arrays) -> Arrays:
    """Under names that tell nothing, in another order."""
    return {f"onnx::MatMul_{100 + 7 * i}": array for i, array in enumerate(reversed(weights.values()))}


def turned(weights: Arrays) -> Arrays:
    """Each matrix but the tables stored the other way round."""
    return {
        name: np.ascontiguousarray(array.T) if array.ndim == 2 and "embeddings" not in name else array
        for name, array in weights.items()
    }


def converted(weights: Arrays) -> Arrays:
    """Every matrix transposed, under names that reveal nothing."""
    return numbered({name: np.ascontiguousarray(array.T) for name, array in weights.items()})


LAYOUTS = {"renamed": renamed, "numbered": numbered, "turned": turned, "converted": converted}
