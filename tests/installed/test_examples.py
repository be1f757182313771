"""What README.md and the help pages show works as installed, each command in a process of its own."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import numpy as np
import pytest

from lineage.cli import COMMANDS, lineage
from tests.adapter_files import drawn, write_adapter
from tests.checkpoint_files import write_npz, write_torch
from tests.documents import README, ROOT, commands, fences
from tests.gguf_files import write_gguf
from tests.installed.test_every_command import NEED_AN_EXTRA
from tests.installed.wheel import Ended, Installed
from tests.small_models import published, saved, trained, tuned
from tests.synthetic import Arrays
from tests.tokenizer_files import pool, tokenizer_json

ONLINE = re.compile(r"hf:|https:|--catalogue")
GATED = {0, 20, 21, 30}
SCRIPTS = sorted((ROOT / "docs" / "examples").glob("*.py"))


def llama(generator: np.random.Generator) -> Arrays:
    """Two layers of random matrices with the names of LLaMA."""
    shapes = {"model.embed_tokens.weight": (96, 64), "model.norm.weight": (64,)}
    for layer in range(2):
        prefix = f"model.layers.{layer}"
        shapes |= {f"{prefix}.self_attn.{name}_proj.weight": (64, 64) for name in "qkvo"}
        shapes |= {f"{prefix}.mlp.{name}_proj.weight": (128, 64) for name in ("gate", "up")}
        shapes |= {f"{prefix}.mlp.down_proj.weight": (64, 128)}
    return {name: generator.standard_normal(shape, dtype=np.float32) for name, shape in shapes.items()}


@pytest.fixture
def readme_desk(tmp_path: Path) -> Path:
    """The two models that the README speaks of: `base`, and `nova`, a fine-tune of it."""
    base = llama(np.random.default_rng(7))
    published(base, tmp_path / "base")
    published(tuned(base, 8), tmp_path / "nova")
    for name in ("base", "nova"):
        (tmp_path / name / "tokenizer.json").write_bytes(tokenizer_json(pool(500)))
    return tmp_path


def test_every_command_of_the_readme_works(installed, readme_desk):
    found = commands(README)
    assert len(found) > 20
    for words in found:
        ended = installed.lineage(*words, cwd=readme_desk)
        assert ended.code == 0 or needs_its_extra(words, ended), f"lineage {shlex.join(words)}\n{ended.err}"


def needs_its_extra(words: Sequence[str], ended: Ended) -> bool:
    """A command that is an optional part as a whole says in one line what to install."""
    extra = f"pip install 'weight-lineage[{NEED_AN_EXTRA.get(words[0], '')}]'\n"
    return words[0] in NEED_AN_EXTRA and ended.code == 1 and ended.err.endswith(extra)


def test_the_python_of_the_readme_works(installed, readme_desk):
    assert installed.lineage("ingest", "base", cwd=readme_desk).code == 0
    (fence,) = (fence for fence in fences(README) if fence.language == "python")
    ended = installed.python("-c", fence.text, cwd=readme_desk)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("base fine-tuned")


def examples(command: click.Command) -> Iterator[list[str]]:
    """Words of each `lineage ...` line of a help page, without its explanation."""
    for line in (command.help or "").splitlines():
        if line.lstrip().startswith("lineage "):
            yield shlex.split(re.split(r" {2,}", line.strip())[0])[1:]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, installed: Installed) -> Path:
    desk = tmp_path_factory.mktemp("desk")
    base = trained(1)
    nova, other = tuned(base, 2), tuned(base, 4)
    soup = {name: np.float32(0.6) * weights + np.float32(0.4) * other[name] for name, weights in nova.items()}
    (desk / "zoo").mkdir()
    (desk / "service.toml").write_text("hub = false\n")
    (desk / "models.txt").write_text("nova\nother  # by its maker\n")
    known = {"base": base, "nova": nova, "model": nova, "child": nova, "huge": nova, "other": other, "soup": soup}
    for name, weights in {**known, "zoo/one": trained(5), "zoo/two": trained(6)}.items():
        published(weights, desk / name)
    for name in ("base", "child"):
        (desk / name / "tokenizer.json").write_bytes(tokenizer_json(pool(500)))
    (desk / "tokenizer.json").write_bytes(tokenizer_json(pool(500)))
    write_files(desk, nova)
    queries = {n.removesuffix(".weight"): w.shape for n, w in base.items() if n.endswith("query.weight")}
    write_adapter(desk / "lora", drawn(queries, 4, 11), base_model_name_or_path="org/base")
    for name, source in {"nova": "nova", "model": "model", "upload": "nova", "handed-over": "other"}.items():
        assert installed.lineage("sketch", source, "-o", f"{name}.sketch", cwd=desk).code == 0
    for index in ([], ["--index", "DIR"]):
        ended = installed.lineage("ingest", "base", "nova", "other", "soup", *index, cwd=desk)
        assert (ended.code, ended.err) == (0, "")
    return desk


def test_every_example_of_the_help_pages_works(installed, desk):
    known = json.loads(installed.lineage("show", "nova", "--json", cwd=desk).out)["id"]
    pages = {"": lineage} | {name: lineage.get_command(click.Context(lineage), name) for name in COMMANDS}
    failed: list[str] = []
    for name, page in pages.items():
        found = list(examples(page))
        assert found, name
        for words in found:
            ended = installed.lineage(*(known[:6] if word == "3f9a" else word for word in words), cwd=desk)
            if not as_it_should(words, ended):
                failed.append(f"lineage {shlex.join(words)}: code {ended.code}\n{ended.err}")
    assert not failed, "\n".join(failed)


def as_it_should(words: Sequence[str], ended: Ended) -> bool:
    """Done, or with a gate any of its outcomes; what needs a network or is one needs an extra first, which is named."""
    if words[:1] and words[0] in NEED_AN_EXTRA:
        return needs_its_extra(words, ended)
    if "--ray" in words:
        return ended.code == 1 and ended.err.endswith("pip install 'weight-lineage[ray]'\n")
    if ONLINE.search(shlex.join(words)):
        return ended.code == 1 and ended.err.endswith("pip install 'weight-lineage[hub]'\n")
    return ended.code in (GATED if "--gate" in words else {0}) and not ended.err


def write_files(desk: Path, nova: Arrays) -> None:
    """Single files, rules and claims with the names of the help pages."""
    saved(nova, desk / "model.safetensors")
    saved(trained(7), desk / "a.safetensors")
    (desk / "out").mkdir()
    for seed, name in enumerate(("a.pt", "b.pt", "big.pt", "out/last.pt"), start=8):
        write_torch(desk, trained(seed)).rename(desk / name)
    write_npz(desk, trained(12)).rename(desk / "c.npz")
    write_gguf(desk, trained(13)).rename(desk / "c.gguf")
    for fence in fences((ROOT / "docs" / "policies.md").read_text(encoding="utf-8")):
        if fence.language == "toml":
            (desk / fence.text.partition("\n")[0].removeprefix("# ")).write_text(fence.text)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_every_script_prints_what_the_page_shows(installed, tmp_path, script):
    page = (ROOT / "docs" / "examples.md").read_text(encoding="utf-8")
    _, _, section = page.partition(f"examples/{script.name}\n")
    shown = next(fence.text for fence in fences(section) if fence.language == "text")
    ended = installed.python(script, cwd=tmp_path)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == shown


def test_the_gate_of_the_page_stops_a_pipeline(installed, tmp_path):
    base = trained(1)
    saved(base, tmp_path / "banned.safetensors")
    saved(base, tmp_path / "release.safetensors")
    saved(trained(2), tmp_path / "other.safetensors")
    (tmp_path / "broken.safetensors").touch()
    script = ROOT / "docs" / "examples" / "pipeline_gate.py"
    codes = {"release": 20, "other": 0}
    for name, code in codes.items():
        ended = installed.python(script, f"{name}.safetensors", "banned.safetensors", cwd=tmp_path)
        assert (ended.code, ended.err) == (code, "")
    ended = installed.python(script, "release.safetensors", "broken.safetensors", cwd=tmp_path)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith("broken.safetensors: ")
