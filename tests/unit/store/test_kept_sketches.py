"""A sketch that was read is kept for the next question, as long as its file is as it was, within a bound."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lineage.errors import Malformed
from lineage.sketch import read_sketch, write_sketch
from lineage.store import SqliteIndex
from lineage.store.kept_sketches import KeptSketches
from tests.small_models import sketched, trained


def written(folder: Path, *seeds: int) -> list[Path]:
    paths = [folder / f"{seed}.sketch" for seed in seeds]
    for seed, path in zip(seeds, paths, strict=True):
        write_sketch(sketched(trained(seed), str(seed)), path)
    return paths


def test_a_file_is_read_once_until_it_is_another(tmp_path: Path):
    one, other = written(tmp_path, 1, 2)
    kept = KeptSketches()
    first = kept.read(one)
    assert first.id == read_sketch(one).id
    assert kept.read(one) is first
    other.replace(one)
    assert kept.read(one).name == "2"
    one.write_bytes(b"damaged")
    with pytest.raises(Malformed):
        kept.read(one)
    one.unlink()
    with pytest.raises(FileNotFoundError):
        kept.read(one)


def test_those_longest_out_of_use_go_first(tmp_path: Path):
    paths = written(tmp_path, 1, 2, 3)
    size = max(path.stat().st_size for path in paths)
    kept = KeptSketches(2 * size)
    first, second = kept.read(paths[0]), kept.read(paths[1])
    assert kept.read(paths[0]) is first
    kept.read(paths[2])
    assert kept.read(paths[0]) is first
    assert kept.read(paths[1]) is not second
    assert KeptSketches(size - 1).read(paths[0]).name == "1"  # larger than the bound: read, and not kept


def test_many_threads_read_the_same(tmp_path: Path):
    paths = written(tmp_path, 1, 2, 3)
    kept = KeptSketches(paths[0].stat().st_size)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(kept.read, paths * 20))
    assert [one.name for one in found] == ["1", "2", "3"] * 20


def test_an_index_that_is_opened_again_does_not_read_again(tmp_path: Path):
    sketch = sketched(trained(4), "net")
    with SqliteIndex.create(tmp_path / "index") as index:
        index.add(sketch, "test")
    arrays = []
    for _ in range(2):
        with SqliteIndex.open(tmp_path / "index") as index:
            arrays.append(index.load(sketch.id).tensors)
    assert arrays[0] is arrays[1]
