"""What could not be read of a model says nothing: the rest has its word, and no tensor counts as missing or as new."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest

from lineage.ancestry import compare, whois
from lineage.store import SqliteIndex
from lineage.types import CheckpointSketch
from lineage.types.facts.exclusions import NotFinite
from tests.packed_models import CONFIG, UNTOLD, dense, phi3, renamed
from tests.small_models import tuned
from tests.synthetic import Arrays, sketch

QUERY = "model.layers.0.self_attn.q_proj.weight"
TABLE = "model.embed_tokens.weight"


def damaged(model: Arrays, *names: str, value: float = np.nan) -> Arrays:
    made = {name: array.copy() for name, array in model.items()}
    for name in names:
        made[name].flat[7] = value
    return made


def network(seed: int) -> Arrays:
    """One kernel a layer, so that one which is not read leaves a layer without any."""
    draw, inputs, made = np.random.default_rng(seed), 3, {}
    for layer, outputs in enumerate((48, 64, 64, 96)):
        scale = draw.gamma(2, 0.5, (outputs, 1, 1, 1)) / np.sqrt(9 * inputs)
        kernel = draw.standard_normal((outputs, inputs, 3, 3)) * scale
        made[f"features.{3 * layer}.weight"] = kernel.astype(np.float32)
        made[f"features.{3 * layer}.bias"] = draw.standard_normal(outputs).astype(np.float32)
        inputs = outputs
    return made


CASES: Mapping[str, tuple[Callable[[int], Arrays], Callable[[Arrays], Arrays]]] = {
    "a matrix": (dense, lambda m: damaged(m, QUERY)),
    "two matrices": (dense, lambda m: damaged(m, QUERY, "model.layers.1.mlp.down_proj.weight")),
    "a matrix under another name": (dense, lambda m: renamed(damaged(m, QUERY))),
    "a part of a fused matrix": (dense, lambda m: phi3(damaged(m, QUERY))),
    "the table of tokens": (dense, lambda m: damaged(m, TABLE)),
    "infinity": (dense, lambda m: damaged(m, QUERY, value=np.inf)),
    "the only kernel of a layer": (network, lambda m: damaged(m, "features.3.weight")),
    "a kernel under another name": (
        network, lambda m: {n.replace("features", "body"): a for n, a in damaged(m, "features.3.weight").items()}
    ),
}  # fmt: skip


def told(arrays: Arrays, name: str = "net") -> CheckpointSketch:
    return sketch(arrays, name=name, config=CONFIG)


@pytest.mark.parametrize("case", CASES)
class TestOneTensorNotRead:
    def test_the_rest_is_identical_and_the_whole_is_not_called_so(self, case):
        make, damage = CASES[case]
        part, whole = told(damage(make(0))), told(make(0))
        for found in (compare(part, whole), compare(whole, part)):
            assert (found.verdict, found.relation, found.direction) == ("derived", "identical", "undirected")
            assert found.share == pytest.approx(1.0 - part.unread / part.params, abs=1e-6)
        assert part.unread > 0
        assert any(isinstance(reason, NotFinite) for _, reason in part.left_out)

    @pytest.mark.parametrize("by", [0.03, 0.3])
    def test_tuned_it_is_what_the_tuned_model_is(self, case, by):
        make, damage = CASES[case]
        trained = tuned(make(0), seed=5, by=by)
        part, plain, base = told(damage(trained)), told(trained), told(make(0))
        for found, usual in ((compare(part, base), compare(plain, base)), (compare(base, part), compare(base, plain))):
            assert (found.verdict, found.relation, found.direction) == (usual.verdict, usual.relation, usual.direction)

    def test_of_an_unrelated_model_nothing_is_found(self, case):
        make, damage = CASES[case]
        part = told(damage(make(1)))
        for found in (compare(part, told(make(0))), compare(told(make(0)), part)):
            assert found.relation == "independent"
            assert found.share == 0.0

    def test_a_search_says_no_direction_and_no_copy(self, case, tmp_path):
        make, damage = CASES[case]
        with SqliteIndex.create(tmp_path) as index:
            for name, arrays in (("base", make(0)), ("other", make(1)), ("damaged too", damage(make(0)))):
                index.add(told(arrays, name), "0.0.test")
            found = whois(told(damage(make(0)), "asked"), [index])
        assert found.verdict == "related"
        assert {(one.model_name, one.relation) for one in found.place.open} >= {("base", "identical")}
        assert (found.place.copies, found.place.parents, found.place.descendants) == ((), (), ())


def test_a_fused_matrix_that_names_do_not_split_is_set_aside_with_its_parts():
    part = damaged(UNTOLD["by head, unsplit"](dense(0)), QUERY.replace("q_proj", "query_key_value"))
    part, whole = (sketch(arrays, config={}) for arrays in (part, dense(0)))
    for found in (compare(part, whole), compare(whole, part)):
        assert (found.verdict, found.relation, found.direction) == ("derived", "re-encoded", "undirected")


def test_what_one_model_has_beyond_what_is_not_read_is_still_more():
    """A layer more than the damaged matrix could be: the model has changed its layers."""
    part = damaged({n: a for n, a in dense(0).items() if ".layers.1." not in n}, QUERY)
    assert compare(told(part), told(dense(0))).relation == "depth-changed"


def test_half_precision_of_what_was_read_is_still_recast():
    part = {n: a.astype(np.float16) for n, a in damaged(dense(0), QUERY).items()}
    found = compare(told(part), told(dense(0)))
    assert (found.verdict, found.relation, found.direction) == ("derived", "re-encoded", "child")
