"""Make the adapters that the tests carry: LoRA trained on a model of the zoo, and one taken out of a merged child.

    python scripts/make_adapters.py --cache DIR [--target tests/fixtures/adapters]

Needs what make_zoo.py needs, and a cache that it has made. The trained ones differ in what their names say: which first
factors they began with and what they were trained on; the order of the data differs for all.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from operators import Arrays, write
from torch import Tensor
from zoo.building import notes_of
from zoo.model import Model, load
from zoo.training import _ADAPTED, Course, _batches, _descent, _likelihood, _merged

BASE = "gpt2-0-prose.sft"
MERGED = "gpt2-0-prose.sft.lora4"
RANK = 4
TRAINED = {"first-1-qa": ("qa", 1, 1), "first-1-qa-again": ("qa", 1, 2), "first-3-headers": ("headers", 3, 3)}
"""Of each adapter the data, the seed of its first factors, the seed of the order of the data."""

Factors = Mapping[str, tuple[NDArray[Any], NDArray[Any]]]


def main() -> None:
    """Parse the arguments and write the folders."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True, help="folder of the zoo")
    parser.add_argument("--target", type=Path, default=Path("tests/fixtures/adapters"))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    base, child = (load(asked.cache / name, notes_of(asked.cache, name)["vocabulary"]) for name in (BASE, MERGED))
    save(taken_out(base.arrays, child.arrays), asked.target / "taken-out-of-lora4", np.float32)
    for name, (data, first, order) in TRAINED.items():
        course = Course(data=data, steps=50, lr=2e-3, seed=order, rank=RANK)
        save(trained(base, course, first, asked.cache / "data"), asked.target / name, np.float16)
        print(name)


def taken_out(base: Arrays, child: Arrays) -> Factors:
    """The adapter that a child has merged: the singular vectors of each difference."""
    factors = {}
    for name in filter(_ADAPTED.search, base):
        left, sizes, right = np.linalg.svd((child[name] - base[name]).astype(np.float64), full_matrices=False)
        factors[name] = left[:, :RANK] * sizes[:RANK], right[:RANK]
    return factors


def trained(model: Model, course: Course, first: int, folder: Path) -> Factors:
    """The factors after `course`: that on the side of the inputs drawn with the seed `first`, the other from zeros.

    W + 2 left right is trained; a Conv1D has a row for each input, so that PEFT's A is `left`, transposed.
    """
    generator = torch.Generator().manual_seed(first)
    weights = {n: torch.tensor(a) for n, a in model.arrays.items()}
    pairs: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        if tensor.ndim == 2 and _ADAPTED.search(name):
            into, out = tensor.shape
            draw = torch.rand(into, course.rank, generator=generator)
            pairs[f"{name}/a"] = torch.zeros(course.rank, out).requires_grad_()
            pairs[f"{name}/b"] = ((2 * draw - 1) / into**0.5).requires_grad_()
    torch.manual_seed(course.seed)
    descent, loss = _descent(list(pairs.values()), course), _likelihood(model)
    for _, batch in zip(range(course.steps), _batches(model, course, folder), strict=False):
        descent.step(loss(_merged(weights, pairs, course.rank), batch))
    names = [name.removesuffix("/a") for name in pairs if name.endswith("/a")]
    return {n: (2 * pairs[f"{n}/b"].detach().numpy(), pairs[f"{n}/a"].detach().numpy()) for n in names}


def save(factors: Factors, folder: Path, dtype: type[np.floating[Any]]) -> None:
    """Write a folder as PEFT does for layers that keep inputs as rows (Conv1D): W' = W + (B A)'."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors: Arrays = {}
    for name, (left, right) in factors.items():
        module = f"base_model.model.{name.removesuffix('.weight')}"
        tensors[f"{module}.lora_A.weight"] = np.ascontiguousarray(left.T.astype(dtype))
        tensors[f"{module}.lora_B.weight"] = np.ascontiguousarray(right.T.astype(dtype))
    write(tensors, folder / "adapter_model.safetensors")
    config = {
        "peft_type": "LORA", "r": RANK, "lora_alpha": RANK, "base_model_name_or_path": f"zoo/{BASE}",
        "fan_in_fan_out": True,
    }  # fmt: skip
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
