"""What needs a part that is not installed says so in one line, names it, and ends with the documented code."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHECKPOINTS = ROOT / "tests" / "golden" / "checkpoints"

NEEDS = {
    "h5": CHECKPOINTS / "tiny.h5",
    "lz4": CHECKPOINTS / "tiny_lz4.joblib",
    "gguf": CHECKPOINTS / "ggml_blocks.gguf",
    "hub": "https://127.0.0.1:1/model.safetensors",
}


@pytest.mark.parametrize("extra", NEEDS)
def test_reading_without_its_extra(installed, tmp_path, extra):
    for command in (["whois"], ["sketch", "-o", "made.sketch"]):
        ended = installed.lineage(*command, NEEDS[extra], cwd=tmp_path)
        assert (ended.code, ended.out) == (1, "")
        (line,) = ended.err.splitlines()
        assert f"pip install 'weight-lineage[{extra}]'" in line
    assert not (tmp_path / "made.sketch").exists()


def test_keras_archives_too(installed, tmp_path):
    ended = installed.lineage("whois", CHECKPOINTS / "tiny.keras", cwd=tmp_path)
    assert (ended.code, len(ended.err.splitlines())) == (1, 1)
    assert ended.err.endswith("reading HDF5 needs h5py: pip install 'weight-lineage[h5]'\n")


def test_formats_of_the_core_need_none(installed, tmp_path):
    not_alone = {path.name for path in NEEDS.values() if isinstance(path, Path)} | {"tiny.keras"}
    not_alone |= {"tiny.ckpt.data-00000-of-00001"}  # its index opens it
    found = (file for file in sorted(CHECKPOINTS.iterdir()) if file.suffix != ".npz")
    files = [file for file in found if file.name not in not_alone]
    assert len(files) >= 20
    ended = installed.lineage("ingest", *files, "--index", tmp_path / "index", cwd=tmp_path)
    assert (ended.code, ended.err) == (0, "")


def test_every_extra_is_one_of_the_package():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert set(NEEDS) | {"picture", "mcp", "serve", "sign", "all", "dev"} <= set(extras)
