"""How each question is answered: with the same values, by the same functions, as the command line prints."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lineage import api, report
from lineage.errors import LineageError, Malformed, UnsupportedFormat
from lineage.report.words import Language
from lineage.serve.asked import Asked, as_asked, called
from lineage.types import CheckpointSketch, Comparison, Lineage, TokenizerComparison, TokenizerSketch, Whois

if TYPE_CHECKING:
    from lineage.policy import Policy, RuleFile

PAGES: dict[str, Language] = {"html": "en", "ko.html": "ko"}
TEXT, LOG, RECIPE, SHEET = "txt", "sarif", "yaml", "csv"
"""An answer as its command prints it; findings for a code host; a merge for MergeKit; a table for a spreadsheet."""

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
    """The path of a page or report that was made with an answer; never that of the answer itself, which is JSON too."""
    name = f"{target.stem}.{ending}"
    return target.with_name(name if name != target.name else f"{target.stem}.report.{ending}")


def answer(kind: str, asked: Asked, desk: Desk) -> None:
    """Write the answer to a question to the desk's target. Raises LineageError, OSError, MemoryError."""
    _ANSWERS[kind](asked, desk)


def _whois(asked: Asked, desk: Desk) -> None:
    checkpoint = asked["checkpoint"]
    if _is_tokenizer(checkpoint):
        _print_tokenizers(_whois_tokenizer(checkpoint, desk), desk)
        return
    sketch = _sketch(checkpoint, asked, desk)
    if desk.sketch is not None and sketch.weights_seen and "model" not in asked["checkpoint"]:
        api.save_sketch(sketch, desk.sketch)
    found = api.whois(sketch, desk.index, reference=desk.reference)
    if asked.get("pages"):
        relatives = api.relatives(found, desk.index, reference=desk.reference)
        for ending in PAGES:
            page_beside(desk.target, ending).write_bytes(_whois_page(found, relatives, ending))
    _print(report.json.whois(found), desk)


def _whois_tokenizer(checkpoint: Asked, desk: Desk) -> TokenizerComparison:
    found = api.whois_tokenizer(_tokenizer(checkpoint, desk), desk.index, reference=desk.reference)
    if found is None:
        raise LineageError("no tokenizer is known to compare it with: ingest models that have one")
    return found


def _row(asked: Asked, desk: Desk) -> None:
    """One checkpoint of a table."""
    checkpoint = asked["checkpoint"]
    if _is_tokenizer(checkpoint):
        _print(report.table.tokenizer_row(called(checkpoint), _whois_tokenizer(checkpoint, desk)), desk)
        return
    found = api.whois(_sketch(checkpoint, asked, desk), desk.index, reference=desk.reference)
    _print(report.table.row(called(checkpoint), found), desk)


def _table(asked: Asked, desk: Desk) -> None:
    """The finished rows, in their order, as JSON and for a spreadsheet."""
    rows = [json.loads(Path(place).read_bytes()) for place in asked["rows"]]
    _beside(SHEET, report.table.table(rows), desk)
    _print(report.table.table_value(rows), desk)


def _compare(asked: Asked, desk: Desk) -> None:
    if _is_tokenizer(asked["a"]) or _is_tokenizer(asked["b"]):
        ours, theirs = (_tokenizer(asked[key], desk) for key in ("a", "b"))
        _print_tokenizers(api.compare_tokenizer_files(ours, theirs), desk)
        return
    _compare_models(asked, desk)


def _compare_models(asked: Asked, desk: Desk) -> None:
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
    rules = None if "rules" not in asked else _rules(asked["rules"], asked["policy"], desk)
    sketch = _sketch(checkpoint, asked, desk)
    found = api.audit(
        sketch,
        asked["policy"],
        desk.index,
        reference=desk.reference,
        rules=rules,
        place=None if "upload" in checkpoint else checkpoint.get("file"),
        watch=desk.steps("comparing"),
    )
    place = checkpoint.get("shown", sketch.name)
    _beside(TEXT, report.audit.audit_screen(found).encode(), desk)
    _beside(LOG, report.sarif.audit_log(found, place), desk)
    _print(report.audit.audit_value(found), desk)


def _rules(text: str, policy: Policy, desk: Desk) -> RuleFile:
    with _given("rules.toml", text, desk) as file:
        return api.read_rules(file, policy)


