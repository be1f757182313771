"""`lineage compare` of two tokenizers: the first line, the JSON, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lineage import api
from lineage.match.tokenizers import nearest_tokenizer
from lineage.match.tokenizers.chance import UNRELATED
from lineage.sketch import write_tokenizer
from lineage.store import reference_tokenizers
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
        ("few", "base", "TOO LITTLE TO TELL, compared with {b}"),
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
    assert "says nothing about the weights" in done.out


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
    assert "a comparison of tokenizers goes to the screen or --json only" in done.err


def test_what_cannot_be_read_is_one_line(run: Run, tokenizers: dict[str, Path], desk: Desk, tmp_path: Path) -> None:
    damaged = write(tmp_path, "tokenizer.json", b'{"model": {"vocab": {"a": -1}}}')
    for wrong, said in (
        (damaged, "with the invalid id"),
        (desk.base, "is not a tokenizer"),
        (tmp_path / "no", "no such file"),
    ):
        done = run("compare", wrong, tokenizers["base"])
        assert done.code == 12
        assert said in done.err
        assert len(done.err.strip().splitlines()) == 1


@pytest.fixture
def known(tokenizers: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`base` is the one tokenizer that ships."""
    shipped = tmp_path / "reference"
    (shipped / "tokenizers").mkdir(parents=True)
    made = replace(api.tokenizer(tokenizers["base"]), name="the base")
    write_tokenizer(made, shipped / "tokenizers" / "base.tokenizer")
    monkeypatch.setattr("lineage.store.reference.reference_folder", lambda: shipped)


@pytest.fixture
def asked(run: Run, desk: Desk, known, tokenizers: dict[str, Path], tmp_path: Path):
    """`asked("extended")`: the last paragraph of whois about a model with that tokenizer, where `base` is known."""

    def call(name: str, *words: str) -> str:
        folder = tmp_path / f"model-{name}"
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(desk.base.read_bytes())
        (folder / "tokenizer.json").write_bytes(tokenizers[name].read_bytes())
        run("ingest", desk.stranger, "--index", desk.index)
        done = run("whois", folder, "--index", desk.index, *words)
        assert done.code == 0
        return " ".join(done.out[done.out.find("tokenizer:") :].split()) if "tokenizer:" in done.out else ""

    return call


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("copy", "identical to the base; says nothing about the weights"),
        ("extended", "extended from the base, about"),
        ("shuffled", "related to the base: the same tokens in another order; which came first is open; says nothing"),
        ("other", "its own: 72% of its tokens are in the base, the most of 1 known ones, and not in one order"),
        ("few", "too little to tell, compared with the base, the nearest of 1 known ones"),
    ],
)
def test_whois_says_what_the_tokenizer_is_apart_from_the_weights(asked, name: str, said: str) -> None:
    assert asked(name).startswith(f"tokenizer: {said}")


def test_whois_without_the_reference_says_nothing_of_tokenizers(asked) -> None:
    assert asked("copy", "--no-reference") == ""


def test_a_tokenizer_of_the_users_own_models_is_found_too(
    run: Run, desk: Desk, asked, tokenizers, tmp_path: Path
) -> None:
    owned = tmp_path / "ours"
    write(owned, "tokenizer.json", tokenizers["extended"].read_bytes())
    (owned / "model.safetensors").write_bytes(desk.child.read_bytes())
    run("ingest", owned, "--index", desk.index)
    assert asked("extended", "--no-reference") == "tokenizer: identical to ours; says nothing about the weights"
    itself = run("whois", owned, "--index", desk.index)
    assert "extended from the base, about" in " ".join(itself.out.split())


def test_a_tokenizer_without_weights_is_asked_about(run: Run, desk: Desk, known, tokenizers, tmp_path: Path) -> None:
    run("ingest", desk.stranger, "--index", desk.index)
    folder = tmp_path / "alone"
    path = write(folder, "tokenizer.json", tokenizers["extended"].read_bytes())
    said = run("whois", path, "--index", desk.index)
    assert said.code == 0
    assert "EXTENDED from the base" in " ".join(said.out.split())
    assert "EXTENDED from the base" in " ".join(run("whois", folder, "--index", desk.index).out.split())
    answer = run("whois", path, "--index", desk.index, "--json").json
    check("compare-tokenizers.json", answer)
    assert (answer["relation"], answer["b"]) == ("extended", "the base")
    alone = run("whois", path, "--index", desk.index, "--no-reference")
    assert (alone.code, "no known tokenizer" in alone.err) == (10, True)
    assert run("whois", path, "--report", folder / "page.html").code == 2


def test_the_witness_stands_apart_in_json_page_and_audit(asked, run: Run, desk: Desk, tmp_path: Path) -> None:
    page, seite = tmp_path / "en.html", tmp_path / "ko.html"
    asked("extended", "--report", page)
    folder, where = tmp_path / "model-extended", ("--index", desk.index)
    answer = run("whois", folder, *where, "--json").json
    check("whois.json", answer)
    witness = answer["witnesses"]["tokenizer"]
    assert (witness["relation"], witness["parent"], witness["b"]) == ("extended", "b", "the base")
    assert witness["fact"]["id"] == "known-tokenizer"
    assert {one["id"] for one in witness["facts"]} >= {"shared-tokens", "tokens-in-order", "tokenizers-are-shared"}
    apart = {key: answer[key] for key in answer if key not in ("checkpoint", "witnesses", "limits")}
    assert "tokenizer" not in json.dumps(apart)
    run("whois", folder, *where, "--report", seite, "--lang", "ko")
    assert "extended from the base, about" in section_of(page, "witnesses")
    assert "the base 토크나이저를 확장한 것" in section_of(seite, "witnesses")
    for policy, is_said in (("from-scratch", True), ("t-class", True), ("licence", False)):
        said = run("audit", folder, *where, "--policy", policy)
        assert ("tokenizer: extended from the base" in " ".join(said.out.split())) == is_said
        check("audit.json", run("audit", folder, *where, "--policy", policy, "--json").json)


def section_of(page: Path, key: str) -> str:
    text = page.read_text(encoding="utf-8")
    start = text.index(f'<section id="{key}"')
    return text[start : text.index("</section>", start)]


def test_every_shipped_tokenizer_is_small_and_found_as_itself() -> None:
    known = reference_tokenizers()
    assert len(known) >= 25
    assert len({one.name for one in known}) == len(known)
    for one in known:
        found = nearest_tokenizer(one, known)
        assert found is not None
        assert (found.relation, found.b) == ("identical", one.name)
    files = list((ROOT / "index/tokenizers").iterdir())
    assert all(file.stat().st_size <= 64 << 10 for file in files)


def test_the_overlap_of_unrelated_ones_is_the_measured_one() -> None:
    page = (ROOT / "docs/results.md").read_text(encoding="utf-8")
    wanted = f"unrelated pairs share {UNRELATED.median:.0%} at the median, {UNRELATED.low:.0%} to {UNRELATED.high:.0%}"
    assert f"{wanted} for nine in ten, at most {UNRELATED.most:.1%}" in page
