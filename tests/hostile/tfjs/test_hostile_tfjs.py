"""TensorFlow.js manifests that someone made to hurt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lineage.checkpoints import open_checkpoint
from lineage.errors import CheckpointError, Malformed, NoWeights, Truncated, UnsupportedDtype, UnsupportedFormat
from tests.checkpoint_files import whole
from tests.hostile_files import refused

HUGE = 1 << 40


def manifest(folder: Path, groups: Any) -> Path:
    (folder / "model.json").write_text(json.dumps({"weightsManifest": groups}))
    return folder / "model.json"


def group(*paths: Any, **change: Any) -> list[Any]:
    weight = {"name": "w", "shape": [2, 2], "dtype": "float32"} | change
    return [{"paths": list(paths) or ["shard.bin"], "weights": [weight]}]


def codes(**settings: Any) -> dict[str, Any]:
    return {"quantization": {"dtype": "uint8", "scale": 1.0, "min": 0.0} | settings}


HOSTILE: dict[str, tuple[Any, type[CheckpointError], str]] = {
    "no groups": ({"w": 1}, UnsupportedFormat, "without a weightsManifest"),
    "a group that is a number": ([7], Malformed, "has no list of weights"),
    "a group without files": ([{"weights": []}], Malformed, "has no list of paths"),
    "a file that is a number": (group(7), Malformed, "the path of a shard is not text"),
    "a file outside": (group("../shard.bin"), Malformed, "outside the folder"),
    "a file at the root": (group("/etc/passwd"), Malformed, "outside the folder"),
    "a file at a server": (group("http://host/shard.bin"), NoWeights, "is missing"),
    "the folder itself": (group("."), Malformed, "regular file|outside"),
    "one file a thousand times": (group(*["shard.bin"] * 1000), Malformed, "after the last weight"),
    "a weight that is a number": ([{"paths": [], "weights": [7]}], Malformed, "has no name"),
    "a weight twice": (group() * 2, Malformed, "two weights are named 'w'"),
    "a name that clears the screen": (group(name="\x1b[2J"), Malformed, "control characters"),
    "negative sides": (group(shape=[-2, -2]), Malformed, "has no shape"),
    "sides that are truths": (group(shape=[True]), Malformed, "has no shape"),
    "a shape that overflows": (group(shape=[HUGE, HUGE]), Malformed, "overflows"),
    "a shape beyond the files": (group(shape=[HUGE]), Truncated, "ends at byte 4,398,046,511,104"),
    "no elements": (group(shape=[0]), Malformed, "has no elements"),
    "a type that is a list": (group(dtype=["float32"]), UnsupportedDtype, "has dtype"),
    "text": (group(dtype="string"), UnsupportedDtype, "has dtype 'string'"),
    "codes without a scale": (group(shape=[16], **codes(scale=None)), Malformed, "quantised without scale"),
    "codes with a truth for a scale": (group(shape=[16], **codes(scale=True)), Malformed, "quantised without scale"),
    "codes with a scale of 400 digits": (group(shape=[16], **codes(scale=10**400)), Malformed, "without scale"),
    "codes with a least value beyond every float": (group(shape=[16], **codes(min=-1e300)), Malformed, "without min"),
    "codes of an unknown width": (group(shape=[16], **codes(dtype="uint4")), UnsupportedDtype, "has dtype 'uint4'"),
}


@pytest.mark.parametrize(("groups", "kind", "said"), HOSTILE.values(), ids=HOSTILE.keys())
def test_is_refused_in_one_line(groups: Any, kind: type[CheckpointError], said: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for place in (tmp_path, tmp_path / "in"):
        (place / "shard.bin").write_bytes(bytes(16))
    refused(manifest(tmp_path / "in", groups), kind, said)


def test_a_file_behind_a_link_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "secret").write_bytes(bytes(16))
    (tmp_path / "in" / "shard.bin").symlink_to(tmp_path / "secret")
    refused(manifest(tmp_path / "in", group()), Malformed, "outside the folder: refused")


def test_a_value_beyond_every_float_reads_without_a_warning(tmp_path: Path) -> None:
    """The sketch refuses values that are not finite."""
    (tmp_path / "shard.bin").write_bytes(bytes(range(16)))
    settings = codes(scale=3e38, min=3e38)
    found = whole(open_checkpoint(manifest(tmp_path, group(shape=[16], **settings))))["w"]
    assert not np.isfinite(found[2:]).any()
