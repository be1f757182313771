"""What a person may write for a checkpoint at a server."""

from __future__ import annotations

import pytest

from lineage.checkpoints.remote import is_remote, shown
from lineage.checkpoints.remote.address import Address, HubAddress, WebAddress, is_plain, parse
from lineage.errors import Malformed


@pytest.mark.parametrize(
    ("text", "repo", "revision", "path"),
    [
        ("hf:org/name", "org/name", "main", ""),
        ("hf:org/name@v1.0", "org/name", "v1.0", ""),
        ("hf:org/name@refs/pr/3", "org/name", "refs/pr/3", ""),
        ("hf:org/name@feature%2Fx", "org/name", "feature/x", ""),
        ("hf:org/name/q4.gguf", "org/name", "main", "q4.gguf"),
        ("hf:org/name@main/sub/q4.gguf", "org/name", "main", "sub/q4.gguf"),
        ("hf:org/name/", "org/name", "main", ""),
        ("hf:gpt2", "gpt2", "main", ""),
        ("hf:gpt2@main/model.safetensors", "gpt2", "main", "model.safetensors"),
        ("hf://org/name@main", "org/name", "main", ""),
        ("HF:org/name", "org/name", "main", ""),
        ("https://huggingface.co/org/name", "org/name", "main", ""),
        ("https://huggingface.co/org/name/tree/v2", "org/name", "v2", ""),
        ("https://huggingface.co/org/name/blob/main/a/b.gguf", "org/name", "main", "a/b.gguf"),
        ("https://huggingface.co/org/name/resolve/main/b.gguf", "org/name", "main", "b.gguf"),
    ],
)
def test_a_repository(text: str, repo: str, revision: str, path: str) -> None:
    assert parse(text) == HubAddress(repo, revision, path)


@pytest.mark.parametrize("text", ["https://host/a.gguf", "http://host:8000/a%20b/c.safetensors?signature=x"])
def test_a_file_at_a_server(text: str) -> None:
    assert parse(text) == WebAddress(text)


@pytest.mark.parametrize(
    "text",
    [
        "hf:", "hf:/name", "hf:org/", "hf:org//x", "hf:a b/c", "hf:org/name@", "hf:org/name/../other", "hf:org/name@..",
        "hf:org/name@main/a\\b", "hf:org/name/%2e%2e/x", "hf:org/name@main/\x1b[2J", "https://", "https:///a",
        "https://user:password@host/a.gguf",
    ],
)  # fmt: skip
def test_what_is_no_address_is_one_line(text: str) -> None:
    with pytest.raises(Malformed) as error:
        parse(text)
    assert "\n" not in str(error.value)
    assert "password" not in str(error.value)


@pytest.mark.parametrize("text", ["./hf", "model.safetensors", "/data/https", "C:model", "hf/org/name"])
def test_a_path_is_no_address(text: str) -> None:
    assert not is_remote(text)


def test_what_may_be_secret_is_not_shown() -> None:
    assert shown("https://user:password@host/a.gguf?signature=secret#x") == "https://host/a.gguf"
    assert shown("hf:org/name@main") == "hf:org/name@main"
    assert shown("./a?b") == "./a?b"


def test_an_address_keeps_its_slashes_and_has_the_parts_of_a_path() -> None:
    address = Address("https://host/models") / "net.gguf"
    assert str(address) == "https://host/models/net.gguf"
    assert (address.name, str(address.parent)) == ("net.gguf", "https://host/models")
    assert str(Address("hf:org/name@main", "")) == "hf:org/name@main"


def test_plain_paths() -> None:
    assert is_plain("")
    assert is_plain("a/b.c")
    assert not any(is_plain(path) for path in ("/a", "a//b", "a/../b", "..", "./a", "a/", "a\\b", "a\nb"))
