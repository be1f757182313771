"""Every generator of a fixed table is recognised from its values, whatever its name."""

from __future__ import annotations

from collections.abc import Callable

import ml_dtypes
import numpy as np
import pytest

from lineage.anatomy import fixed_rows, fixed_table, may_be_formulas
from lineage.types.facts.exclusions import FixedTable
from tests.synthetic import tensor


def waves(n: int, d: int, offset: int = 0) -> tuple[np.ndarray, np.ndarray]:
    angles = (np.arange(n) + offset)[:, None] * 10000.0 ** (-np.arange(d // 2) / (d // 2))
    return np.sin(angles), np.cos(angles)


def interleaved(n: int = 64, d: int = 32) -> np.ndarray:
    return np.stack(waves(n, d), axis=-1).reshape(n, d)


def padded(n: int = 64, d: int = 32) -> np.ndarray:
    return np.vstack([np.zeros((1, d)), np.hstack(waves(n, d, offset=2))])


def two_dimensional(side: int = 8, d: int = 32) -> np.ndarray:
    rows, columns = np.divmod(np.arange(side * side), side)
    table = np.hstack(waves(side, d // 2))
    return np.hstack([table[rows], table[columns]])[None]


def stft(n: int = 256, sign: float = -1.0) -> np.ndarray:
    turns = 2 * np.pi * np.outer(np.arange(n // 2 + 1), np.arange(n)) / n
    window = np.hanning(n + 1)[:n]
    return np.vstack([window * np.cos(turns), sign * window * np.sin(turns)])


def mel(filters: int = 40, bins: int = 201) -> np.ndarray:
    centres = 700 * (10 ** (np.linspace(0, 2840, filters + 2) / 2595) - 1)
    hertz = np.linspace(0, 8000, bins)
    rise = (hertz - centres[:-2, None]) / np.diff(centres)[:-1, None]
    fall = (centres[2:, None] - hertz) / np.diff(centres)[1:, None]
    return np.maximum(0, np.minimum(rise, fall))


def dct(n: int = 40, m: int = 20) -> np.ndarray:
    wave = np.cos(np.pi / n * (np.arange(n) + 0.5) * np.arange(m)[:, None])
    wave[0] /= np.sqrt(2)
    return wave * np.sqrt(2 / n)


def constant_q(bins: int = 36, width: int = 256, phase: float = 0.0) -> np.ndarray:
    rows = np.zeros((bins, 1, width))
    for k in range(bins):
        length = int(215 * 2 ** (-k / bins))
        turns = (np.arange(length) - length // 2) * 25.0 / length
        start = (width - length) // 2
        rows[k, 0, start : start + length] = np.hanning(length) * np.cos(2 * np.pi * turns + phase) / length
    return rows


def boxes(corners: bool = False, anchors: int = 3) -> np.ndarray:
    """Of a single-shot detector: centre and size, or two corners, over three maps."""
    found = []
    for scale, side in enumerate((40, 20, 10)):
        for y, x in np.ndindex(side, side):
            for k in range(anchors):
                size = 0.05 * (1 + k) * 2**scale
                found.append([(x + 0.5) / side, (y + 0.5) / side, size, 0.7 * size])
    table = np.array(found)
    centre, half = table[:, :2], table[:, 2:] / 2
    return np.hstack([centre - half, centre + half])[None] if corners else table[None]


def causal(n: int = 32) -> np.ndarray:
    return np.tril(np.ones((n, n)))[None, None]


GENERATORS: dict[str, tuple[Callable[[], np.ndarray], str]] = {
    "constant": (lambda: np.ones((16, 16)), FixedTable("constant")),
    "position ids": (lambda: np.arange(128)[None], FixedTable("counter-or-positions")),
    "bucket borders": (lambda: np.array([0, 1, 2, 4, 8, 8, 16, 32, 64]), FixedTable("counter-or-positions")),
    "repeated positions": (lambda: np.tile(np.arange(32), (4, 1)), FixedTable("position-ids")),
    "causal mask": (causal, FixedTable("causal-mask")),
    "additive mask": (lambda: np.triu(np.full((32, 32), -np.inf), 1), FixedTable("causal-mask")),
    "window mask": (
        lambda: (abs(np.subtract.outer(np.arange(32), np.arange(32))) < 4) * 1,
        FixedTable("zero-one-mask"),
    ),
    "identity": (lambda: np.eye(24), FixedTable("one-hot")),
    "permutation": (lambda: np.eye(24)[np.random.default_rng(1).permutation(24)], FixedTable("one-hot")),
    "rotary": (lambda: 10000.0 ** (-np.arange(0, 64, 2) / 64), FixedTable("geometric-series")),
    "frequencies": (lambda: np.linspace(0, 1, 129), FixedTable("evenly-spaced")),
    "hann": (lambda: np.hanning(401)[:400], FixedTable("window")),
    "hamming": (lambda: np.hamming(400), FixedTable("window")),
    "interleaved": (interleaved, FixedTable("sinusoidal-positions")),
    "halves": (lambda: np.hstack(waves(64, 32)), FixedTable("sinusoidal-positions")),
    "padded": (padded, FixedTable("sinusoidal-positions")),
    "two-dimensional": (two_dimensional, FixedTable("sinusoidal-positions")),
    "STFT": (lambda: stft()[:, None], FixedTable("stft-basis")),
    "STFT in turn": (lambda: stft().reshape(2, 129, 256).swapaxes(0, 1).reshape(258, 256), FixedTable("stft-basis")),
    "STFT transposed": (lambda: stft().T, FixedTable("stft-basis")),
    "STFT, other sign": (lambda: 3 * stft(64, sign=1.0), FixedTable("stft-basis")),
    "STFT, padded": (lambda: np.pad(stft(64), ((0, 0), (32, 32))), FixedTable("stft-basis")),
    "mel": (mel, FixedTable("mel-filterbank")),
    "mel transposed": (lambda: mel().T, FixedTable("mel-filterbank")),
    "DCT": (dct, FixedTable("cosine-basis")),
    "DCT transposed": (lambda: dct().T, FixedTable("cosine-basis")),
    "constant-Q": (constant_q, FixedTable("constant-q-basis")),
    "prior boxes": (boxes, FixedTable("prior-boxes")),
    "prior boxes, corners": (lambda: boxes(corners=True, anchors=6), FixedTable("prior-boxes")),
    "prior boxes, one a cell": (lambda: boxes(anchors=1), FixedTable("prior-boxes")),
    "prior boxes, turned": (lambda: boxes()[0].T, FixedTable("prior-boxes")),
    "sizes of prior boxes": (lambda: boxes()[..., 2:], FixedTable("prior-boxes")),
    "places of prior boxes": (lambda: boxes()[..., :2], FixedTable("prior-boxes")),
    "constant-Q, sines": (lambda: -constant_q(phase=np.pi / 2), FixedTable("constant-q-basis")),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16])
def test_every_generator_is_recognised_from_its_values(dtype):
    found = {}
    for name, (make, _) in GENERATORS.items():
        stored = make().astype(dtype).astype(np.float32)
        found[name] = {fixed_table("x", stored.shape, values) for values in (stored, stored.ravel())}
    assert found == {name: {reason} for name, (_, reason) in GENERATORS.items()}


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16])
@pytest.mark.parametrize("name", sorted(set(GENERATORS) - {"additive mask"}))
def test_a_glance_passes_what_a_formula_made(name: str, dtype: type) -> None:
    table = GENERATORS[name][0]().astype(dtype).astype(np.float32)
    weights = np.random.default_rng(3).standard_normal(table.shape).astype(np.float32)
    for scale in (1.0, 3.0, 1e-3):
        for one in (table, table.T, table.ravel()):
            stack = np.stack([weights.reshape(one.shape), np.float32(scale) * one])
            assert may_be_formulas(stack)[1] or fixed_table("x", one.shape, stack[1]) is None


@pytest.mark.parametrize("shape", [(16, 16), (64, 64), (64, 172), (600,), (16, 8, 3)])
def test_a_glance_stops_most_weights(shape: tuple[int, ...]) -> None:
    weights = np.random.default_rng(4).standard_normal((1000, *shape)).astype(np.float32)
    assert may_be_formulas(0.02 * weights).mean() < 0.02


@pytest.mark.parametrize(
    ("name", "shape", "reason"),
    [
        ("encoder.bn1.num_batches_tracked", (), FixedTable("counter")),
        ("embeddings.position_ids", (1, 512), FixedTable("position-ids")),
        ("model.layers.0.self_attn.rotary_emb.inv_freq", (32,), FixedTable("rotary-table")),
        ("model.rotary_emb.cos_cached", (4096, 128), FixedTable("rotary-table")),
        ("h.3.attn.bias", (1, 1, 1024, 1024), FixedTable("causal-mask")),
        ("gpt_neox.layers.1.attention.bias", (1, 1, 2048, 2048), FixedTable("causal-mask")),
        ("layers.0.blocks.1.attn.relative_position_index", (49, 49), FixedTable("position-index-or-mask")),
        ("stft_conv.weight", (258, 1, 256), FixedTable("stft-basis")),
        ("frontend.mel_filters", (80, 201), FixedTable("mel-filterbank")),
        ("spectrogram.hann_window", (400,), FixedTable("window")),
    ],
)
def test_names_alone_tell_where_the_values_are_too_many(name, shape, reason):
    assert fixed_table(name, shape, None) == reason


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("h.3.attn.bias", (768,)),
        ("model.layers.0.self_attn.q_proj.bias", (4096,)),
        ("embeddings.position_embeddings.weight", (512, 384)),
        ("embeddings.LayerNorm.weight", (384,)),
        ("conv1.weight", (64, 3, 7, 7)),
    ],
)
def test_learned_tensors_have_no_telling_name(name, shape):
    assert fixed_table(name, shape, None) is None


def test_a_table_that_was_trained_on_is_no_longer_fixed():
    rng = np.random.default_rng(5)
    for make in (interleaved, stft, mel, dct):
        table = make()
        trained = table + 0.05 * np.abs(table).max() * rng.standard_normal(table.shape)
        assert fixed_table("x", table.shape, trained.astype(np.float32)) is None


def test_waves_are_told_by_some_of_their_rows():
    waves_ = constant_q(bins=36, width=4096).reshape(36, -1).astype(np.float32)
    assert fixed_rows(waves_[np.r_[:20, 25:36:3]]) == FixedTable("constant-q-basis")
    assert fixed_rows(np.random.default_rng(1).permutation(waves_)) is None
    noise = np.random.default_rng(2).standard_normal(waves_.shape).astype(np.float32)
    assert fixed_rows(noise) is None
    assert fixed_rows(waves_ + 0.01 * np.abs(waves_).max() * noise) is None


@pytest.mark.parametrize("depth", ["sampled", "full"])
def test_a_table_of_waves_too_large_to_be_read_whole_is_no_evidence(depth):
    assert tensor(constant_q(bins=36, width=8192).astype(np.float32), depth).part.excluded == FixedTable(
        "constant-q-basis"
    )


@pytest.mark.parametrize("columns", [2, 3, 4])
@pytest.mark.parametrize("levels", [0, 255, 15])
def test_a_trained_table_of_few_columns_is_no_list_of_boxes(columns, levels):
    rng = np.random.default_rng(columns)
    table = rng.standard_t(3, (4096, columns))
    if levels:
        step = 2 * np.abs(table).max(axis=0) / levels if levels == 255 else 6.0 / levels
        table = np.clip(np.rint(table / step), -levels // 2, levels // 2) * step
    assert fixed_table("x", table.shape, table.astype(np.float32)) is None
    assert fixed_table("x", table.T.shape, table.T.astype(np.float32)) is None


def test_gains_near_one_are_no_fixed_table():
    gains = 1 + 0.01 * np.random.default_rng(2).standard_normal(768)
    assert fixed_table("norm.weight", (768,), gains.astype(np.float32)) is None


def test_values_at_the_limits_of_their_type_fit_no_formula():
    huge = np.random.default_rng(4).uniform(-3e38, 3e38, (64, 64)).astype(np.float32)
    assert fixed_table("x", (64, 64), huge) is None
    huge[3, 3] = np.nan
    assert fixed_table("x", (64, 64), huge) is None
    tiny = np.random.default_rng(4).uniform(-1e-40, 1e-40, (64, 64)).astype(np.float32)
    assert fixed_table("x", (64, 64), tiny) is None


def test_values_of_another_size_than_the_shape_are_not_asked():
    assert fixed_table("x", (4, 4), np.ones(3, np.float32)) is None
    assert fixed_table("x", (0, 4), np.ones(0, np.float32)) is None


@pytest.mark.parametrize("levels", [2, 3, 16])
def test_coarsely_quantised_weights_are_no_fixed_table(levels):
    steps = np.random.default_rng(levels).integers(0, levels, (64, 64)) - (levels - 1) / 2
    assert fixed_table("x", (64, 64), steps.astype(np.float32)) is None


def test_smooth_filters_that_were_learned_are_no_constant_q_basis():
    smooth = np.random.default_rng(3).standard_normal((36, 1, 256)) @ np.exp(
        -(np.subtract.outer(np.arange(256), np.arange(256)) ** 2) / 200
    )
    assert fixed_table("x", smooth.shape, (smooth * np.hanning(256)).astype(np.float32)) is None
