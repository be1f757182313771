"""One model is one model, however a framework packed it: fused or split, stacked or one by one, pairs or halves."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from lineage.ancestry import compare
from lineage.ancestry.chance import null
from lineage.ancestry.trees.pairs import Pairs
from lineage.checkpoints import open_checkpoint
from lineage.checkpoints.decode.row_orders import grouped_heads, halves_of_heads, pairs_of_heads, sorted_heads
from lineage.match import LOG10_ALPHA, match
from lineage.match.row_layouts import attention_orders, gate_orders
from lineage.match.row_orders import FacingRows, best_order
from lineage.match.row_stacks import RowStack, joined_name, row_stack
from lineage.sketch import sketch_checkpoint
from lineage.types import CheckpointSketch, Comparison, Depth
from tests.packed_models import (
    CONFIG,
    DENSE,
    EXPERT_STACKS,
    EXPERTS,
    HEADS,
    ROTARY,
    UNTOLD,
    UNTOLD_EXPERTS,
    conv1d,
    dense,
    experts,
    in_pairs,
    mixture,
    phi3,
)
from tests.small_models import saved, tuned
from tests.synthetic import Arrays, sketch, tensor

GROUPS = [HEADS, 2]
DEPTHS: list[Depth] = ["full", "sampled"]
NO_DIRECTION = (None, "undirected")


@cache
def split(groups: int = HEADS, depth: Depth = "full") -> CheckpointSketch:
    return sketch(dense(0, groups), depth, config=CONFIG)


@cache
def one_by_one(depth: Depth = "full") -> CheckpointSketch:
    return sketch(mixture(0), depth, config=CONFIG)


def config(extra: dict[str, Any]) -> dict[str, Any]:
    return {**CONFIG, **extra} if extra else {}


def stack_of(rows: NDArray[np.float32]) -> RowStack:
    stack = row_stack([tensor(rows)])
    assert stack is not None
    return stack


def found_by_values(name: str) -> str:
    """The word for a packing that only values reveal: two whole parts that changed names are equal as they are."""
    return "identical" if name == "up before gate" else "re-encoded"


def both_ways(a: CheckpointSketch, b: CheckpointSketch) -> list[Comparison]:
    return [compare(a, b), compare(b, a)]


def assert_like(found: Comparison, plain: Comparison) -> None:
    """The answer is that of the same pair in one packing."""
    assert (found.verdict, found.relation, found.direction) == (plain.verdict, plain.relation, plain.direction)
    assert {c.name: c.relation for c in found.components} == {c.name: c.relation for c in plain.components}


class TestFusedAndSplit:
    @pytest.mark.parametrize("depth", DEPTHS)
    @pytest.mark.parametrize("groups", GROUPS)
    @pytest.mark.parametrize("name", DENSE)
    def test_the_parts_are_the_split_model_where_names_tell(self, name: str, groups: int, depth: Depth) -> None:
        pack, extra = DENSE[name]
        made = sketch(pack(dense(0, groups)), depth, config=config(extra))
        for found in both_ways(made, split(groups, depth)):
            assert (found.verdict, found.relation) == ("identical", "identical")
            assert found.direction in NO_DIRECTION

    @pytest.mark.parametrize("name", DENSE)
    def test_a_told_packing_has_the_id_of_the_split_model(self, name: str) -> None:
        pack, extra = DENSE[name]
        assert sketch(pack(dense(0)), config=config(extra)).id == split().id

    @pytest.mark.parametrize("depth", DEPTHS)
    @pytest.mark.parametrize("groups", GROUPS)
    @pytest.mark.parametrize("name", UNTOLD)
    def test_values_tell_the_order_of_rows_where_names_do_not(self, name: str, groups: int, depth: Depth) -> None:
        if name == "codegen" and groups != HEADS:
            pytest.skip("CodeGen has as many keys as queries")
        made = sketch(UNTOLD[name](dense(0, groups)), depth, config={})
        for found in both_ways(made, split(groups, depth)):
            assert (found.relation, found.direction) == (found_by_values(name), "undirected")
            assert found.evidence.r == pytest.approx(1.0)

    @pytest.mark.parametrize("name", [*DENSE, *UNTOLD])
    def test_a_tuned_and_fused_model_is_what_the_tuned_one_is(self, name: str) -> None:
        trained = tuned(dense(0), seed=5, by=0.1)
        plain = sketch(trained, config=CONFIG)
        pack, extra = DENSE[name] if name in DENSE else (UNTOLD[name], {})
        made = sketch(pack(trained), config=config(extra))
        assert_like(compare(made, split()), compare(plain, split()))
        assert_like(compare(split(), made), compare(split(), plain))

    @pytest.mark.parametrize("name", [*DENSE, *UNTOLD])
    def test_unrelated_models_stay_independent_with_all_their_weights_tested(self, name: str) -> None:
        pack, extra = DENSE[name] if name in DENSE else (UNTOLD[name], {})
        for found in both_ways(sketch(pack(dense(1)), config=config(extra)), split()):
            assert found.verdict == "independent"
            assert found.evidence.log10_p > LOG10_ALPHA
            assert found.evidence.coverage > 0.9

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("by head", "conv1d"),
            ("by head, unsplit", "conv1d"),
            ("gate and up by turns", "up before gate"),
            ("codegen", "by head, unsplit"),
            ("codegen", "conv1d"),
        ],
    )
    def test_two_packings_neither_of_which_is_the_split_one(self, one: str, other: str) -> None:
        left, right = (sketch(UNTOLD[name](dense(0)), config={}) for name in (one, other))
        for found in both_ways(left, right):
            assert (found.relation, found.direction) == ("re-encoded", "undirected")

    def test_biases_are_fused_with_their_matrices(self) -> None:
        def biased(model: Arrays) -> Arrays:
            draw = np.random.default_rng(3)
            return model | {
                n.replace(".weight", ".bias"): draw.standard_normal(len(a)).astype(np.float32)
                for n, a in model.items()
                if "_proj" in n
            }

        def packed(model: Arrays) -> Arrays:
            made = phi3({n: a for n, a in model.items() if n.endswith("weight")})
            for n in [n for n in model if n.endswith("q_proj.bias")]:
                parts = [model[n.replace("q_proj", f"{part}_proj")] for part in "qkv"]
                made[n.replace("q_proj", "qkv_proj")] = np.concatenate(parts)
            for n in [n for n in model if n.endswith("gate_proj.bias")]:
                made[n.replace("gate_proj", "gate_up_proj")] = np.concatenate(
                    [model[n], model[n.replace("gate", "up")]]
                )
            return made | {n: a for n, a in model.items() if n.endswith(("o_proj.bias", "down_proj.bias"))}

        model = biased(dense(0))
        assert sketch(packed(model), config={}).id == sketch(model, config=CONFIG).id

    def test_parts_are_read_from_a_file_without_reading_it_twice(self, tmp_path: Path) -> None:
        made = open_checkpoint(saved(phi3(dense(0)), tmp_path / "model.safetensors"))
        found = sketch_checkpoint(made)
        assert found.id == sketch(dense(0), config={}).id
        assert found.bytes_read <= 1.05 * made.nbytes

    def test_a_part_says_in_which_tensor_it_lies(self) -> None:
        names = {t.name for t in sketch(phi3(dense(0)), config={}).tensors}
        assert {f"model.layers.0.self_attn.qkv_proj.{part}_proj.weight" for part in "qkv"} <= names
        assert "model.layers.1.mlp.gate_up_proj.up_proj.weight" in names

    def test_a_matrix_whose_layout_is_not_told_is_held_against_the_parts_together(self) -> None:
        """So is one of a sketch that was made before parts were told apart."""
        fused = sketch(UNTOLD["by head, unsplit"](dense(0)), config={})
        assert any(t.part.role == "qkv" for t in fused.tensors)
        held = [t for t in match(fused, split()).tensors if t.role == "qkv"]
        assert {t.shape for t in held} == {(192, 64)}
        assert "model.layers.0.self_attn.(q_proj+k_proj+v_proj).weight" in {t.b for t in held}


class TestExperts:
    @pytest.mark.parametrize("depth", DEPTHS)
    @pytest.mark.parametrize("name", EXPERT_STACKS)
    def test_stacked_experts_are_the_experts(self, name: str, depth: Depth) -> None:
        pack, extra = EXPERT_STACKS[name]
        made = sketch(pack(mixture(0)), depth, config=config(extra))
        turned = name in ("llama-4", "gpt-oss", "dbrx", "megatron, grouped") or name.endswith("stacks of any name")
        for found in both_ways(made, one_by_one(depth)):
            assert (found.relation, found.direction) == ("re-encoded" if turned else "identical", "undirected")
            expert_map = next(c.expert_map for c in found.components if c.name == "experts")
            assert expert_map == tuple((e, e) for e in range(EXPERTS))

    @pytest.mark.parametrize("name", UNTOLD_EXPERTS)
    def test_values_tell_gate_from_up(self, name: str) -> None:
        made = sketch(UNTOLD_EXPERTS[name](mixture(0)), config={})
        for found in both_ways(made, one_by_one()):
            assert (found.relation, found.direction) == (found_by_values(name), "undirected")

    @pytest.mark.parametrize("name", [*EXPERT_STACKS, *UNTOLD_EXPERTS])
    def test_a_tuned_stack_is_fine_tuned(self, name: str) -> None:
        pack, extra = EXPERT_STACKS[name] if name in EXPERT_STACKS else (UNTOLD_EXPERTS[name], {})
        trained = tuned(mixture(0), seed=5, by=0.1)
        made = sketch(pack(trained), config=config(extra))
        assert_like(compare(made, one_by_one()), compare(sketch(trained, config=CONFIG), one_by_one()))

    @pytest.mark.parametrize("name", [*EXPERT_STACKS, *UNTOLD_EXPERTS])
    def test_unrelated_mixtures_stay_independent(self, name: str) -> None:
        pack, extra = EXPERT_STACKS[name] if name in EXPERT_STACKS else (UNTOLD_EXPERTS[name], {})
        for found in both_ways(sketch(pack(mixture(1)), config=config(extra)), one_by_one()):
            assert found.verdict == "independent"
            assert found.evidence.log10_p > LOG10_ALPHA

    @pytest.mark.parametrize("turn", [False, True])
    def test_a_file_is_read_expert_by_expert(self, turn: bool, tmp_path: Path) -> None:
        packed = experts(mixture(0), "gate_up_proj", "down_proj", turn=turn)
        from_file = sketch_checkpoint(open_checkpoint(saved(packed, tmp_path / "model.safetensors")))
        assert from_file.id == sketch(packed, config={}).id

    def test_a_table_of_something_else_stays_whole(self) -> None:
        arrays = {"experts.w1": np.ones((3, 8, 4), np.float32), "experts.gate_up_proj": np.ones((3, 8, 4), np.float32)}
        assert {t.name for t in sketch(arrays, config={}).tensors} == {
            "experts.gate_up_proj", *(f"experts.{e}.w1.weight" for e in range(3))
        }  # fmt: skip


class TestRotaryRows:
    @pytest.mark.parametrize("depth", DEPTHS)
    @pytest.mark.parametrize("groups", GROUPS)
    @pytest.mark.parametrize("name", ROTARY)
    def test_pairs_and_halves_are_one_model(self, name: str, groups: int, depth: Depth) -> None:
        made = sketch(ROTARY[name](dense(0, groups)), depth, config={})
        for found in both_ways(made, split(groups, depth)):
            assert (found.verdict, found.relation, found.direction) == ("identical", "re-encoded", "undirected")

    @pytest.mark.parametrize("name", ROTARY)
    def test_tuned_on_the_way_is_fine_tuned(self, name: str) -> None:
        trained = tuned(dense(0), seed=5, by=0.1)
        made = sketch(ROTARY[name](trained), config={})
        assert_like(compare(made, split()), compare(sketch(trained, config=CONFIG), split()))

    @pytest.mark.parametrize("name", ROTARY)
    def test_unrelated_models_stay_independent(self, name: str) -> None:
        for found in both_ways(sketch(ROTARY[name](dense(1)), config={}), split()):
            assert found.verdict == "independent"
            assert found.evidence.log10_p > LOG10_ALPHA

    def test_rows_that_share_a_direction_are_no_adapter(self) -> None:
        """Trained queries and keys have much in common within a head, so that wrong rows are alike, too."""
        draw = np.random.default_rng(3)
        model = dense(0)
        for name in [n for n in model if "q_proj" in n or "k_proj" in n]:
            shared = draw.gamma(2, 0.5, (len(model[name]), 1)) * draw.standard_normal(model[name].shape[1]) / 8
            model[name] = (model[name] + shared).astype(np.float32)
        found = compare(sketch(in_pairs(model), config={}), sketch(model, config={}))
        assert (found.verdict, found.relation) == ("identical", "re-encoded")


class TestOrders:
    @given(groups=st.integers(1, 4), queries=st.integers(1, 4), side=st.sampled_from([8, 16, 24]))
    def test_orders_come_in_pairs_that_undo_each_other(self, groups: int, queries: int, side: int) -> None:
        length = (groups * queries + 2 * groups) * side
        rows = np.arange(length)
        there, back = sorted_heads(length, groups * queries, groups), grouped_heads(length, groups * queries, groups)
        assert np.array_equal(there(back(rows)), rows)
        assert np.array_equal(halves_of_heads(side)(pairs_of_heads(side)(rows)), rows)
        assert np.array_equal(np.sort(there(rows)), rows)

    @given(units=st.integers(1, 40))
    def test_every_candidate_moves_every_row_to_a_place_of_its_own(self, units: int) -> None:
        for order in gate_orders(units):
            assert np.array_equal(np.sort(order), np.arange(2 * units))

    def test_candidates_are_distinct_and_move_something(self) -> None:
        orders = attention_orders((64, 32, 32))
        assert len({order.tobytes() for order in orders}) == len(orders)
        for order in orders:
            assert np.array_equal(np.sort(order), np.arange(128))
            assert not np.array_equal(order, np.arange(128))

    @pytest.mark.parametrize("seed", range(20))
    def test_no_order_is_found_where_none_is_right(self, seed: int) -> None:
        """Rows of two networks, and rows that were shuffled at random."""
        draw = np.random.default_rng(seed)
        rows = draw.standard_normal((192, 64)).astype(np.float32)
        other = rows[draw.permutation(192)] if seed % 2 else draw.standard_normal((192, 64)).astype(np.float32)
        facing = FacingRows(stack_of(rows), stack_of(other))
        assert best_order([facing], attention_orders((64, 64, 64)), 1) is None

    def test_rows_in_place_stay_there(self) -> None:
        rows = np.random.default_rng(0).standard_normal((192, 64)).astype(np.float32)
        noisy = rows + np.random.default_rng(1).standard_normal((192, 64)).astype(np.float32)
        for other in (rows, noisy):
            facing = FacingRows(stack_of(rows), stack_of(other))
            assert best_order([facing], attention_orders((64, 64, 64)), 1) is None

    def test_more_models_searched_ask_for_more_proof(self) -> None:
        rows = np.random.default_rng(0).standard_normal((48, 64)).astype(np.float32)
        orders = gate_orders(24)
        facing = FacingRows(stack_of(rows), stack_of(rows[orders[1]]))
        assert best_order([facing], orders, 1) is not None
        assert best_order([facing], orders, 10**9) is None

    @pytest.mark.parametrize(
        ("names", "expected"),
        [
            (["a.q.weight"], "a.q.weight"),
            (["a.q.weight", "a.k.weight", "a.v.weight"], "a.(q+k+v).weight"),
            (["a.query.proj.weight", "a.key.weight"], "a.(query/proj+key).weight"),
            (["q", "k"], "(q+k)"),
        ],
    )
    def test_a_joined_tensor_names_its_members(self, names: list[str], expected: str) -> None:
        assert joined_name(names) == expected


def test_the_order_of_the_two_does_not_matter_for_a_pair_of_unlike_depths() -> None:
    full, sampled = sketch(conv1d(dense(0)), "full", config={}), split(HEADS, "sampled")
    for found in both_ways(full, sampled):
        assert found.relation == "re-encoded"


def test_what_was_joined_is_in_no_sketch() -> None:
    """Joining is for the comparison alone: neither model's own sketch changes, nor its id."""
    made = sketch(UNTOLD["by head"](dense(0)), config={})
    before = made.tensors
    compare(made, split())
    assert made.tensors is before
    assert replace(made, name="again").id == made.id


@pytest.mark.parametrize("name", [*DENSE, *UNTOLD, *ROTARY, *EXPERT_STACKS, *UNTOLD_EXPERTS])
def test_every_variant_is_in_the_table(name: str) -> None:
    assert f"`{name}`" in (Path(__file__).parents[3] / "docs" / "formats.md").read_text()


class TestWhatComesAfterTheMatch:
    """Joined tensors are in neither sketch: what looks a tensor up by its name must not miss them."""

    def test_the_null_of_the_report_is_drawn_from_what_shares_an_axis(self) -> None:
        query = sketch(ROTARY["meta"](dense(0)), config={})
        found = compare(query, split())
        drawn = null(query, [found], {split().id: split()}, {c.name: found for c in found.components})
        assert [one.component for one in drawn.relabelled] == [c.name for c in found.components]

    def test_the_correlation_of_a_graph_covers_what_was_joined(self) -> None:
        pairs = Pairs([sketch(ROTARY["meta"](tuned(dense(0), seed=5, by=0.1)), config={}), split()], None)
        assert pairs.correlation(0, 1) == pytest.approx(0.995, abs=0.003)
        assert sum(params for params, _ in pairs.alike(0, 1)) > 0.99 * split().params
