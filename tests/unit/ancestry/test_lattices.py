"""Few-bit schemes are named from the sampled values, and plain rounding is distinguished from anything else."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from operators import int4_groups, int8_rows, magnitude_pruned, matrices, nf4_groups, noise, q4_k

from lineage.ancestry import compare
from lineage.ancestry.pair.lattices import is_rounding, lattice
from lineage.report.components import scheme_words
from lineage.types.facts.changes import OtherFewBits
from lineage.types.facts.schemes import FewBits
from tests.synthetic import encoder, sketch, tensor

PLAIN = (0.05 * np.random.default_rng(2).standard_normal((256, 256))).astype(np.float32)
SCHEMES = {
    "int8": (int8_rows, "int8"),
    "int4": (int4_groups, "int4, one scale for 32"),
    "int4 in groups of 128": (lambda a: int4_groups(a, 128), "int4, one scale for 128"),
    "int4 by row": (lambda a: int4_groups(a, 256), "int4, one scale a row"),
    "nf4": (nf4_groups, "nf4, one scale for 64"),
    "q4_k": (q4_k, "4-bit with offsets, one scale for 32"),
}


def fp4(a: np.ndarray) -> np.ndarray:
    """E2M1 in runs of 32 with a power of two as scale."""
    levels = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6])
    runs = a.reshape(-1, 32)
    scale = 2.0 ** np.ceil(np.log2(np.abs(runs).max(axis=1, keepdims=True) / 6))
    nearest = np.abs(np.abs(runs / scale)[..., None] - levels).argmin(axis=-1)
    return (np.sign(runs) * levels[nearest] * scale).reshape(a.shape).astype(np.float32)


@pytest.mark.parametrize("name", SCHEMES)
def test_a_scheme_has_its_name_and_reach(name):
    operator, said = SCHEMES[name]
    assert scheme_words([lattice(tensor(operator(PLAIN)))]) == said


@pytest.mark.parametrize("name", [name for name in SCHEMES if name not in ("int8", "int4 by row")])
def test_a_matrix_that_is_stored_transposed_has_the_same_scheme_down_its_columns(name):
    operator, said = SCHEMES[name]
    assert scheme_words([lattice(tensor(operator(PLAIN).T.copy()))]) == said
    base = encoder(1)
    turned = {n: (operator(a.T).T if a.ndim == 2 and a.shape[0] % 128 == 0 else a).copy() for n, a in base.items()}
    found = compare(sketch(turned), sketch(base))
    assert (found.relation, found.direction) == ("quantized", "child")
    assert compare(sketch(turned), sketch(matrices(noise(0.1))(base))).direction == "undirected"


def test_one_scale_a_column_is_not_said_to_be_one_a_row():
    assert lattice(tensor(int4_groups(PLAIN, 256).T.copy())) == FewBits("int4")


@pytest.mark.parametrize("name", ["int4", "nf4", "q4_k"])
def test_half_precision_on_top_changes_nothing(name):
    operator, said = SCHEMES[name]
    halved = operator(PLAIN).astype(np.float16).astype(np.float32)
    assert scheme_words([lattice(tensor(halved))]) == said
    assert is_rounding(halved[:30, :30], PLAIN[:30, :30])


def test_four_bit_floats_have_their_name():
    assert lattice(tensor(fp4(PLAIN))) == FewBits("fp4")


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16])
def test_plain_floats_have_none(seed, dtype):
    plain = np.random.default_rng(seed).standard_normal((128, 128)).astype(dtype).astype(np.float32)
    assert lattice(tensor(plain)) is None


def test_pruned_weights_have_none():
    assert lattice(tensor(magnitude_pruned(PLAIN))) is None


def test_a_vector_has_none():
    assert lattice(tensor(np.round(PLAIN[0], 1))) is None


@pytest.mark.parametrize("name", SCHEMES)
def test_only_the_model_that_was_rounded_is_recognised(name):
    operator, _ = SCHEMES[name]
    rounded, tuned = operator(PLAIN), noise(0.1)(PLAIN)
    assert is_rounding(rounded[:30, :30], PLAIN[:30, :30])
    assert not is_rounding(rounded[:30, :30], tuned[:30, :30])


def test_the_quantised_child_of_a_sibling_has_no_direction():
    base = encoder(1)
    rounded = sketch(matrices(int4_groups)(base))
    assert compare(rounded, sketch(base)).direction == "child"
    sibling = compare(rounded, sketch(matrices(noise(0.1))(base)))
    assert (sibling.relation, sibling.direction) == ("quantized", "undirected")
    assert OtherFewBits() in sibling.basis


def test_a_small_kernel_on_one_scale_has_levels_though_its_rows_are_short():
    rng = np.random.default_rng(31)
    kernel = rng.standard_normal((64, 1, 3, 3)).astype(np.float32)
    step = np.abs(kernel).max() / 127
    codes = (np.rint(kernel / step) * step).astype(np.float32)
    assert lattice(tensor(codes)) == FewBits("int8")
    assert lattice(tensor(kernel)) is None
    assert lattice(tensor(np.zeros((64, 1, 3, 3), np.float32))) is None
