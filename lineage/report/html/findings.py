"""The sections in words: directions, alternatives, what was declared, left out and not tested, the method."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import median

from markupsafe import Markup

from lineage.report.html.document import section, table
from lineage.report.html.markup import between, joined, tag
from lineage.report.html.texts import Texts
from lineage.report.html.wording import NONE, direction, model, p_figure, r_figure, reasons, relation, z_figure
from lineage.report.text.places import placed_direction
from lineage.types import CheckpointSketch, Comparison, Declared, Verdict, Whois

_FEW = 6  # tensors named before the rest is counted


def directions(say: Texts, answer: Whois) -> Markup | None:
    """For each ancestor which of the two came first, and every cue with its odds."""
    if not answer.ancestors:
        return None
    return section("direction", say("head.direction"), tag("p", say("direction.intro")), *_ways(say, answer))


def alternatives(say: Texts, answer: Whois) -> Markup:
    """Other models with significant evidence."""
    found = answer.alternatives
    shown = other_models(say, answer, found, say("alternatives.caption")) if found else ""
    text = say("alternatives.intro") if found else say("alternatives.none")
    return section("alternatives", say("head.alternatives"), tag("p", text), shown)


def other_models(say: Texts, answer: Whois, found: Sequence[Comparison], caption: str) -> Markup:
    """A table with what each of some models is to this one."""
    rows: list[list[str]] = [
        [
            model(one.model_name),
            relation(say, one.relation),
            direction(say, one.relation, placed_direction(answer, one.model, one.direction)),
            r_figure(one.evidence.r),
            z_figure(one.evidence.z),
            p_figure(one.evidence.log10_p),
        ]
        for one in found
    ]
    heads = [say(f"shares.{key}") for key in ("origin", "relation", "direction")]
    return table(caption, [*heads, "r", "z", "p"], rows, (3, 4, 5))


def declared(say: Texts, answer: Whois) -> Markup:
    """What the model's own files declare, separate from what was measured."""
    rows: list[list[str]] = [
        [
            model(one.model),
            say.word("relation", one.relation) if one.relation else NONE,
            tag("bdi", one.source),
            _confirmed(say, answer, one),
        ]
        for one in answer.sketch.declared
    ]
    heads = [say(f"declared.{key}") for key in ("model", "relation", "source", "measured")]
    shown = table(say("declared.caption"), heads, rows) if rows else tag("p", say("declared.none"))
    licence = answer.sketch.licence
    stated = say("declared.licence", licence=tag("bdi", licence)) if licence else say("declared.no_licence")
    return section("declared", say("head.declared"), tag("p", say("declared.intro")), shown, tag("p", stated))


def limits(say: Texts, answer: Whois, searched: Markup | None = None) -> Markup:
    """What was left out and why, what was looked for, what was not tested; `searched` says where."""
    items = [tag("li", reason, ": ", names) for reason, names in _left_out(say, answer).items()]
    gains = _gains(say, answer)
    if gains is not None:
        items.append(tag("li", gains))
    return section(
        "limits",
        say("head.limits"),
        tag("p", searched or between(" ", _searched(say, answer))),
        tag("h3", say("limits.not_tested")),
        tag("ul", *(tag("li", say.fact(one)) for one in answer.limits.not_tested)),
        tag("h3", say("limits.looked_for")),
        tag("ul", *(tag("li", say.fact(one)) for one in answer.limits.transformations)),
        tag("h3", say("limits.left_out")),
        tag("ul", *items) if items else tag("p", say("limits.nothing")),
    )


