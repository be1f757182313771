"""What an audit or a check of claims found as SARIF 2.1.0 (OASIS), which code hosts show next to a change."""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lineage.report.figures import plain
from lineage.report.words import text
from lineage.types import Audit, Checked, Outcome, PolicyFinding, Standing, Verification

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS: dict[Standing, str] = {
    "violated": "error",
    "inconclusive": "warning",
    "due": "warning",
    "possible": "note",
    "noted": "note",
    "met": "note",
    "bound": "note",
}
_OUTCOMES: dict[Outcome, tuple[str, str]] = {  # kind and level: only what fails has a level
    "contradicted": ("fail", "error"),
    "unsupported": ("review", "none"),
    "consistent": ("pass", "none"),
}


def audit_log(audit: Audit, place: str) -> bytes:
    """Each finding of an audit, at the model, which lies at `place`; only what is violated is an error."""
    results = [_finding(one, audit, place) for one in audit.findings]
    return _log(results, audit.answer.limits.index_id)


def claims_log(found: Verification, place: str) -> bytes:
    """Each claim at its line of the file of claims, which lies at `place`; one that is contradicted is an error."""
    results = [_claim(one, place) for one in found.checked]
    return _log(results, found.answer.limits.index_id)


def _finding(one: PolicyFinding, audit: Audit, place: str) -> dict[str, Any]:
    advice = "" if one.advice is None else f": {text(one.advice)}"
    return {
        "ruleId": one.rule,
        "kind": "fail",
        "level": _LEVELS[one.standing],
        "message": {"text": plain(f"{audit.answer.sketch.name}: {one.standing}: {text(one.fact)}{advice}")},
        "locations": [_location(place)],
        "partialFingerprints": {"lineage/1": _fingerprint(one.rule, one.ancestor, *one.components)},
    }


def _claim(one: Checked, place: str) -> dict[str, Any]:
    kind, level = _OUTCOMES[one.outcome]
    return {
        "ruleId": f"claim-{one.claim.kind}",
        "kind": kind,
        "level": level,
        "message": {"text": plain(f'"{one.claim.words}" is {one.outcome}: {text(one.evidence)}')},
        "locations": [_location(place, one.claim.line)],
        "partialFingerprints": {"lineage/1": _fingerprint(one.claim.kind, one.claim.value)},
    }


def _location(place: str, line: int = 1) -> dict[str, Any]:
    """A file or folder as a relative reference, which code hosts match; one of another root by its own address."""
    uri = Path(place).as_uri() if Path(place).is_absolute() else quote(Path(place).as_posix())
    return {"physicalLocation": {"artifactLocation": {"uri": uri}, "region": {"startLine": max(1, line)}}}


def _fingerprint(*parts: str | None) -> str:
    """A fingerprint that is stable from run to run, so that a known finding is not shown as new."""
    return sha256("\n".join(part or "" for part in parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _log(results: Sequence[dict[str, Any]], index_id: str) -> bytes:
    from lineage import __version__

    rules = [{"id": rule} for rule in sorted({one["ruleId"] for one in results})]
    driver = {"name": "lineage", "semanticVersion": _semantic(__version__), "rules": rules}
    run = {"tool": {"driver": driver}, "results": list(results), "properties": {"index_id": index_id}}
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return (json.dumps(log, indent=2, allow_nan=False) + "\n").encode("ascii")


def _semantic(version: str) -> str:
    """A version as SARIF wants it: 0.2.0.dev0 is 0.2.0-dev0."""
    return version.replace(".dev", "-dev")
