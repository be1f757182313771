"""What is kept of known models on disk comes back to the bit, or not at all: of the same files, by the same code."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import pytest

from lineage import __version__
from lineage.ancestry import compare
from lineage.errors import StoreError
from lineage.sketch import write_sketch
from lineage.store import SqliteIndex, comparison_cache, examine, rebuild
from lineage.store.cache_in_use import SETTING, kept_on_disk, most_bytes, on_disk
from lineage.store.comparison_cache import ComparisonCache
from lineage.store.kept_sketches import KeptSketches
from lineage.types import CheckpointSketch, Comparison, Declared
from tests.small_models import sketched, trained, tuned
from tests.systems import needs_linux, needs_pipes

BASE = trained(1)
MODELS = {"base": BASE, **{f"child-{i}": tuned(BASE, 10 + i, 0.05) for i in range(4)}, "stranger": trained(2)}
MOST = 4 << 20
"""Enough for all of them."""


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> dict[str, CheckpointSketch]:
    """The models as an index reads them."""
    folder = tmp_path_factory.mktemp("known")
    return {name: filed(folder, name) for name in MODELS}


def filed(folder: Path, name: str) -> CheckpointSketch:
    write_sketch(sketched(MODELS[name], name), folder / f"{name}.sketch")
    return KeptSketches().read(folder / f"{name}.sketch")


def kept(folder: Path, a: CheckpointSketch, b: CheckpointSketch) -> Comparison:
    """Keep the comparison of two models in the cache of a folder."""
    made, cache = compare(a, b), ComparisonCache(folder, MOST)
    cache.note(a, b, made)
    cache.write()
    return made


def found(folder: Path, a: CheckpointSketch, b: CheckpointSketch) -> Comparison | None:
    return ComparisonCache(folder, MOST).found(a, b)


def file_in(folder: Path) -> Path:
    return folder / "comparisons" / "known.sqlite"


def test_a_comparison_comes_back_to_the_bit_under_the_name_of_the_reference(known, tmp_path):
    for a in known.values():
        for b in known.values():
            made = kept(tmp_path, a, b)
            assert repr(found(tmp_path, a, b)) == repr(made)
    renamed = replace(known["base"], name="renamed", licence="mit", path="elsewhere")
    assert found(tmp_path, known["child-0"], renamed) == compare(known["child-0"], renamed)


def test_what_waits_is_found_before_it_is_written(known, tmp_path):
    cache = ComparisonCache(tmp_path, MOST)
    made = compare(known["child-0"], known["base"])
    cache.note(known["child-0"], known["base"], made)
    assert cache.found(known["child-0"], known["base"]) == made
    assert not file_in(tmp_path).exists()


def test_only_what_an_index_holds_is_kept(known, tmp_path):
    child, base = known["child-0"], known["base"]
    asked = sketched(MODELS["child-0"], "asked")
    others = {
        "not of an index": (asked, base),
        "with other tensors": (replace(child, tensors=child.tensors[1:]), base),
        "under another id": (replace(child, id="f" * 32), base),
        "of another format": (child, replace(base, format="gguf")),
        "with a declared parent": (replace(child, declared=(Declared("base", None, "card"),)), base),
        "without neurons": (child, replace(base, neurons=(*base.neurons, *base.neurons[:1], None))),
    }
    for a, b in others.values():
        cache = ComparisonCache(tmp_path, MOST)
        cache.note(a, b, compare(child, base))
        cache.write()
    assert not file_in(tmp_path).exists()
    kept(tmp_path, child, base)
    assert [what for what, (a, b) in others.items() if found(tmp_path, a, b) is not None] == []


def test_other_code_or_another_file_makes_another_comparison(known, tmp_path, monkeypatch):
    kept(tmp_path, known["child-0"], known["base"])
    assert found(tmp_path, known["base"], known["child-0"]) is None
    monkeypatch.setattr(comparison_cache, "_code", lambda: b"other")
    assert found(tmp_path, known["child-0"], known["base"]) is None


def damaged(change: Callable[[bytearray], None]) -> Callable[[Path], None]:
    def done(path: Path) -> None:
        held = bytearray(path.read_bytes())
        change(held)
        path.write_bytes(held)

    return done


def edited(statement: str) -> Callable[[Path], None]:
    def done(path: Path) -> None:
        with closing(sqlite3.connect(path)) as db, db:
            db.execute(statement)

    return done


def bit(place: int) -> Callable[[bytearray], None]:
    def flip(held: bytearray) -> None:
        held[place] ^= 1

    return flip


DAMAGE: dict[str, Callable[[Path], None]] = {
    "no database": lambda path: path.write_bytes(b"x" * 8192),
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-5000]),
    "a bit in what is held": damaged(lambda held: bit(held.index(b'"relation"') + 14)(held)),
    "the header": damaged(bit(20)),
    "of a later format": damaged(lambda held: held.__setitem__(slice(18, 20), b"\x09\x09")),
    "an error that is no text": damaged(lambda held: held.__setitem__(slice(100, 200), b"\xfd" * 100)),
    "a row of text": edited("UPDATE comparisons SET held = 'x'"),
    "another key": edited("UPDATE comparisons SET key = x'00112233445566778899aabbccddeeff'"),
    "a longer row": edited("UPDATE comparisons SET held = held || x'00'"),
    "nothing held": edited("UPDATE comparisons SET held = x''"),
    "a trigger": edited("CREATE TRIGGER t AFTER INSERT ON comparisons BEGIN DELETE FROM comparisons; END"),
    "a view": edited("CREATE VIEW v AS SELECT 1"),
    "another table": edited("ALTER TABLE comparisons RENAME TO others"),
    "a further column": edited("ALTER TABLE comparisons ADD COLUMN x"),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_damage_is_passed_over_told_and_mended(known, tmp_path, damage):
    SqliteIndex.create(tmp_path).close()
    child, base = known["child-0"], known["base"]
    made = kept(tmp_path, child, base)
    damage(file_in(tmp_path))
    assert found(tmp_path, child, base) is None
    with SqliteIndex.open(tmp_path) as index:
        (finding,) = examine(index)
    assert (finding.is_damage, finding.where) == (False, str(file_in(tmp_path)))
    kept(tmp_path, child, base)
    assert found(tmp_path, child, base) == made
    file_in(tmp_path).with_name(".known.sqlite.x.tmp").touch()
    rebuild(tmp_path, __version__)
    assert list(file_in(tmp_path).parent.iterdir()) == []


OTHERS: dict[str, Callable[[Path], object]] = {
    "a folder": Path.mkdir,
    "a link": lambda path: path.symlink_to("/dev/zero"),
    "a link to nowhere": lambda path: path.symlink_to("nowhere"),
    **({"a pipe": os.mkfifo} if hasattr(os, "mkfifo") else {}),
}


@needs_pipes
@pytest.mark.parametrize("name", ["known.sqlite", "known.sqlite-journal"])
@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS.keys())
def test_what_is_no_file_is_taken_away(known, tmp_path, name, other):
    child, base = known["child-0"], known["base"]
    made = kept(tmp_path, child, base)
    place = tmp_path / "comparisons" / name
    place.unlink(missing_ok=True)
    other(place)
    assert found(tmp_path, child, base) is None
    kept(tmp_path, child, base)
    assert found(tmp_path, child, base) == made


def test_a_file_in_the_place_of_the_folder_costs_time(known, tmp_path):
    (tmp_path / "comparisons").write_text("no folder")
    kept(tmp_path, known["child-0"], known["base"])
    assert found(tmp_path, known["child-0"], known["base"]) is None


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_read(known, tmp_path):
    made = kept(tmp_path, known["child-0"], known["base"])
    before = file_in(tmp_path).read_bytes()
    for path in (file_in(tmp_path), file_in(tmp_path).parent, tmp_path):
        path.chmod(0o555)
    try:
        kept(tmp_path, known["child-1"], known["base"])
        assert found(tmp_path, known["child-0"], known["base"]) == made
        assert found(tmp_path, known["child-1"], known["base"]) is None
    finally:
        for path in (tmp_path, file_in(tmp_path).parent, file_in(tmp_path)):
            path.chmod(0o755)
    assert file_in(tmp_path).read_bytes() == before


def _keep_without_room(folder: Path, a: CheckpointSketch, b: CheckpointSketch) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
    kept(folder, a, b)


@needs_linux
def test_a_full_disk_costs_time(known, tmp_path):
    (tmp_path / "empty").mkdir()
    made = kept(tmp_path, known["child-0"], known["base"])
    for folder in (tmp_path, tmp_path / "empty"):
        for name in ("child-1", "child-2", "child-3"):
            ends = known[name], known["base"]
            process = get_context("fork").Process(target=_keep_without_room, args=(folder, *ends))
            process.start()
            process.join()
            assert process.exitcode == 0
    assert found(tmp_path, known["child-0"], known["base"]) == made
    assert comparison_cache.is_sound_cache(file_in(tmp_path))
    assert [path.name for path in (tmp_path / "empty").rglob("*.tmp")] == []


def test_the_oldest_make_room(known, tmp_path):
    most = 24 * 4096
    pairs = [(a, b) for a in known.values() for b in known.values()]
    for a, b in pairs:
        cache = ComparisonCache(tmp_path, most)
        cache.note(a, b, compare(a, b))
        cache.write()
        assert cache.found(a, b) is not None
    assert file_in(tmp_path).stat().st_size <= most
    there = [ComparisonCache(tmp_path, most).found(a, b) is not None for a, b in pairs]
    assert not there[0]
    assert there[-1]
    assert there == sorted(there)
    smaller = ComparisonCache(tmp_path, 12 * 4096)  # the setting was lowered
    smaller.note(*pairs[0], compare(*pairs[0]))
    smaller.write()
    assert file_in(tmp_path).stat().st_size <= 12 * 4096
    assert smaller.found(*pairs[0]) is not None


def test_more_at_once_than_fits_is_kept_in_part(known, tmp_path):
    cache = ComparisonCache(tmp_path, 24 * 4096)
    pairs = [(a, b) for a in known.values() for b in known.values()]
    for a, b in pairs:
        cache.note(a, b, compare(a, b))
    cache.write()
    there = sum(cache.found(a, b) is not None for a, b in pairs)
    assert 0 < there < len(pairs)
    assert file_in(tmp_path).stat().st_size <= 24 * 4096


def _keep_some(folder: Path, files: Path, name: str) -> None:
    base, child = (KeptSketches().read(files / f"{one}.sketch") for one in ("base", name))
    for _ in range(20):
        kept(folder, base, child)
        kept(folder, child, base)


def test_several_processes_write_at_once(tmp_path):
    for name in MODELS:
        filed(tmp_path, name)
    names = ["child-0", "child-1", "child-2"]
    with ProcessPoolExecutor(3, get_context("spawn")) as pool:
        for done in [pool.submit(_keep_some, tmp_path, tmp_path, name) for name in names]:
            done.result()
    models = {name: KeptSketches().read(tmp_path / f"{name}.sketch") for name in MODELS}
    assert comparison_cache.is_sound_cache(file_in(tmp_path))
    for name in names:
        assert found(tmp_path, models["base"], models[name]) == compare(models["base"], models[name])


def test_relatives_are_kept_for_as_long_as_the_index_is_as_it_was(known, tmp_path):
    cache = ComparisonCache(tmp_path, MOST)
    cache.note_relatives(known["base"], ("a", 1), ["x", "y"])
    cache.note_relatives(sketched(BASE, "asked"), ("a", 1), ["x", "y"])
    cache.write()
    assert cache.relatives(known["base"], ("a", 1)) == ["x", "y"]
    assert cache.relatives(known["base"], ("a", 2)) is None
    assert cache.relatives(known["child-0"], ("a", 1)) is None
    assert cache.relatives(sketched(BASE, "asked"), ("a", 1)) is None


def test_whether_a_model_lies_on_levels_is_kept(known, tmp_path):
    cache = ComparisonCache(tmp_path, MOST)
    for name, said in (("base", True), ("child-0", False)):
        cache.note_levels(known[name], said)
    cache.write()
    assert [cache.is_on_levels(known[name]) for name in ("base", "child-0", "child-1")] == [True, False, None]


def test_the_setting_bounds_the_cache_and_turns_it_off(tmp_path, monkeypatch):
    with SqliteIndex.create(tmp_path) as index:
        for said, size in (("", 512 << 20), ("7", 7 << 20), ("0", 0)):
            monkeypatch.setenv(SETTING, said)
            assert most_bytes() == size
            with kept_on_disk([index]):
                assert (on_disk.get() is not None) == (size > 0)
            assert on_disk.get() is None
        for said in ("-1", "many", "1.5", "1" * 8):
            monkeypatch.setenv(SETTING, said)
            with pytest.raises(StoreError, match="is not a number of MiB"), kept_on_disk([index]):
                pass


def test_all_code_that_a_comparison_runs_decides_it():
    """Modules of other folders that the comparison imports would change it unseen."""
    import ast

    import lineage

    root = Path(lineage.__file__).parent
    beside = {"lineage.errors", "lineage.on_first_use", "lineage.checkpoints.numbers", "lineage"}

    def place(module: str) -> Path:
        path = root.joinpath(*module.split(".")[1:])
        return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")

    waiting, seen = ["lineage.ancestry.pair.comparison"], set[Path]()
    for module in waiting:
        for node in ast.walk(ast.parse(place(module).read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lineage"):
                names = [f"{node.module}.{one.name}" for one in node.names]
                for one in (node.module, *(name for name in names if place(name).is_file())):
                    if one not in beside and place(one) not in seen:
                        seen.add(place(one))
                        waiting.append(one)
    deciding = [root / one for one in comparison_cache._DECIDING]
    assert len(seen) > 50
    assert [str(path) for path in seen if not any(path.is_relative_to(one) for one in deciding)] == []


def test_a_copied_index_keeps_its_comparisons(known, tmp_path):
    made = kept(tmp_path / "one", known["child-0"], known["base"]) if (tmp_path / "one").mkdir() is None else None
    shutil.copytree(tmp_path / "one", tmp_path / "other")
    assert found(tmp_path / "other", known["child-0"], known["base"]) == made
