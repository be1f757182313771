"""Views of the logical parts of packed tensors: what they hold, and what is left as it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage.anatomy import unpacked
from lineage.anatomy import unpacking as module
from lineage.checkpoints.decode.cuts import column_range, every_other_row, matrices, row_range
from tests.packed_models import (
    CONFIG,
    DENSE,
    EXPERT_STACKS,
    dense,
    experts,
    granite,
    mixture,
    phi3,
)
from tests.synthetic import Arrays, view

NAMES = ["layers.0.attn.qkv.weight", "experts.gate_up_proj", "experts.down_proj", "mlp.gate_up_proj.weight"]


def parts(arrays: Arrays, config: dict[str, Any] | None = None) -> dict[str, Any]:
    found = unpacked([view(name, array) for name, array in arrays.items()], config or {})
    return {one.name: one for one in found}


def whole(one: Any) -> Any:
    return one.rows(0, one.shape[0])


class TestParts:
    @pytest.mark.parametrize("name", [*DENSE, *EXPERT_STACKS])
    def test_they_hold_the_values_of_the_split_model(self, name: str) -> None:
        pack, extra = (DENSE | EXPERT_STACKS)[name]
        model = dense(0) if name in DENSE else mixture(0)
        made = parts(pack(model), {**CONFIG, **extra})
        held = {whole(one).tobytes() for one in made.values()}
        held |= {np.ascontiguousarray(whole(one).T).tobytes() for one in made.values() if len(one.shape) == 2}
        assert {array.tobytes() for array in model.values()} <= held
        assert len(made) == len(model)

    @pytest.mark.parametrize("name", [*DENSE, *EXPERT_STACKS])
    def test_a_band_equals_the_same_rows_of_the_whole(self, name: str) -> None:
        pack, extra = (DENSE | EXPERT_STACKS)[name]
        for one in parts(pack(dense(0) if name in DENSE else mixture(0)), {**CONFIG, **extra}).values():
            assert one.rows(0, one.shape[0]).shape == one.shape
            start, stop = one.shape[0] // 3, one.shape[0] // 2
            assert np.array_equal(one.rows(start, stop), whole(one)[start:stop])

    def test_biases_of_stacked_experts_go_with_them(self) -> None:
        arrays = experts(mixture(0), "gate_up_proj", "down_proj", turn=True)
        stack = arrays["model.layers.0.mlp.experts.gate_up_proj"]
        bias = np.arange(len(stack) * stack.shape[2], dtype=np.float32).reshape(len(stack), -1)
        made = parts(arrays | {"model.layers.0.mlp.experts.gate_up_proj_bias": bias})
        # A bias beside them is gpt-oss's, whose gate and up lie by turns.
        assert np.array_equal(whole(made["model.layers.0.mlp.experts.2.gate_proj.bias"]), bias[2, ::2])
        assert np.array_equal(whole(made["model.layers.0.mlp.experts.2.up_proj.weight"]), stack[2, :, 1::2])

    def test_two_views_of_one_tensor_are_not_taken_for_tied(self) -> None:
        made = parts(granite(mixture(0)))
        assert len({one.storage for one in made.values()}) == len(made)


class TestWhatIsLeftAsItIs:
    @pytest.mark.parametrize("heads", [0, -1, True, "4", None, 3, 1 << 70, [4]])
    def test_heads_that_do_not_fit(self, heads: Any) -> None:
        pack, extra = DENSE["gpt-neox"]
        arrays = pack(dense(0))
        made = parts(arrays, {**extra, "num_attention_heads": heads})
        assert "model.layers.0.self_attn.query_key_value.weight" in made

    @pytest.mark.parametrize("shape", [(7, 64), (64, 64), (65, 64), (192,), (3, 4, 5), (0, 64)])
    def test_shapes_that_are_no_query_key_value(self, shape: tuple[int, ...]) -> None:
        arrays = {"layers.0.attn.qkv.weight": np.ones(shape, np.float32)}
        assert list(parts(arrays)) == ["layers.0.attn.qkv.weight"]

    def test_names_that_would_meet_another_tensor(self) -> None:
        arrays = phi3(dense(0))
        arrays["model.layers.0.self_attn.qkv_proj.q_proj.weight"] = np.ones((4, 4), np.float32)
        assert list(parts(arrays)) == list(arrays)

    def test_more_parts_than_any_model_has(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "MOST_PARTS", 20)
        arrays = experts(mixture(0), "gate_up_proj", "down_proj")
        assert list(parts(arrays)) == list(arrays)

    def test_a_linear_called_input_beside_a_gate(self) -> None:
        arrays = {
            "net.input_linear.weight": np.ones((8, 4), np.float32),
            "net.gate.weight": np.ones((2, 4), np.float32),
        }
        assert list(parts(arrays)) == list(arrays)

    @given(st.lists(st.integers(0, 5), max_size=4))
    def test_no_shape_raises(self, shape: list[int]) -> None:
        for name in NAMES:
            array = np.ones(shape, np.float32)
            others = {"experts.w2": array, "mlp.down_proj.weight": array, "layers.0.attn.proj.weight": array}
            assert sum(np.prod(one.shape) for one in parts({name: array} | others).values()) == 4 * array.size


class TestCuts:
    @pytest.mark.parametrize(
        "make",
        [
            lambda v: row_range(v, 2, 5),
            lambda v: every_other_row(v, 1),
            lambda v: column_range(v, 1, 4),
            lambda v: matrices(view("stack", np.ones((2, 6, 4), np.float32)))[1],
        ],
    )
    @pytest.mark.parametrize(("start", "stop"), [(-1, 2), (2, 1), (0, 7)])
    def test_bands_outside_are_refused(self, make: Any, start: int, stop: int) -> None:
        array = np.arange(24, dtype=np.float32).reshape(6, 4)
        cut = make(view("x", array))
        with pytest.raises(IndexError):
            cut.rows(start, stop)


@pytest.mark.parametrize(
    "shapes",
    [
        {"layers.0.mlp.0.weight": (32, 32), "layers.0.mlp.2.weight": (64, 32)},
        {"layers.0.block.p1.weight": (64, 32), "layers.0.block.p2.weight": (32, 32)},
        {"layers.0.mlp.p1.weight": (64, 32), "layers.0.mlp.p2.weight": (32, 64)},
        {"layers.0.mlp.p1.weight": (64, 32), "layers.0.mlp.p2.weight": (32, 32), "layers.0.mlp.p3.weight": (32, 32)},
        {"layers.0.attn.p1.weight": (32, 32), "layers.0.attn.p2.weight": (32, 32)},
    ],
    ids=["numbered", "no MLP", "not doubled", "three", "as large"],
)
def test_matrices_of_any_name_that_are_not_fused_stay(shapes: dict[str, tuple[int, ...]]) -> None:
    arrays = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    assert {one.name for one in unpacked([view(name, array) for name, array in arrays.items()], {})} == shapes.keys()
