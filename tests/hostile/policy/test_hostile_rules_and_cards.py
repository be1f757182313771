"""Rule files, cards and claims from people who mean harm: one clear line, no long wait, no memory taken."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lineage.errors import CheckpointError, Malformed
from lineage.policy import audit, read_claims, read_rules
from lineage.policy.rule_files import parse_rules
from lineage.report.text.audit import audit_screen
from tests.policy_cases import case, edge, node
from tests.systems import needs_pipes

DEEP = "[" * 100_000


def refused(read, path: Path) -> str:
    with pytest.raises(CheckpointError) as error:
        read(path)
    text = str(error.value)
    assert text.startswith(str(path))
    assert "\n" not in text
    assert len(text) < len(str(path)) + 700
    return text


def claims(path: Path):
    return read_claims(path, "acme/Nova")


@pytest.mark.parametrize("read", [read_rules, claims], ids=["rules", "claims"])
@pytest.mark.parametrize("name", ["x.toml", "x.json", "README.md"])
class TestEveryReader:
    def test_binary(self, tmp_path, read, name):
        path = tmp_path / name
        path.write_bytes(b"\x80\x02}q\x00(X\xff\xfe" * 100)
        assert "UTF-8" in refused(read, path)

    def test_nul_bytes(self, tmp_path, read, name):
        path = tmp_path / name
        path.write_bytes(b"format = 1\nx\0y\n")
        assert "NUL" in refused(read, path)

    @needs_pipes
    def test_no_file_a_folder_a_pipe(self, tmp_path, read, name):
        refused(read, tmp_path / name)
        pipe = tmp_path / f"pipe-{name}"
        os.mkfifo(pipe)
        assert "not a regular file" in refused(read, pipe)

    def test_a_loop_of_links(self, tmp_path, read, name):
        (tmp_path / name).symlink_to(tmp_path / name)
        assert "loop" in refused(read, tmp_path / name)


@pytest.mark.parametrize("name", ["x.toml", "x.json"])
def test_a_huge_file_is_not_read(tmp_path, name):
    path = tmp_path / name
    with path.open("wb") as file:
        file.truncate(1 << 40)  # a hole: nothing on the disk, a terabyte to read
    for read in (read_rules, claims):
        assert "more than the 262,144 allowed" in refused(read, path)


def test_of_a_huge_card_the_beginning_is_read(tmp_path):
    path = tmp_path / "README.md"
    with path.open("wb") as file:
        file.write(b"---\nlicense: mit\n---\n" + "한".encode() * 22_000)
        file.truncate(1 << 40)
    assert [claim.value for claim in claims(path)] == ["mit"]


@pytest.mark.parametrize("name", ["x.toml", "x.json"])
@pytest.mark.parametrize(
    "text",
    [
        "a = " + DEEP,
        DEEP,
        "a." * 60_000 + "b = 1",
        "x = {" + "'a'. " * 40_000 + "b = 1}",
        ".a" * 60_000,
        ". " * 60_000,
        "{" * 100_000,
        "[" + "1," * 60_000,
    ],
)
def test_nesting_and_length(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)
    for read in (read_rules, claims):
        refused(read, path)


@pytest.mark.parametrize(
    "front",
    [
        "a: &a [x, x, x]\nb: &b [*a, *a, *a]\nc: &c [*b, *b, *b]\nbase_model: *c",
        "license: !!python/object/apply:os.system ['id']",
        "base_model: " + "[" * 50_000,
        "base_model:\n" + "- a/b\n" * 9_000,
        "license: a" + " " * 50_000 + "b",
        "? " * 20_000,
    ],
    ids=["aliases", "a tag that calls", "nested", "a long list", "blanks", "complex keys"],
)
def test_yaml_bombs_are_text(tmp_path, front):
    path = tmp_path / "README.md"
    path.write_text(f"---\n{front}\n---\nThis model was trained from scratch.\n")
    found = claims(path)
    assert len(found) <= 100
    assert all(len(claim.value) <= 200 and claim.value.isprintable() for claim in found)


@pytest.mark.parametrize(
    "body",
    ["trained " * 8_000, "from scratch " * 5_000, "<" * 60_000, "1 " * 30_000, "| parameters " * 4_000,
     "\u3000" * 20_000 + "parameters:" + " " * 20_000 + "|", "#" * 60_000, "model size =" + "9,9" * 15_000],
    ids=["trained", "from scratch", "brackets", "numbers", "cells", "blanks", "headings", "digits"],
)  # fmt: skip
def test_prose_that_would_make_a_pattern_search_forever(tmp_path, body):
    path = tmp_path / "README.md"
    path.write_text(body)
    assert len(claims(path)) <= 100


def test_claims_cannot_steer_a_terminal(tmp_path):
    path = tmp_path / "c.toml"
    path.write_text('license = "mit\\u001b[2J\\u202e"\n')
    with pytest.raises(Malformed):
        claims(path)
    (tmp_path / "README.md").write_text("---\nlicense: mit\x1b[2J\n---\n")
    assert all(claim.value.isprintable() for claim in claims(tmp_path / "README.md"))


def test_no_rule_reaches_an_attribute_or_a_call():
    rule = '[[rule]]\nid = "x"\nabout = "ancestor"\nsays = "violated"\n'
    for text in ("{ancestor.__class__}", "{0}", "{model!r}", "{model:>99999999}"):
        with pytest.raises(Malformed, match="line 7"):
            parse_rules(f'format = 1\npolicy = "licence"\n{rule}text = "{text}"\n', Path("x.toml"))


def test_names_and_licences_from_strangers_stay_text():
    evil = "evil\x1b[2J\u202e{model}"
    one = case(evil, [node(evil, evil)], [edge(evil)], name=evil)
    screen = audit_screen(audit(one, "licence"))
    assert not any(bad in screen for bad in ("\x1b", "\u202e"))


def test_a_pattern_of_many_stars_ends():
    name = "a" * 200
    rule = '[[rule]]\nid = "x"\nabout = "ancestor"\nsays = "violated"\ntext = "t"\n'
    rule += f'when = {{ ancestor-name = ["{"*a" * 60}b"] }}\n'
    file = parse_rules(f'format = 1\npolicy = "licence"\n{rule}', Path("x.toml"))
    found = audit(case("mit", [node(name, "mit")], [edge(name)]), "licence", file)
    assert "x" not in {one.rule for one in found.findings}
