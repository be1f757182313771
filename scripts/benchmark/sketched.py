"""The sketches of a folder of models: made once, kept, and without any hint but the weights."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import replace
from hashlib import blake2b, file_digest
from pathlib import Path

from benchmark.workers import spread
from lineage import __file__ as _PACKAGE
from lineage import api
from lineage.sketch import FAMILY, read_sketch, write_sketch
from lineage.types import CheckpointSketch

_ROOMS = ("types", "checkpoints", "anatomy", "sketch")


def sketches_of(folder: Path, names: Iterable[str], cache: Path, jobs: int) -> dict[str, CheckpointSketch]:
    """A sketch of each model `folder/NAME.safetensors`, by name; those that `cache` has are not made again.

    A kept sketch goes by the content of its file and by the code that made it.
    """
    home = cache / sketching()
    home.mkdir(parents=True, exist_ok=True)
    files = {name: folder / f"{name}.safetensors" for name in names}
    kept = {name: home / f"{_digest(file)}.sketch" for name, file in files.items()}
    missing = {kept[name]: file for name, file in files.items() if not kept[name].exists()}
    for _ in spread(_keep, [*missing.items()], jobs):
        pass
    return hidden({name: read_sketch(path) for name, path in kept.items()})


def sketching() -> str:
    """A name for the way in which sketches are made: their family, and a digest of the code of the rooms up to it."""
    package = Path(_PACKAGE).parent
    code = blake2b(digest_size=6)
    for file in sorted(file for room in _ROOMS for file in (package / room).rglob("*.py")):
        code.update(file.read_bytes())
    return f"{FAMILY}-{code.hexdigest()}"


def hidden(sketches: Mapping[str, CheckpointSketch]) -> dict[str, CheckpointSketch]:
    """The sketches by their true names, renamed to meaningless names, the same for the same id; without cards."""
    ids = sorted({sketch.id for sketch in sketches.values()})
    random.Random(0).shuffle(ids)  # noqa: S311 - no secret
    other = {model: f"m{number:03d}" for number, model in enumerate(ids)}
    return {
        name: replace(sketch, name=other[sketch.id], path="", licence=None, declared=())
        for name, sketch in sketches.items()
    }


def _keep(task: tuple[Path, Path]) -> None:
    target, file = task
    write_sketch(api.sketch(file), target)


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return file_digest(opened, "sha256").hexdigest()[:32]
