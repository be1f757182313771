"""`lineage compare` of two tokenizers: the first line, the JSON, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from lineage.match.tokenizers.chance import UNRELATED
from tests.cli.conftest import Desk, Run
from tests.cli.test_schemas import check
from tests.tokenizer_files import hangul, pool, sentencepiece, tokenizer_json, trained, write

ROOT = Path(__file__).parents[2]
BASE, OTHER = trained(pool(), 6000, 1), trained(pool(), 6000, 2)
HELD = set(BASE)
VOCABULARIES = {
    "base": BASE,
    "copy": BASE,
    "extended": [*BASE, *hangul(800)],
    "pruned": [token for i, token in enumerate(BASE) if i % 3],
    "shuffled": BASE[::-1],
    "sibling": [*BASE, *hangul(800, seed=9)],
    "merged": [*OTHER, *(token for token in BASE if token not in set(OTHER))],
    "other": OTHER,
    "few": BASE[:10],
}


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    home = tmp_path_factory.mktemp("tokenizers")
    return {name: write(home / name, "tokenizer.json", tokenizer_json(t)) for name, t in VOCABULARIES.items()}


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        ("copy", "base", "IDENTICAL to {b}"),
        ("extended", "base", "EXTENDED from {b}"),
        ("base", "extended", "BASE of {b}, which extends it"),
        ("pruned", "base", "PRUNED from {b}"),
        ("base", "pruned", "{b} was PRUNED from it"),
        ("shuffled", "base", "RELATED to {b}: the same tokens in another order; which came first is open"),
        ("extended", "sibling", "SIBLING of {b}: a part of both is in one order, and both have tokens of their own"),
        ("merged", "base", "MERGED from {b} and others"),
        ("base", "merged", "{b} was MERGED from it and others"),
        ("other", "base", "INDEPENDENT of {b}: what they share is not in one order"),
        ("few", "base", "TOO LITTLE TO TELL beside {b}"),
    ],
)
def test_the_first_line_is_true_as_it_stands(
    run: Run, tokenizers: dict[str, Path], a: str, b: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tokenizers[a].parents[1])
    done = run("compare", f"{a}/tokenizer.json", b)
    assert done.code == 0
    paragraph = " ".join(done.out.split("\n  ")[0].split())
    assert paragraph == f"tokenizer of {a}/tokenizer.json {said.format(b=b)}"
    assert "says nothing of the weights" in done.out


def test_special_tokens_that_differ_are_in_the_first_line(run: Run, tmp_path: Path) -> None:
    a = write(tmp_path / "a", "tokenizer.json", tokenizer_json(BASE, special=("<a>", "<c>")))
    b = write(tmp_path / "b", "tokenizer.json", tokenizer_json(BASE, special=("<b>", "<c>")))
    assert "but for special tokens" in " ".join(run("compare", a, b).out.split())


def test_the_json_is_what_its_schema_says(run: Run, tokenizers: dict[str, Path]) -> None:
    for path in tokenizers.values():
        check("compare-tokenizers.json", run("compare", path, tokenizers["base"], "--json").json)
    assert run("compare", tokenizers["extended"], tokenizers["base"], "--json").json["parent"] == "b"


def test_a_model_is_asked_for_its_tokenizer_where_the_other_is_one(run: Run, desk: Desk, tokenizers, tmp_path) -> None:
    sketch = tmp_path / "model.sketch"
    folder = tmp_path / "model"
    write(folder, "tokenizer.model", sentencepiece(BASE))
    (folder / "model.safetensors").write_bytes(desk.base.read_bytes())
    assert run("sketch", folder, "-o", sketch).code == 0
    for model in (folder, sketch):
        answer = run("compare", model, tokenizers["pruned"], "--json").json
        assert (answer["relation"], answer["parent"]) == ("pruned", "a")
    assert run("compare", folder, sketch, "--json").json["schema"] == "lineage/compare/1"


@pytest.mark.parametrize("words", [("--report", "x.html"), ("--gate", "identical"), ("--explain",)])
def test_what_only_weights_have_is_refused(run: Run, tokenizers: dict[str, Path], words: tuple[str, ...]) -> None:
    done = run("compare", tokenizers["base"], tokenizers["copy"], *words)
    assert done.code == 2
    assert "two tokenizers are compared on the screen or with --json" in done.err


def test_what_cannot_be_read_is_one_line(run: Run, tokenizers: dict[str, Path], desk: Desk, tmp_path: Path) -> None:
    damaged = write(tmp_path, "tokenizer.json", b'{"model": {"vocab": {"a": -1}}}')
    for wrong, said in (
        (damaged, "which is none"),
        (desk.base, "is no tokenizer"),
        (tmp_path / "no", "no such file"),
    ):
        done = run("compare", wrong, tokenizers["base"])
        assert done.code == 12
        assert said in done.err
        assert len(done.err.strip().splitlines()) == 1


def test_the_overlap_of_unrelated_ones_is_the_measured_one() -> None:
    page = (ROOT / "docs/results.md").read_text(encoding="utf-8")
    wanted = f"unrelated pairs share {UNRELATED.median:.0%} at the median, {UNRELATED.low:.0%} to {UNRELATED.high:.0%}"
    assert f"{wanted} for nine in ten, at most {UNRELATED.most:.1%}" in page
