"""Public addresses and licence names in the terms of bills of materials."""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import quote

from lineage.report.figures import plain

_HUB = re.compile(r"hf:(?P<name>[^@/]+(?:/[^@/]+)?)(?:@(?P<revision>refs/[^/@]+/[^/@]+|[^/@]+))?(?:/(?P<path>.+))?")
_PYPI = re.compile(r"pypi:(?P<name>[\w.\-]+)==(?P<version>[\w.+!]+)")
_COMMIT = re.compile(r"[0-9a-f]{40,64}")
_URL = re.compile(r"https?://[A-Za-z0-9\-._~:/?#@!$&'()*+,;=%]+")
_LONGEST_LICENCE = 200  # characters: no SPDX expression that a card names is longer


def purl(address: str | None) -> str | None:
    """The package URL (github.com/package-url/purl-spec, types huggingface and pypi) of an address, if it has one.

    A branch or tag is left out: it is not a version.
    """
    hub, package = _HUB.fullmatch(address or ""), _PYPI.fullmatch(address or "")
    if hub is not None:
        name = "/".join(map(_quoted, hub["name"].split("/")))
        path = f"#{'/'.join(map(_quoted, hub['path'].split('/')))}" if hub["path"] else ""
        commit = version(address)
        return f"pkg:huggingface/{name}{f'@{commit}' if commit else ''}{path}"
    if package is not None:
        return f"pkg:pypi/{re.sub(r'[-_.]+', '-', package['name']).lower()}@{_quoted(package['version'])}"
    return None


def version(address: str | None) -> str | None:
    """The commit or release that an address names."""
    hub, package = _HUB.fullmatch(address or ""), _PYPI.fullmatch(address or "")
    if hub is not None and hub["revision"] and _COMMIT.fullmatch(hub["revision"]):
        return hub["revision"]
    return None if package is None else package["version"]


def url(address: str | None) -> str | None:
    """An address that is a URL, if it is written as one (RFC 3986)."""
    return address if address and _URL.fullmatch(address) else None


def repository(address: str | None) -> str | None:
    """`org/name` of an address on the hub."""
    hub = _HUB.fullmatch(address or "")
    return None if hub is None else hub["name"]


def hub_reference(address: str | None) -> str | None:
    """`org/name`, or `org/name@revision` where the address has one, of a whole repository on the hub."""
    hub = _HUB.fullmatch(address or "")
    if hub is None or hub["path"]:
        return None
    return f"{hub['name']}@{hub['revision']}" if hub["revision"] else hub["name"]


def licence(text: str) -> tuple[Literal["id", "expression", "name"], str]:
    """A card's licence as an SPDX id or expression in SPDX's own spelling; a name where it is neither."""
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    if len(text) > _LONGEST_LICENCE or "licenseref-" in text.lower():
        return "name", text
    try:
        known = str(canonicalize_license_expression(text))
    except InvalidLicenseExpression:
        return "name", text
    return ("id", known) if re.fullmatch(r"[\w.\-]+", known) else ("expression", known)


def _quoted(text: str) -> str:
    return quote(plain(text), safe="")
