import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from lineage.sketch import MODEL_DIM
from lineage.store.vectors import Vectors, cache_file, cached_vectors, is_sound_cache, vectors_of
from tests.small_models import sketched, trained

SKETCHES = {s.id: s for s in (sketched(trained(seed), f"net{seed}") for seed in (1, 2, 3))}
COUNTS = {model: len(sketch.tensors) for model, sketch in SKETCHES.items()}
EXPECTED = vectors_of(SKETCHES.items())


class Loader:
    """Gives sketches and remembers which were asked for."""

    def __init__(self):
        self.asked: list[str] = []

    def __call__(self, model):
        self.asked.append(model)
        return SKETCHES[model]


def same(a: Vectors, b: Vectors) -> bool:
    arrays = ((a.owner, b.owner), (a.place, b.place), (a.tensors, b.tensors), (a.whole, b.whole))
    return a.models == b.models and all(np.array_equal(x, y) for x, y in arrays)


def rewritten(path: Path, **changes: np.ndarray) -> None:
    with np.load(path) as held:
        arrays = dict(held)
    np.savez(path, **(arrays | changes))


def test_the_second_time_no_sketch_is_read(tmp_path):
    assert same(cached_vectors(tmp_path, COUNTS, Loader()), EXPECTED)
    load = Loader()
    assert same(cached_vectors(tmp_path, COUNTS, load), EXPECTED)
    assert load.asked == []


def test_a_new_model_is_the_only_one_that_is_read(tmp_path):
    *old, new = COUNTS
    cached_vectors(tmp_path, {m: COUNTS[m] for m in old}, Loader())
    load = Loader()
    assert same(cached_vectors(tmp_path, COUNTS, load), EXPECTED)
    assert load.asked == [new]


def test_a_removed_model_leaves_and_nothing_is_read(tmp_path):
    cached_vectors(tmp_path, COUNTS, Loader())
    rest = dict(list(COUNTS.items())[1:])
    load = Loader()
    assert same(cached_vectors(tmp_path, rest, load), vectors_of((m, SKETCHES[m]) for m in rest))
    assert load.asked == []


def bomb(path: Path) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(4_000_000, np.float32))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("family", "models", "owner", "place", "tensors", "whole"):
            archive.writestr(f"{name}.npy", buffer.getvalue())


DAMAGE = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-200]),
    "empty": lambda path: path.write_bytes(b""),
    "one bit": lambda path: path.write_bytes(path.read_bytes()[:20_000] + b"\x55" + path.read_bytes()[20_001:]),
    "another family": lambda path: rewritten(path, family=np.array("other-0")),
    "another width": lambda path: rewritten(path, tensors=np.zeros((1, 3), np.float32)),
    "no such owner": lambda path: rewritten(path, owner=np.full(len(EXPECTED.owner), 99, np.int32)),
    "no such tensor": lambda path: rewritten(path, place=np.full(len(EXPECTED.place), 999, np.int32)),
    "not numbers": lambda path: rewritten(path, whole=np.full((3, MODEL_DIM), np.nan, np.float32)),
    "pickled": lambda path: rewritten(path, models=np.array(list(COUNTS), object)),
    "a bomb": bomb,
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_or_hostile_cache_is_made_again(tmp_path, damage):
    cached_vectors(tmp_path, COUNTS, Loader())
    path = cache_file(tmp_path, COUNTS)
    before = path.read_bytes()
    damage(path)
    assert path.read_bytes() != before
    assert same(cached_vectors(tmp_path, COUNTS, Loader()), EXPECTED)
    assert is_sound_cache(path)
    assert path.read_bytes() == before


def test_a_cache_under_another_sets_name_is_not_sound(tmp_path):
    cached_vectors(tmp_path, COUNTS, Loader())
    path = cache_file(tmp_path, COUNTS)
    other = cache_file(tmp_path, list(COUNTS)[1:])
    path.rename(other)
    assert not is_sound_cache(other)


def test_a_folder_that_cannot_be_written_costs_only_time(tmp_path):
    (tmp_path / "vectors").write_text("a file where the folder should be")
    assert same(cached_vectors(tmp_path / "vectors", COUNTS, Loader()), EXPECTED)


def test_only_the_last_cache_stays(tmp_path):
    cached_vectors(tmp_path, dict(list(COUNTS.items())[:1]), Loader())
    cached_vectors(tmp_path, COUNTS, Loader())
    assert [p.name for p in tmp_path.iterdir()] == [cache_file(tmp_path, COUNTS).name]


def test_hits_point_into_the_sketch(tmp_path):
    model, sketch = next(iter(SKETCHES.items()))
    rows = EXPECTED.owner == EXPECTED.models.index(model)
    hits = EXPECTED.nearest_tensors(EXPECTED.tensors[rows], 1)
    assert [h[0].tensor for h in hits] == list(EXPECTED.place[rows])
    assert {h[0].model_id for h in hits} == {model}
    assert all(len(sketch.tensors[h[0].tensor].shape) == 2 for h in hits)
