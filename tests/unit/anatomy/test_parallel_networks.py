"""Networks of one design side by side are components of their own; parts of one network are not."""

from __future__ import annotations

import pytest

from lineage.anatomy import describe
from lineage.types import Part
from tests import model_shapes as shapes

DETECTOR = (
    ("encoder.0.conv.weight", (128, 129, 3)), ("encoder.0.conv.bias", (128,)),
    ("encoder.1.conv.weight", (64, 128, 3)), ("encoder.1.conv.bias", (64,)),
    ("decoder.rnn.weight_ih", (512, 64)), ("decoder.rnn.weight_hh", (512, 128)), ("decoder.rnn.bias_ih", (512,)),
    ("decoder.out.weight", (1, 128, 1)), ("decoder.out.bias", (1,)),
)  # fmt: skip


def detector(prefix: str, bins: int = 129) -> shapes.Shapes:
    """One network; `bins` are its inputs."""
    return [(f"{prefix}.{name}", tuple(bins if n == 129 else n for n in shape)) for name, shape in DETECTOR]


def parts_of(model: shapes.Shapes) -> dict[str, Part]:
    return {name: part for (name, _), part in zip(model, describe(model, {}).parts, strict=True)}


def components(model: shapes.Shapes) -> dict[str, set[str]]:
    """The first words of the names in each component."""
    found: dict[str, set[str]] = {}
    for name, part in parts_of(model).items():
        found.setdefault(part.component, set()).add(name.split(".")[0])
    return found


@pytest.mark.parametrize(
    ("large", "small"),
    [
        ("_model", "_model_8k"),
        ("model", "model_8k"),
        ("If_0_then_branch", "If_0_else_branch"),
        ("net.encoder_q", "net.encoder_k"),
    ],
)
def test_the_larger_of_two_networks_is_the_first_whatever_their_names_and_order(large: str, small: str) -> None:
    for model in (
        [*detector(large), *detector(small, bins=65)],
        [*detector(small, bins=65), *detector(large)],
        [*detector(small), *detector(large, bins=300)],
    ):
        parts = parts_of(model)
        assert {part.component for name, part in parts.items() if name.startswith(f"{large}.")} == {"network"}
        assert {part.component for name, part in parts.items() if name.startswith(f"{small}.")} == {"network 2"}


def test_their_tensors_have_the_roles_and_layers_that_they_have_alone() -> None:
    both, alone = parts_of([*detector("net"), *detector("net_8k", bins=65)]), parts_of(detector("net"))
    for name, part in alone.items():
        twin = both[name.replace("net.", "net_8k.")]
        assert both[name] == part
        assert (twin.role, twin.layer) == (part.role, part.layer)


def test_each_has_units_of_its_own() -> None:
    parts = parts_of([*detector("net"), *detector("net_8k", bins=65)])
    first, second = (
        {axis.label for part in parts.values() for axis in part.axes if axis.exchangeable and part.component == name}
        for name in ("network", "network 2")
    )
    assert first
    assert second
    assert not first & second


def test_three_are_numbered_by_size() -> None:
    model = [*detector("net_a", 65), *detector("net_b", 129), *detector("net_c", 33)]
    assert components(model) == {"network": {"net_b"}, "network 2": {"net_a"}, "network 3": {"net_c"}}


def test_vectors_beside_them_go_with_the_first() -> None:
    model = [*detector("net"), *detector("net_8k", bins=65), ("mean", (40,)), ("scale", (40,))]
    assert components(model) == {"network": {"net", "mean", "scale"}, "network 2": {"net_8k"}}


@pytest.mark.parametrize(
    "prefixes",
    [("layer1", "layer2"), ("net_1", "net_2"), ("H", "C"), ("actor", "critic"), ("0", "1")],
)
def test_prefixes_that_count_or_have_nothing_in_common_are_one_network(prefixes: tuple[str, str]) -> None:
    model = [*detector(prefixes[0]), *detector(prefixes[1], bins=65)]
    assert {part.component for part in parts_of(model).values()} == {"network"}


@pytest.mark.parametrize(
    "more",
    [
        [("net_8k.decoder.more.weight", (8, 8))],
        [("stem.weight", (128, 3))],
        [("net.norm.weight", (64,))],
    ],
)
def test_networks_of_two_designs_are_one(more: shapes.Shapes) -> None:
    model = [*detector("net"), *detector("net_8k", bins=65), *more]
    assert {part.component for part in parts_of(model).values()} == {"network"}


def test_two_heads_are_no_networks() -> None:
    model = [(f"{head}.{leaf}", shape) for head in ("fc_mean", "fc_spread") for leaf, shape in DETECTOR[:1]]
    assert {part.component for part in parts_of(model).values()} == {"network"}
