"""What README.md says works, in the order in which it says it."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.tokenizer_files import pool, tokenizer_json

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
LINEAGE = [sys.executable, "-c", "import sys; from lineage.cli import main; sys.exit(main())"]


@dataclass(frozen=True)
class Fence:
    """One fenced block: its language, and its text."""

    language: str
    text: str


def fences(page: str) -> list[Fence]:
    return [Fence(*found) for found in re.findall(r"^```(\w+)\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)]


def commands(page: str) -> list[list[str]]:
    """Every `lineage ...` line of the shell blocks, without prompt and comment, split like a shell would."""
    lines = [line for fence in fences(page) if fence.language in {"sh", "console"} for line in fence.text.splitlines()]
    split = [shlex.split(line.removeprefix("$ "), comments=True) for line in lines]
    return [words[1:] for words in split if words[:1] == ["lineage"]]


def model(folder: Path, weights: dict[str, np.ndarray]) -> None:
    folder.mkdir()
    save_file(weights, folder / "model.safetensors")
    config = {"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2, "vocab_size": 96}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    (folder / "tokenizer.json").write_bytes(tokenizer_json(pool(500)))


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with the two models that the README speaks of: `base`, and `model`, a fine-tune of it."""
    generator = np.random.default_rng(7)
    shapes = {"model.embed_tokens.weight": (96, 64), "model.norm.weight": (64,)}
    for layer in range(2):
        prefix = f"model.layers.{layer}"
        shapes |= {f"{prefix}.self_attn.{name}_proj.weight": (64, 64) for name in "qkvo"}
        shapes |= {f"{prefix}.mlp.{name}_proj.weight": (128, 64) for name in ("gate", "up")}
        shapes |= {f"{prefix}.mlp.down_proj.weight": (64, 128)}
    base = {name: generator.standard_normal(shape, dtype=np.float32) for name, shape in shapes.items()}
    tuned = {
        name: value + 0.02 * generator.standard_normal(value.shape, dtype=np.float32) for name, value in base.items()
    }
    model(tmp_path / "base", base)
    model(tmp_path / "nova", tuned)
    return tmp_path


def run(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_the_readme_shows_commands():
    assert len(commands(README)) > 5


def test_every_command_of_the_readme_works(desk):
    for words in commands(README):
        done = run([*LINEAGE, *words], desk)
        assert done.returncode == 0, f"lineage {shlex.join(words)}\n{done.stderr}"


def test_the_python_of_the_readme_works(desk):
    run([*LINEAGE, "ingest", "base"], desk)
    for fence in fences(README):
        if fence.language == "python":
            done = run([sys.executable, "-W", "error", "-c", fence.text], desk)
            assert done.returncode == 0, done.stderr
            assert done.stdout.startswith("base fine-tuned")


def test_every_command_is_in_the_readme(desk):
    listed = run([*LINEAGE, "--help"], desk).stdout.partition("Commands:")[2]
    names = re.findall(r"^  (\w[\w-]*)", listed, re.MULTILINE)
    assert names
    assert {name for name in names if not re.search(rf"^lineage {name}\b", README, re.MULTILINE)} == set()


@pytest.mark.parametrize("page", sorted(ROOT.glob("*.md")), ids=lambda page: page.name)
def test_every_link_to_a_file_leads_to_one(page):
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and not (ROOT / link).exists()] == []
