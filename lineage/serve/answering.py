"""What each question is answered with: the same values, by the same functions, as the command line prints."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from lineage import api, report
from lineage.report.words import Language
from lineage.serve.asked import Asked, as_asked
from lineage.types import CheckpointSketch, Comparison, Lineage, Whois

PAGES: dict[str, Language] = {"html": "en", "ko.html": "ko"}
TEXT, LOG, RECIPE = "txt", "sarif", "yaml"
"""An answer as its command prints it; an audit or a check of claims for a code host; a merge for MergeKit."""

_CLAIMS = {"card": "README.md", "toml": "claims.toml", "json": "claims.json"}

Tell = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is to do."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What an answer is made from and where it goes.

    `target` is the file for the answer, `sketch` the one for the sketch that was made on the way (None: not wanted).
    """

    index: str | Path | None
    reference: bool
    target: Path
    sketch: Path | None
    tell: Tell

    def steps(self, what: str) -> Callable[[int, int], None]:
        """A callback for steps done and to do."""
        return lambda done, total: self.tell(what, done, total)


def page_beside(target: Path, ending: str) -> Path:
    """Where the page of an answer lies that was made with it."""
    return target.with_name(f"{target.stem}.{ending}")


def answer(kind: str, asked: Asked, desk: Desk) -> None:
    """Write the answer to a question to the desk's target. Raises LineageError, OSError, MemoryError."""
    _ANSWERS[kind](asked, desk)


def _whois(asked: Asked, desk: Desk) -> None:
    sketch = _sketch(asked["checkpoint"], asked, desk)
    if desk.sketch is not None and sketch.weights_seen and "model" not in asked["checkpoint"]:
        api.save_sketch(sketch, desk.sketch)
    found = api.whois(sketch, desk.index, reference=desk.reference)
    if asked.get("pages"):
        relatives = api.relatives(found, desk.index, reference=desk.reference)
        for ending in PAGES:
            page_beside(desk.target, ending).write_bytes(_whois_page(found, relatives, ending))
    _print(report.json.whois(found), desk)


def _compare(asked: Asked, desk: Desk) -> None:
    ours, theirs = _pair(asked, desk)
    found = api.compare(ours, theirs)
    for ending in PAGES if asked.get("pages") else ():
        page_beside(desk.target, ending).write_bytes(_pair_page(ours, theirs, found, ending))
    limits, owed = api.not_tested(ours, theirs), api.handed_over(ours, theirs)
    _print(report.json.comparison(ours, theirs, found, limits, owed), desk)


def _decompose(asked: Asked, desk: Desk) -> None:
    sketch = _sketch(asked["checkpoint"], asked, desk)
    found = api.decompose(sketch, desk.index, reference=desk.reference)
    _beside(TEXT, report.tree.merge_screen(sketch, found).encode(), desk)
    if found is not None:
        _beside(RECIPE, report.mergekit.configuration(sketch, found), desk)
    _print(report.json.merge(sketch, found), desk)


def _audit(asked: Asked, desk: Desk) -> None:
    checkpoint = asked["checkpoint"]
    sketch = _sketch(checkpoint, asked, desk)
    found = api.audit(
        sketch,
        asked["policy"],
        desk.index,
        reference=desk.reference,
        place=checkpoint["file"] if "path" in checkpoint else None,
        watch=desk.steps("comparing"),
    )
    place = checkpoint.get("shown", sketch.name)
    _beside(TEXT, report.audit.audit_screen(found).encode(), desk)
    _beside(LOG, report.sarif.audit_log(found, place), desk)
    _print(report.audit.audit_value(found), desk)


def _verify(asked: Asked, desk: Desk) -> None:
    sketch = _sketch(asked["checkpoint"], asked, desk)
    name = _CLAIMS[asked.get("claims_format", "card")]
    claims = desk.target.with_name(f"{desk.target.name}-{name}")
    claims.write_text(asked["claims"], encoding="utf-8")
    try:
        found = api.verify(sketch, claims, desk.index, reference=desk.reference, watch=desk.steps("comparing"))
    finally:
        claims.unlink()
    _beside(TEXT, report.claims.verification_screen(replace(found, source=name)).encode(), desk)
    _beside(LOG, report.sarif.claims_log(found, name), desk)
    _print(report.claims.verification_value(replace(found, source="claims")), desk)


def _beside(ending: str, content: bytes, desk: Desk) -> None:
    """Keep a report of the answer with its JSON: it is cheap now, and asked for later, if at all."""
    page_beside(desk.target, ending).write_bytes(content)


def _ingest(asked: Asked, desk: Desk) -> None:
    """Add models, each whole or not at all, then put them in their place, so that the next question need not."""
    places = [one.get("file", one.get("address")) for one in asked["checkpoints"]]
    work = api.ingest(places, desk.index, depth=asked.get("depth"), name=asked.get("name"), workers=1, watch=desk.tell)
    events = []
    for done in work:
        event = {key: value for key, value in asdict(done).items() if key != "exit_code"}
        told = {key: as_asked(event[key], asked) for key in ("path", "error") if event[key] is not None}
        events.append(event | told)
    if any(one["event"] == "ingested" for one in events):
        api.graph(index=desk.index, reference=desk.reference, watch=desk.steps("placing"))
    _print({"schema": "lineage/ingests/1", "events": events}, desk)


