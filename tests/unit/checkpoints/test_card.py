"""Names, licences and declared parents from untrusted texts."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lineage.checkpoints.folders.card import Card, card_text, declared_parents, human_name, parse_card, stated_licence


@pytest.mark.parametrize(
    ("front", "expected"),
    [
        ("base_model: acme/Nova", ("acme/Nova",)),
        ('base_model: "acme/Nova"  ', ("acme/Nova",)),
        ("base_model: acme/Nova # the base", ("acme/Nova",)),
        ("base_model: [acme/Nova, 'acme/Two']", ("acme/Nova", "acme/Two")),
        ("base_model:\n  - acme/Nova\n  - acme/Two\ntags:\n- x", ("acme/Nova", "acme/Two")),
        ("base_model:\n- name: acme/Nova\n- acme/Two", ("acme/Two",)),
        ("base_model: null", ()),
        ("base_model: acme/\x1b[2JNova", ("acme/[2JNova",)),
        ("tags:\n- base_model:acme/Nova", ()),
        ("nested:\n  base_model: acme/Nova", ()),
        ("base_model: []", ()),
        ("base_model: [\n  acme/Nova,\n  acme/Two ]", ()),
        ("base_model: >-\n  acme/Nova", ()),
        ("base_model: *above", ()),
        ("base_model: {{ base_model }}", ()),
    ],
)
def test_base_models_of_a_card(front: str, expected: tuple[str, ...]) -> None:
    card = parse_card(f"---\n{front}\n---\ntext")
    assert tuple(parent.model for parent in declared_parents(card, {}, "mine")) == expected


@pytest.mark.parametrize(
    "slip", ["pretty_name: Nova: the second", "author: @me", "note: %x", "note: 'it's", "tags:\n\t- x", "x: {{ x }}"]
)
def test_a_slip_in_one_field_costs_no_other(slip: str) -> None:
    with pytest.raises(yaml.YAMLError):
        yaml.safe_load(slip)
    card = parse_card(f"---\nlicense: mit\n{slip}\nbase_model: acme/Nova\n---\n")
    assert (card.first("license"), card.first("base_model")) == ("mit", "acme/Nova")


NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9.]{0,8}/[A-Za-z][A-Za-z0-9.-]{0,8}", fullmatch=True)


@given(st.lists(NAMES, max_size=4), st.sampled_from([None, False]))
def test_what_a_yaml_library_writes_is_read_as_it_reads_it(names: list[str], flow: bool | None) -> None:
    text = yaml.safe_dump({"base_model": names, "license": "mit"}, default_flow_style=flow, width=1000)
    assert yaml.safe_load(text)["base_model"] == names
    assert list(parse_card(f"---\n{text}---\n").fields["base_model"]) == names


@pytest.mark.parametrize("text", ["", "base_model: a/b", "---\nbase_model: a/b\n", "# T\n---\nbase_model: a/b\n---"])
def test_a_text_without_closed_front_matter_declares_nothing(text: str) -> None:
    assert parse_card(text).fields == {}


def test_a_list_without_end_is_cut() -> None:
    card = parse_card("---\nbase_model:\n" + "- a/b\n" * 10_000 + "---\n")
    assert len(card.fields["base_model"]) == 64


@pytest.mark.parametrize(
    ("path", "heading", "name"),
    [
        ("/x/Nova.safetensors", None, "Nova"),
        ("/x/chgnet_0.3.0_e29.pth.tar", None, "chgnet_0.3.0_e29"),
        ("/x/nova-00001-of-00002.safetensors", None, "nova"),
        ("/x/my_package/model/model.safetensors", None, "my_package"),
        ("/x/my_package/model/model.safetensors", "# all-MiniLM-L6-v2", "all-MiniLM-L6-v2"),
        ("/x/my_package/weights/model.safetensors.index.json", "# SentenceTransformer", "my_package"),
        ("/x/my_package/weights/pytorch_model.bin", "# A sentence about it", "my_package"),
        ("/c/models--acme--Nova-9B/snapshots/0123/model.safetensors", "# Nova-9B", "Nova-9B"),
        ("/c/models--acme--Nova-9B/snapshots/0123/model.safetensors", None, "acme/Nova-9B"),
        ("/model.safetensors", None, "model"),
    ],
)
def test_models_are_named_after_what_says_something(path: str, heading: str | None, name: str) -> None:
    card = parse_card(heading or "")
    assert human_name(Path(path), card) == name


def test_a_file_without_card_is_named_after_itself() -> None:
    assert human_name(Path("/x/full.pth"), Card({})) == "full"


@pytest.mark.parametrize(
    ("front", "licence"),
    [
        ("license: mit", "mit"),
        ("license: mit\nlicense_name: acme-1", "mit"),
        ("license: other\nlicense_name: llama3.1-community", "llama3.1-community"),
        ("license: other", "other"),
        ("license_name: acme-1", "acme-1"),
        ("tags: [x]", None),
    ],
)
def test_the_licence_that_a_card_states(front: str, licence: str | None) -> None:
    assert stated_licence(parse_card(f"---\n{front}\n---\n")) == licence


def test_a_value_full_of_blanks_is_read_at_once() -> None:
    card = parse_card(f"---\nlicense: a{' ' * 60_000}b\nname: mit  # a comment\n---\n")
    assert (card.first("license"), card.first("name")) == ("a", "mit")


@pytest.mark.parametrize(
    ("encoding", "mark"), [("utf-8", b""), ("utf-8-sig", b""), ("utf-16", b""), ("utf-16-be", b"\xfe\xff")]
)
def test_a_byte_order_mark_hides_nothing(tmp_path: Path, encoding: str, mark: bytes) -> None:
    text = "---\nlicense: llama3.2\nbase_model: acme/base\n---\n# Näva\n"
    card = parse_card(card_text(mark + text.encode(encoding)))
    assert (stated_licence(card), card.fields["base_model"]) == ("llama3.2", ("acme/base",))


@pytest.mark.parametrize(
    ("front", "licence"),
    [
        ("license:\n- apache-2.0\n- cc-by-nc-4.0", "apache-2.0, cc-by-nc-4.0"),
        ("license: [mit, apache-2.0]", "mit, apache-2.0"),
        ("license: [mit, mit]", "mit"),
        ("license: [other, mit]\nlicense_name: nova", "mit"),
        ("license: [other]\nlicense_name: nova", "nova"),
        ("license: other", "other"),
    ],
)
def test_several_licences_are_all_named(front: str, licence: str) -> None:
    assert stated_licence(parse_card(f"---\n{front}\n---\n")) == licence
