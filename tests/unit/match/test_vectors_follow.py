"""A bias goes where the matrix of its module went."""

from __future__ import annotations

import numpy as np

from lineage.match import match
from tests.synthetic import Arrays, sketch

CHANNELS = (40, 96, 64, 64, 96)


def convolutions(seed: int, first: int) -> Arrays:
    """Four layers named `conv` and a number, counted from `first`."""
    random = np.random.default_rng(seed)
    shapes = list(zip(CHANNELS[1:], CHANNELS[:-1], strict=True))
    layers = {f"conv{first + n}": random.standard_normal((*shape, 3)) for n, shape in enumerate(shapes)}
    biases = {f"{name}.bias": random.standard_normal(len(kernel)) for name, kernel in layers.items()}
    made = {f"{name}.weight": kernel for name, kernel in layers.items()} | biases
    return {name: array.astype(np.float32) for name, array in made.items()}


def partners(a: Arrays, b: Arrays) -> dict[str, str]:
    return {held.a: held.b for held in match(sketch(a), sketch(b)).tensors}


def test_layers_counted_from_one_face_those_counted_from_nought_with_their_biases() -> None:
    found = partners(convolutions(1, first=1), convolutions(1, first=0))
    assert found == {f"conv{n}.{leaf}": f"conv{n - 1}.{leaf}" for n in range(1, 5) for leaf in ("weight", "bias")}


def test_the_values_of_a_vector_are_not_looked_at() -> None:
    other = convolutions(1, first=0)
    random = np.random.default_rng(3)
    drawn = {name: random.standard_normal(a.shape).astype(np.float32) for name, a in other.items() if a.ndim == 1}
    assert partners(convolutions(1, first=1), other | drawn) == partners(convolutions(1, first=1), other)


def test_a_bias_whose_matrix_has_no_partner_stays_where_it_is() -> None:
    model = convolutions(1, first=0)
    alone = {"conv0.bias": model["conv0.bias"], "conv3.weight": model["conv3.weight"]}
    assert partners(model, alone)["conv0.bias"] == "conv0.bias"


def test_unrelated_models_are_paired_module_by_module() -> None:
    found = partners(convolutions(1, first=0), convolutions(2, first=0))
    assert all(mine == theirs for mine, theirs in found.items())
