"""Where models can be read by anyone."""

from __future__ import annotations

from lineage.store import SqliteIndex, addresses
from tests.small_models import sketched, trained

HUB = f"hf:org/name@{'0' * 40}"


def test_an_address_is_known_a_path_stays_at_home(tmp_path):
    places = ("/models/secret", HUB, "pypi:package==1.0", "https://host.example/model.bin")
    held = [sketched(trained(seed), f"m{seed}", path=place) for seed, place in enumerate(places)]
    with SqliteIndex.create(tmp_path / "index") as index:
        for sketch in held:
            index.add(sketch, "0.0.test")
        assert addresses([index]) == {one.id: one.path for one in held[1:]}


def test_an_address_under_which_the_same_weights_were_seen_is_one_of_theirs(tmp_path):
    weights = trained(1)
    with SqliteIndex.create(tmp_path / "index") as index:
        for place in ("/models/copy", HUB):
            index.add(sketched(weights, path=place), "0.0.test")
        (record,) = index.models()
        assert addresses([index]) == {record.id: HUB}


def test_the_first_index_is_right(tmp_path):
    weights, other = trained(1), "hf:other/copy@main"
    with SqliteIndex.create(tmp_path / "a") as first, SqliteIndex.create(tmp_path / "b") as second:
        for index, place in ((first, HUB), (second, other)):
            index.add(sketched(weights, path=place), "0.0.test")
        assert list(addresses([first, second]).values()) == [HUB]
        assert list(addresses([second, first]).values()) == [other]
