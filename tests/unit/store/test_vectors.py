import json
import struct
from pathlib import Path

import numpy as np
import pytest
from blake3 import blake3

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


def rewritten(path: Path, **changes: object) -> None:
    """A cache whose digest is right though its content is not."""
    head, _, body = path.read_bytes().partition(b"\n")
    said = json.loads(head) | {key: value for key, value in changes.items() if key != "body"}
    body = changes.get("body", lambda whole: whole)(bytearray(body))
    path.write_bytes(json.dumps(said | {"digest": blake3(bytes(body)).hexdigest()}).encode() + b"\n" + body)


def poked(offset: int, value: bytes):
    def poke(body: bytearray) -> bytearray:
        body[offset : offset + len(value)] = value
        return body

    return poke


def test_the_second_time_no_sketch_is_read(tmp_path):
    assert same(cached_vectors(tmp_path, COUNTS, Loader(), {}), EXPECTED)
    load = Loader()
    assert same(cached_vectors(tmp_path, COUNTS, load, {}), EXPECTED)
    assert load.asked == []


def test_what_was_made_already_is_not_read(tmp_path):
    new, *_ = COUNTS
    load = Loader()
    assert same(cached_vectors(tmp_path, COUNTS, load, {new: vectors_of([(new, SKETCHES[new])])}), EXPECTED)
    assert sorted(load.asked) == sorted(COUNTS.keys() - {new})


def test_a_new_model_is_the_only_one_that_is_read(tmp_path):
    *old, new = COUNTS
    cached_vectors(tmp_path, {m: COUNTS[m] for m in old}, Loader(), {})
    load = Loader()
    assert same(cached_vectors(tmp_path, COUNTS, load, {}), EXPECTED)
    assert load.asked == [new]


def test_a_removed_model_leaves_and_nothing_is_read(tmp_path):
    cached_vectors(tmp_path, COUNTS, Loader(), {})
    rest = dict(list(COUNTS.items())[1:])
    load = Loader()
    assert same(cached_vectors(tmp_path, rest, load, {}), vectors_of((m, SKETCHES[m]) for m in rest))
    assert load.asked == []


ROWS = len(EXPECTED.owner)
DAMAGE = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-200]),
    "longer": lambda path: path.write_bytes(path.read_bytes() + bytes(4)),
    "empty": lambda path: path.write_bytes(b""),
    "one byte": lambda path: path.write_bytes(path.read_bytes()[:20_000] + b"\x55" + path.read_bytes()[20_001:]),
    "no head": lambda path: path.write_bytes(b"[" * 100_000 + b"\n"),
    "another family": lambda path: rewritten(path, family="other-0"),
    "no such rows": lambda path: rewritten(path, rows=10**30),
    "negative rows": lambda path: rewritten(path, rows=-1),
    "models twice": lambda path: rewritten(path, models=[*EXPECTED.models[:1], *EXPECTED.models[:2]]),
    "models of no list": lambda path: rewritten(path, models=7),
    "no such owner": lambda path: rewritten(path, body=poked(0, struct.pack("<i", 99))),
    "no such tensor": lambda path: rewritten(path, body=poked(4 * ROWS, struct.pack("<i", 999))),
    "not a number": lambda path: rewritten(path, body=poked(8 * ROWS, struct.pack("<f", float("nan")))),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_or_hostile_cache_is_made_again(tmp_path, damage):
    cached_vectors(tmp_path, COUNTS, Loader(), {})
    path = cache_file(tmp_path, COUNTS)
    before = path.read_bytes()
    damage(path)
    assert path.read_bytes() != before
    assert same(cached_vectors(tmp_path, COUNTS, Loader(), {}), EXPECTED)
    assert is_sound_cache(path)
    assert path.read_bytes() == before


def test_a_cache_under_another_sets_name_is_not_sound(tmp_path):
    cached_vectors(tmp_path, COUNTS, Loader(), {})
    path = cache_file(tmp_path, COUNTS)
    other = cache_file(tmp_path, list(COUNTS)[1:])
    path.rename(other)
    assert not is_sound_cache(other)


def test_a_folder_that_cannot_be_written_costs_only_time(tmp_path):
    (tmp_path / "vectors").write_text("a file where the folder should be")
    assert same(cached_vectors(tmp_path / "vectors", COUNTS, Loader(), {}), EXPECTED)


def test_only_the_last_cache_stays(tmp_path):
    cached_vectors(tmp_path, dict(list(COUNTS.items())[:1]), Loader(), {})
    cached_vectors(tmp_path, COUNTS, Loader(), {})
    assert [p.name for p in tmp_path.iterdir()] == [cache_file(tmp_path, COUNTS).name]


def test_hits_point_into_the_sketch(tmp_path):
    model, sketch = next(iter(SKETCHES.items()))
    rows = EXPECTED.owner == EXPECTED.models.index(model)
    hits = EXPECTED.nearest_tensors(EXPECTED.tensors[rows], 1)
    assert [h[0].tensor for h in hits] == list(EXPECTED.place[rows])
    assert {h[0].model_id for h in hits} == {model}
    assert all(len(sketch.tensors[h[0].tensor].shape) == 2 for h in hits)