def _verify(asked: Asked, desk: Desk) -> None:
    sketch = _sketch(asked["checkpoint"], asked, desk)
    name = _CLAIMS[asked.get("claims_format", "card")]
    with _given(name, asked["claims"], desk) as claims:
        found = api.verify(sketch, claims, desk.index, reference=desk.reference, watch=desk.steps("comparing"))
    _beside(TEXT, report.claims.verification_screen(replace(found, source=name)).encode(), desk)
    _beside(LOG, report.sarif.claims_log(found, name), desk)
    _print(report.claims.verification_value(replace(found, source="claims")), desk)


@contextmanager
def _given(name: str, text: str, desk: Desk) -> Iterator[Path]:
    """A text that was sent, as a temporary file for the library; its errors name it `name`."""
    file = desk.target.with_name(f"{desk.target.name}-{name}")
    file.write_text(text, encoding="utf-8", newline="")
    try:
        yield file
    except Malformed as error:
        if Path(error.path) != file:
            raise
        raise Malformed(name, error.problem) from error
    finally:
        file.unlink()


def _beside(ending: str, content: bytes, desk: Desk) -> None:
    """Keep a report of the answer with its JSON: it is cheap now, and asked for later, if at all."""
    page_beside(desk.target, ending).write_bytes(content)


def _ingest(asked: Asked, desk: Desk) -> None:
    """Add models, each whole or not at all, then place them in the graph, so that the next question need not."""
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
    _print(report.listing.show_value(listed.record, listed.is_reference, sketch, listed.layer), desk)


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
    checkpoint = asked["checkpoint"]
    upload = {"schema": "lineage/upload/1", "upload": checkpoint.get("upload", checkpoint.get("tokenizer"))}
    if _is_tokenizer(checkpoint):
        found = _tokenizer(checkpoint, desk)
        head = {"format": found.format, "algorithm": found.algorithm, "size": found.size, "digest": found.digest}
        _print({**upload, "checkpoint": None, "tokenizer": head}, desk)
        return
    sketch = _sketch(checkpoint, asked, desk)
    _print({**upload, "checkpoint": report.json.checkpoint(sketch), "tokenizer": None}, desk)


_ANSWERS: dict[str, Callable[[Asked, Desk], None]] = {
    "whois": _whois,
    "row": _row,
    "table": _table,
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
    """The sketch of a located checkpoint, under the name used in the question; with an adapter, of both."""
    if "model" in checkpoint:
        return api.show(checkpoint["model"], desk.index, reference=desk.reference)[1]
    adapter = None if "adapter" not in asked else _place(asked["adapter"])
    made = api.sketch(_place(checkpoint), asked.get("depth"), desk.tell, adapter)
    return replace(made, path=as_asked(made.path, asked), weights_seen=checkpoint.get("seen", made.weights_seen))


def _place(checkpoint: Asked) -> str:
    """The file or folder, or the address, of a located checkpoint that is not a model of the index."""
    return str(checkpoint["address"] if "address" in checkpoint else checkpoint["file"])


def _is_tokenizer(checkpoint: Asked) -> bool:
    if "tokenizer" in checkpoint:
        return True
    return not {"upload", "model"} & checkpoint.keys() and api.is_tokenizer(_place(checkpoint))


def _tokenizer(checkpoint: Asked, desk: Desk) -> TokenizerSketch:
    """The tokenizer of a located checkpoint, under the name used in the question. Raises as `api.tokenizer`."""
    if "model" in checkpoint:
        found = api.show(checkpoint["model"], desk.index, reference=desk.reference)[1].tokenizer
        if found is None:
            raise UnsupportedFormat(checkpoint["model"], "is a model that was ingested without its tokenizer")
    else:
        found = api.tokenizer(_place(checkpoint))
    return replace(found, name=called(checkpoint))


def _print_tokenizers(found: TokenizerComparison, desk: Desk) -> None:
    _beside(TEXT, report.tokenizers.tokenizer_screen(found).encode(), desk)
    _print(report.witness_json.tokenizer_comparison(found), desk)


def _print(value: Any, desk: Desk) -> None:
    """As `--json` prints it."""
    desk.target.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n", encoding="ascii")


def _write_graph(lineage: Lineage, ending: str, desk: Desk) -> None:
    desk.target.write_bytes(report.graphs.render(lineage, f"graph.{ending}"))
