"""Search codes of many models in one file: what comes back, what is refused, how several become one."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage.sketch.search_codes import BITS, WIDTHS, asked_codes, kept_codes, nearest_stranger
from lineage.store.nearest import nearest
from lineage.store.segments import (
    BANDS,
    CUES,
    HEAD,
    Segment,
    is_sound,
    merged,
    name_of,
    read_segment,
    segment_in,
    segment_of,
    to_bytes,
    words_of,
    write_segment,
)
from lineage.types import Codes
from tests.small_models import sketched, trained, tuned
from tests.systems import needs_linux

BASE = trained(1)
SKETCHES = [sketched(BASE, "base"), sketched(tuned(BASE, 2), "child"), sketched(trained(3), "stranger")]
CODES = {sketch.id: kept_codes(sketch) for sketch in SKETCHES}
WHOLE = segment_of(CODES)


def drawn(seed: int, counts: tuple[int, ...] = (2, 1, 1, 5)) -> Codes:
    random = np.random.default_rng(seed)
    return {cue: random.integers(0, 256, (n, WIDTHS[cue]), np.uint8) for cue, n in zip(CUES, counts, strict=True)}


def same(one: Segment, other: Segment) -> bool:
    arrays = [(one.models, other.models)]
    arrays += [(one.owners[cue], other.owners[cue]) for cue in CUES] + [
        (one.codes[cue], other.codes[cue]) for cue in CUES
    ]
    arrays += [(a, b) for (a, _), (b, _) in zip(one.tokenizers.arrays, other.tokenizers.arrays, strict=True)]
    for a, b in zip(one.bands, other.bands, strict=True):
        arrays += [(a.words, b.words), (a.places, b.places), (a.cells, b.cells)]
    return all(np.array_equal(a, b) for a, b in arrays)


def test_what_is_written_comes_back_mapped_and_in_bytes(tmp_path):
    path = tmp_path / "folder" / "one.segment"
    write_segment(WHOLE, path)
    read = read_segment(path)
    assert read is not None
    assert same(read, WHOLE)
    assert read.mapped is not None
    read.let_go(*read.codes.values(), *(band.words for band in read.bands))
    assert same(read, WHOLE)
    (tmp_path / "folder" / "another.segment").write_bytes(path.read_bytes())
    assert read_segment(tmp_path / "folder" / "another.segment") is None
    back = segment_in(to_bytes(WHOLE))
    assert back is not None
    assert same(back, WHOLE)
    assert is_sound(path)


@needs_linux
def test_the_system_is_told_to_read_no_more_of_tensors_than_is_asked_for(tmp_path):
    path = tmp_path / "one.segment"
    write_segment(segment_of({f"{seed:032x}": drawn(seed, (1, 1, 1, 64)) for seed in range(200)}), path)
    read = read_segment(path)
    assert read is not None
    flags, place = {}, 0
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if " " in line and "-" in line.split()[0]:
            place = int(line.split("-")[0], 16)
        elif line.startswith("VmFlags"):
            flags[place] = line.split()

    def is_random(array: np.ndarray) -> bool:
        middle = array.ctypes.data + array.nbytes // 2
        return "rr" in flags[max(begin for begin in flags if begin <= middle)]

    assert is_random(read.codes["tensor"])
    assert all(is_random(one) for band in read.bands for one in band.large)
    assert not is_random(read.models)


def test_several_become_one_as_if_they_had_been_made_together():
    one, two, three = CODES
    parts = [segment_of({two: CODES[two]}), segment_of({one: CODES[one], three: CODES[three]})]
    assert same(merged(parts), WHOLE)
    assert same(merged([WHOLE, *parts]), WHOLE)
    assert same(merged(parts, gone=[(), {three}]), segment_of({one: CODES[one], two: CODES[two]}))
    assert len(merged([WHOLE], gone=[CODES])) == 0


@given(st.lists(st.integers(0, 3), min_size=1, max_size=12), st.integers(1, 4))
def test_however_they_are_split(numbers, pieces):
    codes = {f"{seed:032x}": drawn(seed, (seed, 1, 0, 3 * seed)) for seed in numbers}
    parts = [dict(list(codes.items())[i::pieces]) for i in range(pieces)]
    assert same(merged([segment_of(part) for part in parts]), segment_of(codes))


def test_its_name_is_that_of_its_models():
    assert name_of("model", CODES) == name_of("model", reversed(CODES)) != name_of("adapter", CODES)
    assert name_of("model", list(CODES)[1:]) != name_of("model", CODES)


def test_words_of_bands_are_the_bits_from_there_on():
    code = np.arange(32, dtype=np.uint8)[None]
    assert words_of(code, 0)[0] == 0x00010203
    assert words_of(code, BANDS - 1)[0] == 0x1E1F0001


def with_head(**changes: object) -> Callable[[bytes], bytes]:
    def change(whole: bytes) -> bytes:
        line, _, rest = whole.partition(b"\n")
        return json.dumps(json.loads(line) | changes).encode().ljust(len(line)) + b"\n" + rest

    return change


COUNTS = {cue: len(WHOLE.codes[cue]) for cue in CUES}
DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda whole: b"",
    "cut": lambda whole: whole[:-1],
    "longer": lambda whole: whole + b"\0",
    "no head": lambda whole: b"[" * 100_000 + b"\n" + whole,
    "another family": with_head(family="other-0"),
    "another scheme": with_head(scheme=99),
    "more models": with_head(models=10**30),
    "fewer than none": with_head(models=-1),
    "no number": with_head(models="many"),
    "no list of codes": with_head(codes=7),
    "codes without end": with_head(codes=COUNTS | {"tensor": 1 << 62}),
    "no list of tokenizers": with_head(tokenizers=7),
    "too many lists of tokenizers": with_head(tokenizers=[0] * 5),
    "tokenizers without end": with_head(tokenizers=[1 << 62] * 4),
    "a cue is missing": with_head(codes={"rows": 1}),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_or_hostile_file_is_no_segment(tmp_path: Path, damage):
    path = tmp_path / "one.segment"
    write_segment(WHOLE, path)
    assert read_segment(path) is not None
    path.write_bytes(damage(path.read_bytes()))
    assert read_segment(path) is None
    assert segment_in(path.read_bytes()) is None
    assert not is_sound(path)


def test_an_owner_that_is_not_there_is_refused(tmp_path):
    path = tmp_path / "one.segment"
    write_segment(WHOLE, path)
    whole = bytearray(path.read_bytes())
    head = whole.index(b"\n") + 1
    owners = head + -(-len(WHOLE) * 64 // 64) * 64
    whole[owners + 4 * (COUNTS["component"] - 1)] = 99
    path.write_bytes(whole)
    assert read_segment(path) is None


def test_a_flipped_bit_is_for_the_doctor_to_see(tmp_path):
    path = tmp_path / "one.segment"
    write_segment(WHOLE, path)
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 1
    path.write_bytes(whole)
    assert read_segment(path) is not None
    assert not is_sound(path)


def test_what_is_no_file_is_no_segment_and_nobody_waits_for_it(tmp_path):
    assert read_segment(tmp_path / "none.segment") is None
    assert read_segment(tmp_path) is None
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.segment")
        assert not is_sound(tmp_path / "pipe.segment")


@pytest.mark.parametrize("many", [0, 1 << 30], ids=["on several threads", "on one"])
def test_many_segments_answer_like_one(many, monkeypatch):
    monkeypatch.setattr("lineage.store.nearest._MANY", many)
    asked = asked_codes(SKETCHES[0])
    apart = [segment_of({model: codes}) for model, codes in CODES.items()]
    for cue in ("component", "rows", "network"):
        assert nearest(apart, asked, 3)[cue] == nearest([WHOLE], asked, 3)[cue]


@pytest.mark.parametrize("k", [1, 3, 99])
def test_the_nearest_of_many_segments_are_those_of_one(k):
    crowd = {f"{seed:032x}": drawn(seed, (2, 2, 1, 0)) for seed in range(120)}
    names, asked = list(crowd), drawn(1_000, (3, 2, 1, 0))
    apart = [segment_of({name: crowd[name] for name in names[i::7]}) for i in range(7)]
    found, whole = nearest(apart, asked, k), nearest([segment_of(crowd)], asked, k)
    assert found == whole
    assert all(len(row) == min(k, len(crowd)) for rows in (found["component"], found["rows"]) for row in rows)


def test_of_strangers_no_tensor_is_near():
    crowd = segment_of({f"{seed:032x}": drawn(seed, (1, 1, 1, 64)) for seed in range(100)})
    found = nearest([crowd], drawn(1_000, (1, 1, 1, 200)), 5)["tensor"]
    assert sum(map(len, found)) <= 1


@pytest.mark.parametrize("r", [0.95, 0.8])
def test_tensors_that_are_near_are_found_among_many(r):
    random = np.random.default_rng(3)
    crowd = {f"{seed:032x}": drawn(seed, (0, 0, 0, 64)) for seed in range(200)}
    flips = random.random((64, BITS["tensor"])) < np.arccos(r) / np.pi
    original = np.unpackbits(crowd[f"{7:032x}"]["tensor"], axis=1)
    asked = {"tensor": np.packbits(original ^ flips, axis=1)}
    found = nearest([segment_of(crowd)], asked, 5)["tensor"]
    models = [model for row in found for model, _ in row]
    assert models.count(f"{7:032x}") > 64 * {0.95: 0.9, 0.8: 0.3}[r]
    assert len(set(models)) <= 2


@pytest.mark.parametrize(("one_in", "is_found"), [(1, True), (1 << 40, False)])
def test_of_a_large_segment_more_components_are_compared_whole(one_in, is_found, monkeypatch):
    monkeypatch.setattr("lineage.store.nearest._FEWEST_WHOLE", 1)
    monkeypatch.setattr("lineage.store.nearest._ONE_IN", one_in)
    family = {f"{seed:032x}": drawn(seed, (1, 0, 0, 0)) for seed in range(50)}
    asked = family[f"{49:032x}"]
    for codes in family.values():
        codes["component"][:, :HEAD] = asked["component"][:, :HEAD]
    found = nearest([segment_of(family)], {"component": asked["component"]}, 5)["component"][0]
    assert (found[0][0] == f"{49:032x}") is is_found


@pytest.mark.parametrize("shared", [0, 3])
def test_cells_of_a_large_segment_are_looked_through_together(shared, monkeypatch):
    crowd = segment_of({f"{seed:032x}": drawn(seed, (0, 0, 0, 64)) for seed in range(60)})
    flips = np.random.default_rng(4).random((64, BITS["tensor"])) < np.arccos(0.7) / np.pi
    asked = {"tensor": np.packbits(np.unpackbits(drawn(7, (0, 0, 0, 64))["tensor"], axis=1) ^ flips, axis=1)}
    apart = sum(map(len, nearest([crowd], asked, 5)["tensor"]))
    monkeypatch.setattr("lineage.store.nearest._MOST_SHARED", shared)
    monkeypatch.setattr("lineage.store.nearest._MOST_IN_CELL", 1 << 20)
    assert sum(map(len, nearest([crowd], asked, 5)["tensor"])) > apart + 10


def test_nothing_is_asked_and_nothing_is_known():
    nothing = segment_of({})
    assert nearest([nothing], asked_codes(SKETCHES[0]), 3)["component"][0] == []
    assert nearest([WHOLE], {"tensor": np.empty((0, 32), np.uint8)}, 3) == {"tensor": []}


def test_the_nearest_of_many_strangers():
    random = np.random.default_rng(1)
    assert np.abs(random.standard_normal(10_000)).max() < nearest_stranger(10_000) < 5
