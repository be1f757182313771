"""What every quantised scheme promises: one tensor of numbers in the place of its parts."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from lineage.checkpoints import open_checkpoint
from lineage.errors import CheckpointError, Truncated
from lineage.types import Checkpoint, TensorView
from tests.checkpoint_files import write_shards
from tests.quantized_files import SCHEMES, Scheme, write, write_arrays

OUT, IN = 320, 256
every_scheme = pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES.keys())


@pytest.fixture(scope="module")
def matrix() -> np.ndarray:
    rng = np.random.default_rng(8)
    return (0.05 * rng.standard_normal((OUT, IN)) * rng.uniform(0.5, 2, (OUT, 1))).astype(np.float32)


def logical(view: TensorView, values: np.ndarray) -> np.ndarray:
    """As (out, in): gpt-oss has experts of (in, out)."""
    return values.swapaxes(1, 2).reshape(OUT, IN) if view.encoding == "mxfp4 block 32" else values


def weight(checkpoint: Checkpoint) -> TensorView:
    return next(view for view in checkpoint.tensors if view.name == "a.weight")


def problem_with(folder: Path) -> str | None:
    """The one line in which the folder is refused, or None if every tensor reads in its shape."""
    try:
        for view in open_checkpoint(folder).tensors:
            assert view.rows(0, view.shape[0] if view.shape else 1).shape == (view.shape or (1,))
    except CheckpointError as error:
        return str(error)
    return None


@every_scheme
class TestEveryScheme:
    def test_the_parts_become_one_tensor_of_numbers(self, scheme: Scheme, matrix: np.ndarray, tmp_path: Path) -> None:
        plain = {"first.bias": np.ones(5, np.float32), "last.bias": np.ones(6, np.float32)}
        checkpoint = open_checkpoint(write(tmp_path / "m", scheme, {"a": matrix}, plain))
        assert sorted(view.name for view in checkpoint.tensors) == ["a.weight", "first.bias", "last.bias"]
        view = weight(checkpoint)
        values = view.rows(0, view.shape[0])
        assert (values.dtype, values.shape, view.dtype) == (np.dtype(np.float32), view.shape, np.dtype(np.float32))
        assert view.encoding == scheme.encoding
        found = logical(view, values)
        assert np.corrcoef(found.ravel(), matrix.ravel())[0, 1] > scheme.keeps
        low, high = scheme.slope  # the scale is right, not just the order
        assert low < np.polyfit(matrix.ravel(), found.ravel(), 1)[0] < high

    def test_a_row_band_equals_the_same_rows_of_the_whole(
        self, scheme: Scheme, matrix: np.ndarray, tmp_path: Path
    ) -> None:
        view = weight(open_checkpoint(write(tmp_path / "m", scheme, {"a": matrix}, {})))
        n = view.shape[0]
        all_rows = view.rows(0, n)
        for start, stop in {(0, 1), (n // 3, n // 2), (n // 2 + 1, n // 2 + 2), (n - 1, n), (n, n), (0, 0)}:
            assert np.array_equal(view.rows(start, stop), all_rows[start:stop])
        for start, stop in ((-1, 1), (2, 1), (0, n + 1)):
            with pytest.raises(IndexError):
                view.rows(start, stop)

    def test_a_band_reads_little_more_than_its_own_bytes(
        self, scheme: Scheme, matrix: np.ndarray, tmp_path: Path
    ) -> None:
        checkpoint = open_checkpoint(write(tmp_path / "m", scheme, {"a": matrix}, {}))
        view = weight(checkpoint)
        before = checkpoint.meter.bytes_read
        view.rows(0, max(1, view.shape[0] // 10))
        if "group" in view.encoding and view.encoding.startswith(("gptq", "awq")):
            return  # packed across: see the unit test of a matrix that is too large to be read in one piece
        if view.encoding.startswith(("hqq", "bitnet")):  # in planes: a word a value, whatever else the word holds
            assert 0 < checkpoint.meter.bytes_read - before < 5 * (view.shape[0] // 10) * IN
            return
        share = 0.3 if view.shape[0] > 4 else 0.4  # whole units of packing, group indices and tables come with it
        assert 0 < checkpoint.meter.bytes_read - before < share * checkpoint.nbytes

    def test_bands_can_be_read_from_several_threads(self, scheme: Scheme, matrix: np.ndarray, tmp_path: Path) -> None:
        view = weight(open_checkpoint(write(tmp_path / "m", scheme, {"a": matrix}, {})))
        expected = view.rows(0, view.shape[0])
        with ThreadPoolExecutor(8) as pool:
            bands = list(pool.map(lambda row: view.rows(row, row + 1), range(view.shape[0])))
        assert np.array_equal(np.concatenate(bands), expected)

    def test_a_missing_part_is_named_or_the_rest_stays_as_stored(
        self, scheme: Scheme, matrix: np.ndarray, tmp_path: Path
    ) -> None:
        stored = scheme.encode("a", matrix)
        for number, missing in enumerate(stored):
            rest = {name: array for name, array in stored.items() if name != missing}
            problem = problem_with(write_arrays(tmp_path / str(number), rest, {}))
            said = ("cannot be read without", "quantised tensor", "is unread, ")
            assert problem is None or any(text in problem for text in said)

    def test_parts_of_the_wrong_shape_are_refused_or_left_alone(
        self, scheme: Scheme, matrix: np.ndarray, tmp_path: Path
    ) -> None:
        stored = scheme.encode("a", matrix)
        for number, name in enumerate(stored):
            for wrong in (stored[name].reshape(-1)[:1], np.concatenate([np.atleast_1d(stored[name])] * 2)):
                problem = problem_with(write_arrays(tmp_path / str(number), stored | {name: wrong}, {}))
                assert problem is None or problem.isprintable()

    def test_a_file_cut_while_it_is_read_raises_truncated(
        self, scheme: Scheme, matrix: np.ndarray, tmp_path: Path
    ) -> None:
        folder = write(tmp_path / "m", scheme, {"a": matrix}, {})
        view = weight(open_checkpoint(folder))
        with (folder / "model.safetensors").open("r+b") as file:
            file.truncate(1000)
        with pytest.raises(Truncated):
            view.rows(0, view.shape[0])

    def test_a_folder_of_shards_may_keep_the_parts_apart(
        self, scheme: Scheme, matrix: np.ndarray, tmp_path: Path
    ) -> None:
        whole = weight(open_checkpoint(write(tmp_path / "m", scheme, {"a": matrix}, {})))
        apart = tmp_path / "apart"
        apart.mkdir()
        arrays = {n: np.ascontiguousarray(a).reshape(a.shape) for n, a in scheme.encode("a", matrix).items()}
        write_shards(apart, arrays)
        (apart / "config.json").write_text(json.dumps({scheme.key: dict(scheme.settings)}))
        view = weight(open_checkpoint(apart))
        assert np.array_equal(view.rows(0, view.shape[0]), whole.rows(0, whole.shape[0]))