def method(say: Texts, answer: Whois, version: str, other: CheckpointSketch | None = None) -> Markup:
    """How the figures are made, and the commands that reproduce them; `other` is all that was compared, if given."""
    sketch = answer.sketch
    searched: dict[str, str] = {
        "index": tag("code", answer.limits.index_id),
        "models" if answer.adapted is None else "adapters": f"{answer.limits.models_searched:,}",
    }
    facts = {
        "version": f"lineage {version}",
        **(searched if other is None else {}),
        "sketch": tag("code", sketch.id),
        "family": tag("code", sketch.family),
        "depth": say(f"depth.{sketch.depth}"),
    }
    listed = [tag("div", tag("dt", say(f"method.{key}")), tag("dd", value)) for key, value in facts.items()]
    words = [tag("div", tag("dt", key), tag("dd", say(f"glossary.{key}"))) for key in ("r", "z", "p")]
    words += [
        tag("div", tag("dt", say(f"shares.{key}")), tag("dd", say(f"glossary.{key}")))
        for key in ("coverage", "confidence")
    ]
    asked = " ".join(shlex.quote(one.path or one.name) for one in (sketch, other) if one is not None)
    command = f"lineage {'whois' if other is None else 'compare'} {asked} --depth {sketch.depth}"
    lines = (f"{command} --report report.html --lang {say.language}", f"{command} --json")
    block = Markup("\n").join(tag("code", line) for line in lines)
    return section(
        "method",
        say("head.method"),
        tag("dl", listed, class_="facts"),
        tag("p", say("method.null")),
        tag("dl", words, class_="glossary"),
        tag("p", say("method.again")),
        tag("pre", block, tabindex=0),
        tag("p", say("method.words")),
    )


def _confirmed(say: Texts, answer: Whois, said: Declared) -> Markup:
    """What the weights show about one declared parent."""
    if answer.adapted is not None and said.relation == "adapter":
        return say("declared.base")
    found = {_bare(one.model_name) for one in (*answer.ancestors, *answer.alternatives)}
    return say("declared.found") if _bare(said.model) in found else say("declared.not_found")


def _searched(say: Texts, answer: Whois) -> Iterator[Markup]:
    """What was searched, and how small a trace would have been seen there."""
    reach, adapted = answer.limits.min_detectable_r, answer.adapted
    if adapted is None:
        yield say("limits.intro", models=answer.limits.models_searched)
    else:
        yield say("limits.adapter_intro", adapters=answer.limits.models_searched, pairs=adapted.pairs)
    if reach is not None:
        yield say("limits.reach", r=f"{reach:.2f}")
    elif adapted is None:
        yield say("limits.no_reach")


def _ways(say: Texts, answer: Whois) -> Iterator[Markup]:
    for one in answer.ancestors:
        yield tag("h3", model(one.model_name))
        yield tag("p", _way(say, replace(one, direction=placed_direction(answer, one.model, one.direction))))
        rows: list[list[str]] = [
            [say.fact(cue.fact), say(f"direction.{cue.direction}"), say("direction.odds", ratio=f"{cue.ratio:.0f}")]
            for cue in one.cues
        ]
        if rows:
            heads = [say("direction.cue"), say("direction.says"), say("direction.ratio")]
            yield table(say("direction.caption"), heads, rows, figures=(2,))
        seen = [fact for fact in one.basis if fact not in {cue.fact for cue in one.cues}]
        if seen:
            yield tag("p", say("direction.seen"), " ", between("; ", map(say.fact, seen)))


def _way(say: Texts, one: Comparison) -> Markup:
    if one.verdict == Verdict.IDENTICAL:
        return say("direction.same")
    if not one.is_directed:
        return say("direction.open", relation=relation(say, one.relation))
    because = reasons(say, one.direction, one.basis, one.cues)
    return say(f"direction.is_{one.direction}", relation=relation(say, one.relation), because=because)


def _left_out(say: Texts, answer: Whois) -> Mapping[Markup, Markup]:
    reasons_: dict[Markup, list[str]] = {}
    for one in (*answer.excluded, *answer.left_out):
        reasons_.setdefault(say.fact(one.reason), []).append(one.tensor)
    return {reason: _names(say, names) for reason, names in reasons_.items()}


def _names(say: Texts, names: list[str]) -> Markup:
    shown = between(", ", [tag("code", name) for name in names[:_FEW]])
    return shown if len(names) <= _FEW else joined(shown, " ", say("limits.more", count=len(names) - _FEW))


def _gains(say: Texts, answer: Whois) -> Markup | None:
    """A figure that is often misread, with its z and the reason that it does not count."""
    if answer.nearest is None:
        return None
    vectors = [m for m in answer.nearest.tensors if m.role == "norm" and m.cosine is not None and m.z is not None]
    if not vectors:
        return None
    cosine, z = median([m.cosine or 0.0 for m in vectors]), median([m.z or 0.0 for m in vectors])
    name = model(answer.nearest.model_name)
    return say("limits.gains", count=len(vectors), cosine=f"{cosine:.2f}", z=f"{z:.1f}", model=name)


def _bare(name: str) -> str:
    return name.rsplit("/", 1)[-1].lower()
