"""Addresses and licences in the words of bills of materials."""

from __future__ import annotations

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from packaging.licenses._spdx import LICENSES

from lineage.report import graphs
from lineage.report.bom.packages import licence, purl, repository, url, version
from lineage.types import Lineage
from tests.hand_made import node

COMMIT = "0123456789" * 4


@pytest.mark.parametrize(
    ("address", "package", "known_version"),
    [
        ("hf:gpt2", "pkg:huggingface/gpt2", None),
        ("hf:org/Name.x@main", "pkg:huggingface/org/Name.x", None),
        ("hf:org/name@refs/pr/7", "pkg:huggingface/org/name", None),
        (f"hf:org/name@{COMMIT}", f"pkg:huggingface/org/name@{COMMIT}", COMMIT),
        (f"hf:org/name@{COMMIT}/unet/a b", f"pkg:huggingface/org/name@{COMMIT}#unet/a%20b", COMMIT),
        ("hf:org/name/unet", "pkg:huggingface/org/name#unet", None),
        ("pypi:A_b.c==1.0+cpu", "pkg:pypi/a-b-c@1.0%2Bcpu", "1.0+cpu"),
        ("https://host/model.bin", None, None),
        ("/home/someone/model", None, None),
        (None, None, None),
    ],
)
def test_an_address_as_a_package(address, package, known_version):
    assert purl(address) == package
    assert version(address) == known_version
    if package is not None:
        assert PackageURL.from_string(package).to_string() == package


def test_a_url_is_one_and_a_repository_another():
    assert url("https://host/a%20b?x=1") == "https://host/a%20b?x=1"
    assert [url(text) for text in ("https://host/a b", 'https://host/"', "hf:org/name", None)] == [None] * 4
    assert repository("hf:org/name@main/unet") == "org/name"
    assert repository("https://host/org/name") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("apache-2.0", ("id", "Apache-2.0")),
        ("MIT", ("id", "MIT")),
        ("mit or apache-2.0", ("expression", "MIT OR Apache-2.0")),
        ("GPL-2.0+", ("expression", "GPL-2.0+")),
        ("llama3.1", ("name", "llama3.1")),
        ("other", ("name", "other")),
        ("LicenseRef-mine", ("name", "LicenseRef-mine")),
        ("", ("name", "")),
        ("__import__('os')", ("name", "__import__('os')")),
        ("(" * 99 + "mit" + ")" * 98, ("name", "(" * 99 + "mit" + ")" * 98)),
        ("mit" * 1000, ("name", "mit" * 1000)),
    ],
)
def test_a_licence_is_what_spdx_says_or_a_name(text, said):
    assert licence(text) == said


@pytest.mark.parametrize("version", [SchemaVersion.V1_6, SchemaVersion.V1_7])
def test_every_licence_of_spdx_is_one_of_cyclonedx(version):
    ending = {SchemaVersion.V1_6: ".cdx.json", SchemaVersion.V1_7: ".1.7.cdx.json"}[version]
    lineage = Lineage(tuple(node(str(i), licence=key) for i, key in enumerate(LICENSES)), ())
    assert JsonStrictValidator(version).validate_str(graphs.render(lineage, f"x{ending}").decode()) is None
