"""The screens of `whois` and `compare`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lineage.report.components import named, share_words
from lineage.report.figures import (
    correlation,
    correlation_figure,
    p_value,
    percent,
    phrase,
    plain,
    runs,
    score,
    score_figure,
)
from lineage.report.text.canvas import JOINT, Canvas
from lineage.report.text.places import (
    comparison_of,
    component_words,
    headline,
    in_common,
    lines,
    pair_headline,
    pair_stand,
    pair_verdict,
    unfound,
)
from lineage.report.words import text, texts
from lineage.types import (
    CheckpointSketch,
    Comparison,
    ComponentFinding,
    Declared,
    Direction,
    Evidence,
    Excluded,
    Relation,
    TensorMatch,
    Verdict,
    Whois,
    Witnesses,
)
from lineage.types.facts import Fact
from lineage.types.facts.handed_over import ClaimContradicted

_STYLES: dict[Verdict, str] = {
    Verdict.IDENTICAL: "bold magenta",
    Verdict.DERIVED: "bold magenta",
    Verdict.PARTLY_DERIVED: "bold magenta",
    Verdict.ORIGIN: "bold cyan",
    Verdict.RELATED: "bold cyan",
    Verdict.INDEPENDENT: "bold green",
    Verdict.INCONCLUSIVE: "bold yellow",
}
_FEW = 3  # names spelled out before the rest is counted
_COMPARED = 8  # related models of which a screen gives figures


def whois_screen(answer: Whois, width: int = 100, colour: bool = False) -> str:
    """One screen: its place in a line, a line a component, directions, its relatives, what was left out, the limits."""
    canvas = Canvas(width, colour)
    sketch = answer.sketch
    canvas.pair(plain(sketch.name), headline(answer).text, _STYLES[answer.verdict])
    handed_over_lines(canvas, answer.handed_over)
    canvas.table([_placed_row(answer, *placed) for placed in answer.components], right=(1,))
    if answer.adapted is not None:
        from lineage.report.text.adapters import adapter_lines

        for line in adapter_lines(answer, answer.adapted):
            canvas.line(line, indent=2)
    for parent in answer.place.parents:
        compared = comparison_of(answer, parent.model)
        if compared is not None:
            canvas.line(_direction(compared, Direction.CHILD), indent=2)
            _seen(canvas, compared)
    for line in lines(answer):
        canvas.line(line, indent=2)
    for other in answer.alternatives[:_COMPARED]:
        canvas.line(f"compared: {plain(other.model_name)}, {_figures(other.evidence)}", indent=2)
    if (more := len(answer.alternatives) - _COMPARED) > 0:
        canvas.line(f"compared: {more:,} more related ones (`--json` lists them)", indent=2)
    _left_out(canvas, (*answer.excluded, *answer.left_out))
    _unread(canvas, sketch)
    _gains(canvas, answer.nearest)
    canvas.line(_declared(sketch.declared, sketch.licence), indent=2)
    canvas.line(_limits(answer), indent=2)
    if answer.limits.not_tested:
        canvas.line(f"not tested: {'; '.join(texts(answer.limits.not_tested))}", indent=2)
    _witnesses(canvas, answer.witnesses)
    return canvas.text()


def _witnesses(canvas: Canvas, found: Witnesses) -> None:
    if found.tokenizer is not None or found.configuration is not None:
        from lineage.report.text.witnesses import witness_lines  # most models come without

        for line in witness_lines(found):
            canvas.line(line, indent=2)


def compare_screen(
    a: CheckpointSketch,
    b: CheckpointSketch,
    found: Comparison,
    *,
    explain: bool,
    not_tested: Sequence[Fact] = (),
    handed_over: Sequence[Fact] = (),
    width: int = 100,
    colour: bool = False,
) -> str:
    """What `a` is to `b`, and what was not tested; with `explain` every tensor pair and the null behind the numbers."""
    canvas = Canvas(width, colour)
    verdict = pair_verdict(found)
    said = pair_headline(found, plain(a.name)).with_unseen(handed_over).text
    canvas.pair(f"{plain(a.name)} and {plain(b.name)}", said, _STYLES[verdict])
    handed_over_lines(canvas, handed_over)
    canvas.table([_pair_row(c, found) for c in found.components], right=(1,))
    canvas.line(_direction(found, found.direction), indent=2)
    _seen(canvas, found)
    _left_out(canvas, (*found.excluded, *(Excluded(name, reason) for name, reason in a.left_out)))
    _unread(canvas, a)
    _unread(canvas, b)
    _gains(canvas, found)
    canvas.line(_compared(found), indent=2)
    if not_tested:
        canvas.line(f"not tested: {'; '.join(texts(not_tested))}", indent=2)
    if explain:
        _explain(canvas, found)
    return canvas.text()


def handed_over_lines(canvas: Canvas, facts: Sequence[Fact]) -> None:
    """What an answer must say about sketches of weights that were not seen, a line each, before all else."""
    for fact in facts:
        is_loud = isinstance(fact, ClaimContradicted)
        canvas.line(plain(text(fact)), "bold yellow" if is_loud else "yellow", indent=2)


def _placed_row(answer: Whois, finding: ComponentFinding, model: str | None, name: str | None) -> list[str]:
    return _row(finding, component_words(answer, finding, model, name), name is not None)


def _pair_row(finding: ComponentFinding, found: Comparison) -> list[str]:
    """One component of two models; a direction is that of the whole comparison."""
    if finding.relation.finds_nothing and not finding.is_alike:
        return _row(finding, unfound(finding), False)
    return _row(finding, in_common(finding, pair_stand(found), found.model_name), True)


def _row(finding: ComponentFinding, words: str, is_known: bool) -> list[str]:
    evidence = finding.evidence
    parts = () if finding.inherited is None else finding.inherited.parts
    share = share_words(finding) if is_known else percent(finding.share)
    start = [f"  {plain(finding.name)}", share, named(words, parts)]
    if finding.relation == Relation.INDEPENDENT or not is_known:
        return [*start, _reach(finding)]
    return [*start, f"{_figures(evidence)}  {percent(evidence.coverage)}{JOINT}tested"]


def _reach(finding: ComponentFinding) -> str:
    """How small a trace would have been seen in a component of which nothing was found."""
    reach = finding.evidence.min_detectable_r
    if reach is not None:
        return f"(would have seen r >= {reach:.2f})"
    is_told = finding.relation == Relation.INDEPENDENT
    return "(no counterpart; would have seen a copy)" if is_told else "(nothing to test it with)"


def _figures(evidence: Evidence) -> str:
    parts = [correlation(evidence.r), score(evidence.z), p_value(evidence.log10_p)]
    if _values_speak(evidence):
        parts.append(f"values {evidence.agreeing:,} of {evidence.compared:,} equal (chance {evidence.expected:.2g})")
    return "  ".join(part.replace(" ", JOINT) for part in parts)


def _values_speak(evidence: Evidence) -> bool:
    """Whether equal values are stronger evidence than the permutation test, as in small networks."""
    return evidence.agreeing > 10 * max(1.0, evidence.expected) and (evidence.z is None or evidence.z < 15)


def _direction(found: Comparison, direction: Direction | None) -> str:
    other = plain(found.model_name)
    if found.verdict == Verdict.IDENTICAL:
        return "direction: none; equal weights do not show which copy came first"
    if found.relation == Relation.INCONCLUSIVE and found.verdict == Verdict.RELATED:
        return "direction: open, as it is whether one comes from the other or both began with the same weights"
    if not found.relation.inherits:
        return f"direction: none; {phrase(found.relation, found.direction)}"
    because = f" ({'; '.join(map(plain, texts(reasons)))})" if (reasons := _reasons(found)) else ""
    if direction == Direction.CHILD:
        return f"direction: {other} is the parent, unless both come from one not known here{because}"
    if direction == Direction.PARENT:
        return f"direction: {other} is the child, unless both come from one not known here{because}"
    leans = f" (leaning only: {'; '.join(plain(text(cue.fact)) for cue in found.cues)})" if found.cues else ""
    return f"direction: open between this and {other}{leans}"


def _reasons(found: Comparison) -> list[Fact]:
    """What decided the direction; the rest of the basis are the changes that were found."""
    if not found.is_directed:
        return []
    return [cue.fact for cue in found.cues if cue.direction == found.direction] or list(found.basis)


def _seen(canvas: Canvas, found: Comparison) -> None:
    cues = {*_reasons(found), *(cue.fact for cue in found.cues)}
    seen = [plain(text(fact)) for fact in found.basis if fact not in cues]
    if seen:
        canvas.line(f"seen: {'; '.join(seen)}", indent=2)


def _left_out(canvas: Canvas, found: Iterable[Excluded]) -> None:
    reasons: dict[str, list[str]] = {}
    for one in found:
        reasons.setdefault(text(one.reason), []).append(one.tensor)
    for reason, names in reasons.items():
        shown = ", ".join(plain(name) for name in names[:_FEW])
        more = f" and {len(names) - _FEW} more" if len(names) > _FEW else ""
        canvas.line(f"left out: {shown}{more} ({plain(reason)})", indent=2)


def _unread(canvas: Canvas, sketch: CheckpointSketch) -> None:
    if sketch.unread:
        share = percent(sketch.unread / sketch.params)
        canvas.line(f"not read: {share} of the parameters of {plain(sketch.name)}, of which nothing is known", indent=2)


def _gains(canvas: Canvas, found: Comparison | None) -> None:
    """A figure that is often misread, with its z and the reason that it does not count."""
    vectors = [m for m in found.tensors if m.role == "norm"] if found is not None else []
    cosines = [m.cosine for m in vectors if m.cosine is not None]
    zs = [m.z for m in vectors if m.z is not None]
    if found is None or not cosines or not zs:
        return
    from statistics import median  # most answers have no gains to count

    canvas.line(
        f"left out: {len(vectors)} norm gains and biases (cosine {median(cosines):.2f}, z {median(zs):.1f} with"
        f" {plain(found.model_name)}: between any two networks such cosines are high, so they never count)",
        indent=2,
    )


def _declared(declared: Sequence[Declared], licence: str | None) -> str:
    parents = [f"{plain(d.relation) + ' ' if d.relation else ''}{plain(d.model)} ({plain(d.source)})" for d in declared]
    return f"declared: {'; '.join(parents) or 'no parent'}; licence {plain(licence) if licence else 'none'}"


def _limits(answer: Whois) -> str:
    limits = answer.limits
    models = f"{limits.models_searched:,} model{'' if limits.models_searched == 1 else 's'}"
    if answer.adapted is not None:
        from lineage.report.text.adapters import searched  # imported only for adapters

        models = searched(answer.adapted, limits.models_searched)
    reach = f"; would have seen r >= {limits.min_detectable_r:.2f}" if limits.min_detectable_r is not None else ""
    return f"searched: {models} (index {limits.index_id}), p corrected for all of them{reach}"


def _compared(found: Comparison) -> str:
    """How much of the two was compared, and how small a trace would have been seen there."""
    reach = found.evidence.min_detectable_r
    seen = "" if reach is None else f"; there r >= {reach:.2f} would have been seen"
    return f"compared: {percent(found.evidence.coverage)} of the parameters tested{seen}"


def _explain(canvas: Canvas, found: Comparison) -> None:
    evidence = found.evidence
    canvas.line("")
    for finding in found.components:
        canvas.line(_described(finding, found))
    for cue in found.cues:
        says = "this model is the " + cue.direction if cue.direction != Direction.UNDIRECTED else "no direction"
        canvas.line(f"cue {plain(cue.name)}: {says}, {cue.ratio:.0f} to 1; {plain(text(cue.fact))}")
    if found.cues:
        canvas.line(
            "odds: how often such a cue was right against wrong on trained models of known descent. The first that"
            " admits no other reading decides; one that only leans decides nothing."
        )
    canvas.line("")
    heads = ("tensor", "role", "shape", "r", "z", "used")
    rows = [_tensor_row(m) for m in sorted(found.tensors, key=lambda m: (m.component, not m.used))]
    if rows:
        canvas.listing(heads, rows, right=(3, 4))
    canvas.line("")
    canvas.line(
        "null: two independently trained networks have no common order of units, so relabelling the units of one"
        " changes nothing; z is how far the agreement lies from its mean over all relabellings, in standard deviations."
    )
    canvas.line(
        f"all together: {_figures(evidence)}; {evidence.groups} independent groups; {evidence.agreeing:,} of"
        f" {evidence.compared:,} sampled values agree where chance gives {evidence.expected:.3g};"
        f" {percent(evidence.coverage)} of the parameters tested; p is two-sided and corrected for"
        f" {evidence.hypotheses:,} hypotheses."
    )


def _described(finding: ComponentFinding, found: Comparison) -> str:
    """One component: its relation and how certain it is, the changes, the maps of layers and experts."""
    is_found = not finding.relation.finds_nothing or finding.is_alike
    words = in_common(finding, pair_stand(found), found.model_name) if is_found else unfound(finding)
    parts = [f"{plain(finding.name)}: {words}"]
    if finding.confidence > 0:
        parts.append(f"confidence {finding.confidence:.2f}")
    if finding.evidence.contained is not None:
        parts.append(f"{percent(finding.evidence.contained)} of the rows of a matrix found in another order")
    if finding.layer_map:
        parts.append(f"layers {runs(finding.layer_map)}")
    if finding.expert_map:
        parts.append("experts " + ", ".join(f"{mine} = {theirs}" for mine, theirs in finding.expert_map))
    return "; ".join(parts)


def _tensor_row(match: TensorMatch) -> list[str]:
    name = plain(match.a) if match.a == match.b else f"{plain(match.a)} = {plain(match.b)}"
    shape = "x".join(str(n) for n in match.shape) + (" transposed" if match.transposed else "")
    why_not = "not chosen" if match.why_not is None else text(match.why_not)
    used = f"by {match.how}" if match.used else f"no: {plain(why_not)}"
    figures = (correlation_figure(match.r) or "-", score_figure(match.z) or "-")
    return [name, plain(match.role), shape, *figures, used]
