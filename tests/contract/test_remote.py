"""What a checkpoint at a server promises: everything that it would on disk, whatever the format and the server."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from shutil import rmtree

import numpy as np
import pytest
from hub_server import COMMIT, Asked, Hub

from lineage.checkpoints import open_checkpoint
from lineage.sketch import sketch_checkpoint, write_sketch
from lineage.types import Depth
from tests.checkpoint_files import WRITERS, Write, write_shards
from tests.quantized_files import SCHEMES, Scheme
from tests.quantized_files import write as write_scheme
from tests.tensorflow_files import write_tfjs

StartHub = Callable[..., Hub]
SERVERS = {
    "several ranges a request": {},
    "one range a request": {"several_ranges": False},
    "no ranges": {"ranges": False},
    "no ETag": {"etag": lambda path: None},
    "a weak ETag": {"etag": lambda path: 'W/"1"'},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as the hub's own cache would lay it out, so that the model has the same name in both."""
    snapshot = tmp_path / "models--org--net" / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text(json.dumps({"model_type": "bert", "num_attention_heads": 4}))
    (snapshot / "README.md").write_text("---\nlicense: mit\nbase_model: org/base\n---\n# net\n")
    return snapshot


def arrays() -> dict[str, np.ndarray]:
    """Matrices of which only bands are read when sampled, and small tensors between them."""
    rng = np.random.default_rng(5)
    shapes = {"a.weight": (1500, 256), "a.bias": (64,), "b.weight": (600, 640), "c.weight": (70, 70), "d.bias": (9,)}
    return {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


def same_as_on_disk(folder: Path, depth: Depth, *, inflated: bool = False) -> bool:
    """Whether both sketches are the same files; what is inflated may be read more than once, by whichever thread."""
    files = []
    for source in (folder, "hf:org/net"):
        made = sketch_checkpoint(open_checkpoint(source), depth, threads=2)
        write_sketch(replace(made, bytes_read=0) if inflated else made, folder.parents[2] / "a.sketch")
        files.append((folder.parents[2] / "a.sketch").read_bytes())
    return files[0] == files[1]


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS.keys())
def test_every_format_gives_the_sketch_that_it_gives_on_disk(write: Write, folder: Path, hub: StartHub) -> None:
    write(folder, arrays() if write is not write_tfjs else {"a.weight": arrays()["c.weight"]})  # a file each 1000 bytes
    hub({"org/net": folder})
    inflated = "deflated" in write.__name__
    assert same_as_on_disk(folder, "sampled", inflated=inflated)
    assert same_as_on_disk(folder, "full", inflated=inflated)


def test_a_pipeline_does(folder: Path, hub: StartHub) -> None:
    for name in ("unet", "vae"):
        (folder / name).mkdir()
        write_shards(folder / name, arrays())
    (folder / "model_index.json").write_text(json.dumps({name: ["diffusers", "M"] for name in ("unet", "vae")}))
    hub({"org/net": folder})
    assert same_as_on_disk(folder, "full")


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES.keys())
def test_every_quantised_scheme_does(scheme: Scheme, folder: Path, hub: StartHub) -> None:
    matrix = 0.05 * np.random.default_rng(8).standard_normal((1024, 512)).astype(np.float32)
    write_scheme(folder, scheme, {"a": matrix, "b": matrix[::-1]}, {"last.bias": np.ones(6, np.float32)})
    hub({"org/net": folder})
    assert same_as_on_disk(folder, "sampled")


@pytest.mark.parametrize("server", SERVERS.values(), ids=SERVERS.keys())
@pytest.mark.parametrize("depth", ["sampled", "full"])
def test_every_kind_of_server_does(server: dict[str, object], depth: Depth, folder: Path, hub: StartHub) -> None:
    write_shards(folder, arrays())
    hub({"org/net": folder}, **server)
    assert same_as_on_disk(folder, depth)


@pytest.mark.parametrize("fault", ["429", "500", "503", "cut", "half", "short", "long"])
def test_a_request_that_fails_is_sent_again(fault: str, folder: Path, hub: StartHub) -> None:
    write_shards(folder, arrays())
    seen: set[tuple[str, str | None]] = set()

    def once(asked: Asked, number: int) -> str | None:
        """Everything fails the first time."""
        is_new = (asked.path, asked.range) not in seen
        seen.add((asked.path, asked.range))
        return fault if is_new else None

    started = hub({"org/net": folder}, faults=once)
    assert same_as_on_disk(folder, "sampled")
    assert len(started.asked) > len(seen)


@pytest.mark.parametrize("several", [True, False])
def test_with_a_twentieth_of_the_requests_failing_the_sketch_is_the_same(
    several: bool, folder: Path, hub: StartHub, own_folders: Path
) -> None:
    write_shards(folder, arrays())
    chance = random.Random(7)
    failed = []

    def sometimes(asked: Asked, number: int) -> str | None:
        if chance.random() > 0.05:
            return None
        failed.append(number)
        return chance.choice(["429", "503", "cut", "half"])

    hub({"org/net": folder}, faults=sometimes, several_ranges=several)
    for _ in range(20):
        rmtree(own_folders / "lineage", ignore_errors=True)  # what is kept on disk is not asked for again
        assert same_as_on_disk(folder, "sampled")
    assert failed
