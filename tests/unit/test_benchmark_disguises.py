"""The benchmark of disguises counts what it says it counts."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from benchmark_disguises import Seen, found_table, map_text
from disguises import permuted
from zoo.recipes import Recipe

from tests.disguised_models import LAYERS, MLP, llama, sketched

SEEN = Seen("permuted", is_first=True, is_named=True, is_disguised=True, beneath=True, points="open", strangers=0)


def recipe(seed: int) -> Recipe:
    return Recipe("a.permuted", "score", "llama", "disguised", ("a",), {"how": "permuted", "seed": seed})


@pytest.mark.parametrize(("seed", "right"), [(3, True), (4, False)], ids=["its own order", "another order"])
def test_the_map_is_held_against_the_order_that_was_made(seed, right):
    models = {"a": sketched(llama(1)), "a.permuted": sketched(permuted(llama(1), 3))}
    told = re.search(r": (\d+) of (\d+) pairs right", map_text(models, {"a.permuted": recipe(seed)}))
    assert told is not None
    count, of = map(int, told.groups())
    assert of >= 0.99 * LAYERS * MLP
    assert (count == of) == right
    assert right or count < 0.1 * of


def test_the_table_counts_by_what_was_done():
    lost = replace(SEEN, is_first=False, is_disguised=False, beneath=None, points="wrong", strangers=2)
    rows = found_table([SEEN, lost, replace(SEEN, way="h2.int8", beneath=False, points="right")]).splitlines()
    assert [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]] == [
        ["permuted", "1 of 2 (50%)", "2 of 2 (100%)", "1 of 2 (50%)", "1 of 1", "1 wrong, 1 open", "2"],
        ["all, then int8", "1 of 1 (100%)", "1 of 1 (100%)", "1 of 1 (100%)", "0 of 1", "1 right", "0"],
        ["**all**", "2 of 3 (67%)", "3 of 3 (100%)", "2 of 3 (67%)", "1 of 2", "1 wrong, 1 right, 1 open", "2"],
    ]
