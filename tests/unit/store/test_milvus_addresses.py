"""The address of an index on a server: what it says, what it must not hold, and what only a folder can do."""

from __future__ import annotations

from pathlib import Path

import pytest

from lineage import api
from lineage.errors import StoreError
from lineage.store import place_of, require_folder
from lineage.store.milvus.address import TOKEN, MilvusAddress, milvus_address

WHOLE = "milvus://milvus.example:19531/models?sketches=s3://bucket/sketches"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (WHOLE, MilvusAddress("milvus.example", 19531, "models", "s3://bucket/sketches")),
        (f"{WHOLE}/&tls=true", MilvusAddress("milvus.example", 19531, "models", "s3://bucket/sketches", True)),
        ("milvus://h/m?sketches=file:///a%20b", MilvusAddress("h", 19530, "m", "file:///a b")),
        ("milvus://[::1]:1/m?sketches=memory://m", MilvusAddress("::1", 1, "m", "memory://m")),
        ("milvus://h/m?sketches=abfs://box@account/m", MilvusAddress("h", 19530, "m", "abfs://box@account/m")),
    ],
)
def test_an_address_is_read_and_written_alike(text, address):
    assert milvus_address(text) == place_of(text) == address
    assert milvus_address(str(address)) == address


@pytest.mark.parametrize(
    "text",
    [
        "milvus://", "milvus://h", "milvus://h/m", "milvus://h/m?sketches=folder", "milvus://h/m-n?sketches=file:///a",
        "milvus://h/1m?sketches=file:///a", "milvus://h:0x1/m?sketches=file:///a", "milvus:/h/m?sketches=file:///a",
        "milvus://h/m?sketches=file:///a&token=secret", "milvus://h/m?sketches=file:///a&tls=yes",
        'milvus://h/m"or"?sketches=file:///a', "milvus://h:99999/m?sketches=file:///a",
    ],
)  # fmt: skip
def test_what_is_none_is_refused_in_a_line_that_says_the_form(text):
    with pytest.raises(StoreError, match=r"milvus://HOST:PORT/NAME\?sketches=URL") as error:
        place_of(text)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    "text", ["milvus://me:secret@h/m?sketches=file:///a", "milvus://h/m?sketches=ftp://me:secret@h/a"]
)
def test_a_password_is_refused_and_not_repeated(text):
    with pytest.raises(StoreError, match=TOKEN) as error:
        place_of(text)
    assert "secret" not in str(error.value)


def test_what_is_no_address_is_a_folder():
    assert place_of("milvus") == place_of(Path("milvus")) == Path("milvus")


@pytest.mark.parametrize("ask", [api.doctor, api.rebuild, api.layers_of, lambda index: api.export("out", index)])
def test_what_works_on_a_folder_only_says_so(ask):
    with pytest.raises(StoreError, match="is not a folder"):
        ask(WHOLE)


def test_a_folder_is_one():
    assert require_folder(Path("index")) == Path("index")