def _report(asked: Asked, desk: Desk) -> None:
    """The answer about a checkpoint as a page, as text, or its graph in a format of `report.graphs`."""
    ending = asked["format"]
    answered = api.whois(_sketch(asked["checkpoint"], asked, desk), desk.index, reference=desk.reference)
    if ending == TEXT:
        desk.target.write_bytes(report.terminal.whois_screen(answered).encode())
        return
    relatives = api.relatives(answered, desk.index, reference=desk.reference)
    if ending in PAGES:
        desk.target.write_bytes(_whois_page(answered, relatives, ending))
    else:
        _write_graph(_statement(answered, relatives, ending), ending, desk)


def _statement(answered: Whois, relatives: Lineage, ending: str) -> Lineage:
    lineage = report.answered.lineage_of(answered, relatives)
    if f".{ending}" in report.graphs.STATEMENTS:
        return report.kinship.up_to_roots(lineage)
    return report.kinship.neighbours(lineage)


def _pair_report(asked: Asked, desk: Desk) -> None:
    """A comparison as a page, as text, or the two as a graph."""
    ours, theirs = _pair(asked, desk)
    found, ending = api.compare(ours, theirs), asked["format"]
    if ending in PAGES:
        desk.target.write_bytes(_pair_page(ours, theirs, found, ending))
    elif ending == TEXT:
        limits, owed = api.not_tested(ours, theirs), api.handed_over(ours, theirs)
        screen = report.terminal.compare_screen(ours, theirs, found, explain=False, not_tested=limits, handed_over=owed)
        desk.target.write_bytes(screen.encode())
    else:
        _write_graph(report.answered.lineage_of(api.as_answer(ours, theirs, found)), ending, desk)


def _whois_page(answered: Whois, relatives: Lineage, ending: str) -> bytes:
    from lineage import __version__

    return report.html.whois_page(answered, __version__, relatives, PAGES[ending])


def _pair_page(ours: CheckpointSketch, theirs: CheckpointSketch, found: Comparison, ending: str) -> bytes:
    from lineage import __version__

    answered = api.as_answer(ours, theirs, found)
    return report.html.compare_page(answered, theirs, found, __version__, PAGES[ending])


def _show(asked: Asked, desk: Desk) -> None:
    listed, sketch = api.show(asked["model"], desk.index, reference=desk.reference)
    _print(report.json.shown(listed.record, listed.is_reference, sketch, listed.layer), desk)


def _trace(asked: Asked, desk: Desk) -> None:
    found = api.trace(asked["model"], desk.index, reference=desk.reference, watch=desk.steps("comparing"))
    _print(report.tree.trace_value(found), desk)


def _descendants(asked: Asked, desk: Desk) -> None:
    _, sketch = api.show(asked["model"], desk.index, reference=desk.reference)
    found = api.descendants(sketch, desk.index, reference=desk.reference, watch=desk.steps("comparing"))
    _print(report.descendants.descendants_value(found), desk)


def _graph(asked: Asked, desk: Desk) -> None:
    model, ending = asked.get("model"), asked["format"]
    is_statement = f".{ending}" in report.graphs.STATEMENTS
    family = asked.get("family", False)
    lineage = api.graph(
        model, desk.index, reference=desk.reference, family=family or is_statement, watch=desk.steps("comparing")
    )
    if is_statement and not family:
        lineage = report.kinship.up_to_roots(lineage)
    _write_graph(lineage, ending, desk)


def _check(asked: Asked, desk: Desk) -> None:
    """Read an upload through, and say what it is."""
    sketch = _sketch(asked["checkpoint"], asked, desk)
    head = report.json.checkpoint(sketch)
    _print({"schema": "lineage/upload/1", "upload": asked["checkpoint"]["upload"], "checkpoint": head}, desk)


_ANSWERS: dict[str, Callable[[Asked, Desk], None]] = {
    "whois": _whois,
    "compare": _compare,
    "decompose": _decompose,
    "audit": _audit,
    "verify": _verify,
    "ingest": _ingest,
    "report": _report,
    "pair-report": _pair_report,
    "show": _show,
    "trace": _trace,
    "descendants": _descendants,
    "graph": _graph,
    "check": _check,
}


def _pair(asked: Asked, desk: Desk) -> tuple[CheckpointSketch, CheckpointSketch]:
    return _sketch(asked["a"], asked, desk), _sketch(asked["b"], asked, desk)


def _sketch(checkpoint: dict[str, Any], asked: Asked, desk: Desk) -> CheckpointSketch:
    """The sketch of a located checkpoint, under the name by which it was asked about."""
    if "model" in checkpoint:
        return api.show(checkpoint["model"], desk.index, reference=desk.reference)[1]
    if "address" in checkpoint:
        return api.sketch(checkpoint["address"], asked.get("depth"), desk.tell)
    made = api.sketch(checkpoint["file"], asked.get("depth"), desk.tell)
    return replace(made, path=checkpoint["shown"], weights_seen=checkpoint.get("seen", made.weights_seen))


def _print(value: Any, desk: Desk) -> None:
    """As `--json` prints it."""
    desk.target.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n", encoding="ascii")


def _write_graph(lineage: Lineage, ending: str, desk: Desk) -> None:
    desk.target.write_bytes(report.graphs.render(lineage, f"graph.{ending}"))
