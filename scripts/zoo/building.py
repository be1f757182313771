"""Builds the models of the recipes into a cache folder, parents first, in worker processes; what is there stays."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from zoo.model import Model, cosine, load, save
from zoo.operations import apply
from zoo.recipes import Recipe, key

Tell = Callable[[str], None]
Notes = dict[str, Any]


def build(table: Mapping[str, Recipe], cache: Path, workers: int, tell: Tell) -> None:
    """Make every model of `table` that `cache` does not hold yet. Raises what a worker raised."""
    keys = {name: key(recipe, table) for name, recipe in table.items()}
    done = {name for name in table if _kept(cache, name) == keys[name]}
    waiting = [name for name in table if name not in done]
    running: dict[Future[tuple[str, float]], str] = {}
    with ProcessPoolExecutor(workers, get_context("spawn"), _one_thread) as pool:
        while waiting or running:
            for name in [n for n in waiting if done.issuperset(table[n].parents)][: 2 * workers - len(running)]:
                waiting.remove(name)
                running[pool.submit(_make, table[name], keys[name], cache)] = name
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                name, seconds = future.result()
                done.add(running.pop(future))
                tell(f"{len(done):3d}/{len(table)}  {name:40} {table[name].operator:12} {seconds:6.1f} s")


def notes_of(cache: Path, name: str) -> Notes:
    """What was noted when a model was built: key, seconds, parameters, vocabulary, median cosine to each parent."""
    found: Notes = json.loads(_notes(cache, name).read_text(encoding="utf-8"))
    return found


def _notes(cache: Path, name: str) -> Path:
    return cache / "recipes" / f"{name}.json"


def _kept(cache: Path, name: str) -> str | None:
    whole = (cache / name / "config.json").exists() and _notes(cache, name).exists()
    return str(notes_of(cache, name)["key"]) if whole else None


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def _make(recipe: Recipe, digest: str, cache: Path) -> tuple[str, float]:
    began = time.perf_counter()
    parents = [open_model(cache, name) for name in recipe.parents]
    made = apply(recipe, parents, cache / "data")
    folder = cache / recipe.id
    _notes(cache, recipe.id).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    save(made, folder, recipe.args.get("shards", 1))
    seconds = time.perf_counter() - began
    notes = {
        "key": digest,
        "seconds": round(seconds, 2),
        "params": int(sum(a.size for a in made.arrays.values())),
        "bytes": sum(f.stat().st_size for f in folder.iterdir()),
        "vocabulary": made.vocabulary,
        "cosines": [cosine(made.arrays, p.arrays) for p in parents],
    }
    _notes(cache, recipe.id).parent.mkdir(parents=True, exist_ok=True)
    _notes(cache, recipe.id).write_text(json.dumps(notes, indent=1) + "\n", encoding="utf-8")
    return recipe.id, seconds


def open_model(cache: Path, name: str) -> Model:
    """A model of the cache, every float as float32."""
    return load(cache / name, notes_of(cache, name)["vocabulary"])
