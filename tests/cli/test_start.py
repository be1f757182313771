"""What a question loads: nothing that it does not need. Each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from lineage.sketch import write_sketch
from tests.small_models import saved, sketched, trained

MOST = 120  # modules of lineage, the bar of scripts/bench_start.py
ROOMS = ("anatomy", "ancestry", "api", "checkpoints", "checkpoints.remote", "match", "sketch", "store", "types")
LISTING = """
import sys
from lineage.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
sys.stderr.write("\\n" + " ".join(sys.modules))
"""


def loaded(*words: object) -> set[str]:
    """The modules that a command has loaded when it ends."""
    found = subprocess.run(
        [sys.executable, "-c", LISTING, *map(str, words)], check=True, capture_output=True, text=True
    )
    return set(found.stderr.splitlines()[-1].split())


def test_a_sketch_is_asked_about_without_readers_trees_or_tables(tmp_path: Path) -> None:
    write_sketch(sketched(trained(7), "net"), tmp_path / "net.sketch")
    modules = loaded("whois", tmp_path / "net.sketch")
    ours = {name for name in modules if name.partition(".")[0] == "lineage"}
    assert len(ours) < MOST
    assert not modules & {
        "networkx",
        "datasketch",
        "sqlite_utils",
        "h5py",
        "gguf",
        "urllib3",
        "numpy.ma",
        "starlette",
        "uvicorn",
        "fsspec",
        "grpc",
        "pymilvus",
    }
    assert not [
        name
        for name in ours
        if name.startswith(
            (
                "lineage.checkpoints.formats",
                "lineage.checkpoints.opening",
                "lineage.serve",
                "lineage.sketch.sketch_writing",
                "lineage.types.facts.schemes",
            )
        )
    ]


def test_relatives_in_the_reference_are_placed_without_tables_or_processes() -> None:
    """The cache of comparisons lies in an index of the user's, and several processes draw large graphs alone."""
    code = "import sys, lineage.ancestry.standing; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert not set(found.stdout.split()) & {"sqlite3", "sqlite_utils", "multiprocessing", "lineage.store.sqlite"}


def test_a_file_loads_its_own_reader_alone(tmp_path: Path) -> None:
    saved(trained(7), tmp_path / "net.safetensors")
    modules = loaded("sketch", "--json", tmp_path / "net.safetensors", "-o", tmp_path / "net.sketch")
    formats = {name.split(".")[3] for name in modules if name.startswith("lineage.checkpoints.formats.")}
    assert formats <= {"safetensors", "listing", "mistaken", "gguf", "distributed_names"}
    assert not [name for name in modules if name.startswith(("lineage.contrib", "lineage.match.evidence"))]
    assert not modules & {"importlib.metadata", "numpy.ma", "lineage.types.answers", "lineage.report.witnesses"}


def test_a_command_ends_without_a_last_search_for_garbage() -> None:
    """What a process holds when it ends is frozen: collections pass it over."""
    ending = "import atexit, gc, sys; atexit.register(lambda: sys.stderr.write(str(gc.get_freeze_count())))\n"
    run = [sys.executable, "-c", ending + "from lineage.cli import main; main()", "--version"]
    assert int(subprocess.run(run, check=True, capture_output=True, text=True).stderr) > 1000


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_name_of_a_room_is_there(room: str) -> None:
    package = import_module(f"lineage.{room}")
    for name in package.__all__:
        assert getattr(package, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = package.nothing
