"""Blocks of networks in stages, which are numbered anew in each: dropped, doubled, or trained anew."""

from __future__ import annotations

import numpy as np
import pytest

from lineage.anatomy.names import block_of
from lineage.ancestry import compare
from lineage.types import Direction, Relation
from lineage.types.facts.cues import CopiedLayers, FewerLayers
from tests.synthetic import Arrays, sketch

WIDTHS = (32, 64, 96)
Block = tuple[int, int]


def residual(seed: int, stage: str = "layer{}.{}.") -> Arrays:
    """A stem, three stages of three blocks, and a classifier."""
    rng = np.random.default_rng(seed)
    net: Arrays = {"conv1.weight": rng.standard_normal((WIDTHS[0], 3, 7, 7))}
    for number, (reads, wide) in enumerate(zip((WIDTHS[0], *WIDTHS), WIDTHS, strict=False), 1):
        for block in range(3):
            path = stage.format(number, block)
            net[f"{path}conv1.weight"] = rng.standard_normal((wide, reads if block == 0 else wide, 3, 3))
            net[f"{path}conv2.weight"] = rng.standard_normal((wide, wide, 3, 3))
            for norm in ("bn1", "bn2"):
                net[f"{path}{norm}.weight"] = 1 + 0.3 * rng.standard_normal(wide)
    net["fc.weight"] = rng.standard_normal((10, WIDTHS[-1]))
    return {name: array.astype(np.float32) for name, array in net.items()}


def without(net: Arrays, *gone: Block) -> Arrays:
    """The network without some blocks, those behind them renumbered."""
    left: Arrays = {}
    for name, array in net.items():
        head, *rest = name.split(".")
        if head.startswith("layer"):
            stage, block = int(head.removeprefix("layer")), int(rest[0])
            if (stage, block) in gone:
                continue
            rest[0] = str(block - sum(s == stage and b < block for s, b in gone))
        left[".".join((head, *rest))] = array
    return left


def trained(net: Arrays) -> Arrays:
    rng = np.random.default_rng(9)
    return {
        name: (array + 0.03 * array.std() * rng.standard_normal(array.shape)).astype(np.float32)
        for name, array in net.items()
    }


WHOLE = residual(1)


@pytest.mark.parametrize("gone", [[(3, 2)], [(2, 1)], [(2, 1), (3, 2)], [(1, 1), (2, 1), (3, 1)]])
def test_a_network_without_some_blocks_came_later(gone: list[Block]) -> None:
    shallow, whole = sketch(without(WHOLE, *gone)), sketch(WHOLE)
    down, up = compare(shallow, whole), compare(whole, shallow)
    assert (down.relation, down.direction) == (Relation.DEPTH_CHANGED, Direction.CHILD)
    assert (up.relation, up.direction) == (Relation.DEPTH_CHANGED, Direction.PARENT)
    assert FewerLayers("this-model", 9 - len(gone), 9) in down.basis


def test_trained_afterwards_it_is_open() -> None:
    found = compare(sketch(trained(without(WHOLE, (2, 1)))), sketch(WHOLE))
    assert (found.relation, found.direction) == (Relation.DEPTH_CHANGED, Direction.UNDIRECTED)


def test_a_network_with_a_block_twice_came_later() -> None:
    doubled = WHOLE | {n.replace("layer2.1.", "layer2.3."): a for n, a in WHOLE.items() if n.startswith("layer2.1.")}
    deep, whole = sketch(doubled), sketch(WHOLE)
    down, up = compare(deep, whole), compare(whole, deep)
    assert (down.relation, down.direction, up.direction) == (
        Relation.DEPTH_CHANGED,
        Direction.CHILD,
        Direction.PARENT,
    )
    assert CopiedLayers("this-model") in down.basis


def test_a_block_that_was_trained_anew_was_not_dropped() -> None:
    other = residual(2)
    anew = sketch(WHOLE | {n: other[n] for n in WHOLE if n.startswith("layer1.2.")})
    for pair in ((anew, sketch(WHOLE)), (sketch(WHOLE), anew)):
        found = compare(*pair)
        assert (found.relation == Relation.DEPTH_CHANGED, found.direction) == (False, Direction.UNDIRECTED)


def test_unrelated_networks_in_stages_are_independent() -> None:
    assert compare(sketch(residual(2)), sketch(without(WHOLE, (2, 1)))).verdict == "independent"


@pytest.mark.parametrize(
    ("name", "block"),
    [
        ("layer2.1.conv1.weight", "layer2.1"),
        ("layer2.0.downsample.0.weight", "layer2.0"),
        ("module.stages.2.blocks.5.conv_dw.weight", "module.stages.2.blocks.5"),
        ("features.7.conv.0.weight", "features.7"),
        ("features.3.2.block.1.weight", "features.3.2"),
        ("conv1.weight", None),
        ("fc.0", None),
    ],
)
def test_the_block_of_a_name(name: str, block: str | None) -> None:
    assert block_of(name) == block
