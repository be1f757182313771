"""Where a model stands among its relatives, in words; the first line is true when it is quoted alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from lineage.report.components import named, scheme_words
from lineage.report.figures import percent, phrase, plain, probability
from lineage.report.words import texts
from lineage.types import Direction, Relation, Verdict
from lineage.types.facts import Fact
from lineage.types.facts.descent import CopyOfUnknown
from lineage.types.facts.exclusions import AdapterPart
from lineage.types.facts.handed_over import OwnWeightsUnseen, WeightsUnseen

if TYPE_CHECKING:
    from lineage.types import Comparison, ComponentFinding, Place, Relative, Whois

Stand = Literal["parents", "ancestors", "descendants", "siblings", "copies", "open"]
STANDS: tuple[Stand, ...] = ("copies", "parents", "ancestors", "descendants", "siblings", "open")
SETTLES = "an earlier state of either, or a common parent, in the index"
SETTLES_IN_FULL = "both read in full (`--depth full`); an earlier state of either, or a common parent, in the index"
_DIRECTIONS: Mapping[Stand, Direction | None] = {
    "parents": Direction.CHILD,
    "ancestors": Direction.CHILD,
    "descendants": Direction.PARENT,
    "siblings": None,
    "copies": None,
    "open": Direction.UNDIRECTED,
}
_FEW = 3  # names spelled out before the rest is counted
_BEGUN: Mapping[Relation, str] = {
    Relation.SHARED_INIT: "the same initialisation",
    Relation.INCONCLUSIVE: "by descent or from one initialisation: open",
}
_NEARLY_ALL = 0.99  # share below which it is given beside the word


class Headline(NamedTuple):
    """The verdict for a model's place, and the rest of its line, which must be quoted with it."""

    word: str
    rest: str

    @property
    def text(self) -> str:
        """One line: "DERIVED from base (fine-tuned, probability 0.97)"."""
        if not self.rest:
            return self.word
        return f"{self.word} {self.rest}" if self.rest.startswith(("from ", "to ")) else f"{self.word}  {self.rest}"

    def with_unseen(self, facts: Sequence[Fact]) -> Headline:
        """The line with the caveat that must be quoted with it: whose weights were not seen here."""
        owed = ["its own"] if OwnWeightsUnseen() in facts else []
        names = [name for fact in facts if isinstance(fact, WeightsUnseen) for name in fact.names]
        if names:
            owed.append(f"those of {_joined([*map(plain, names[:_FEW]), *_more(len(names) - _FEW)])}")
        if not owed:
            return self
        said = f"weights not seen here: {' and '.join(owed)}"
        return self._replace(rest=f"{self.rest}; {said}" if self.rest else said)


def relatives(place: Place, stand: Stand) -> tuple[Relative, ...]:
    """The relatives in one list of a place."""
    lists: Mapping[Stand, tuple[Relative, ...]] = {
        "parents": place.parents,
        "ancestors": place.ancestors,
        "descendants": place.descendants,
        "siblings": place.siblings,
        "copies": place.copies,
        "open": place.open,
    }
    return lists[stand]


def stand_of(place: Place, model: str | None) -> Stand | None:
    """The list of a place that a model is in."""
    return next((stand for stand in STANDS if any(one.model == model for one in relatives(place, stand))), None)


def placed_direction(answer: Whois, model: str | None, direction: Direction | None) -> Direction | None:
    """The direction of the model towards another: by its place, or by a finding where it has none."""
    stand = stand_of(answer.place, model)
    return direction if direction is None or stand is None else _DIRECTIONS[stand]


def would_settle(answer: Whois) -> str:
    """What would show which of two models came first."""
    return SETTLES_IN_FULL if answer.sketch.depth == "sampled" else SETTLES


def headline(answer: Whois) -> Headline:
    """The first line about a model, after its name."""
    word = answer.verdict.upper()
    if answer.adapted is not None:
        return Headline(word, "").with_unseen(answer.handed_over)
    place = answer.place
    rests: Mapping[Verdict, Callable[[], str]] = {
        Verdict.IDENTICAL: lambda: f"to {_names(place.copies)}{_beside(answer)}",
        Verdict.DERIVED: lambda: _from_parents(answer),
        Verdict.PARTLY_DERIVED: lambda: _from_parents(answer),
        Verdict.ORIGIN: lambda: f"no ancestor found; {_descending(len(place.descendants))}",
        Verdict.RELATED: lambda: _related(place),
        Verdict.INDEPENDENT: lambda: f"no inheritance found among {_models(answer.limits.models_searched)}",
        Verdict.INCONCLUSIVE: lambda: "too little could be tested to tell",
    }
    return Headline(word, rests[answer.verdict]()).with_unseen(_owed(answer))


def _owed(answer: Whois) -> list[Fact]:
    """What the first line must say about sketches that were handed over: only models that its verdict rests on."""
    stands: Mapping[Verdict, tuple[Stand, ...]] = {
        Verdict.IDENTICAL: ("copies",),
        Verdict.DERIVED: ("parents",),
        Verdict.PARTLY_DERIVED: ("parents",),
        Verdict.ORIGIN: ("descendants",),
        Verdict.RELATED: ("open",) if answer.place.open else ("siblings",),
    }
    kin = [one for stand in stands.get(answer.verdict, ()) for one in relatives(answer.place, stand)]
    if answer.verdict == Verdict.IDENTICAL:
        kin = kin[:1]  # one copy whose weights were seen is enough, and stands first
    owed = list[Fact]()
    for fact in answer.handed_over:
        if isinstance(fact, WeightsUnseen):
            unseen = dict(zip(fact.models, fact.names, strict=True))
            named = [one.model for one in kin if one.model in unseen]
            if named:
                owed.append(WeightsUnseen(tuple(named), tuple(unseen[model] for model in named)))
        elif isinstance(fact, OwnWeightsUnseen):
            owed.append(fact)
    return owed


def component_words(answer: Whois, finding: ComponentFinding, model: str | None, name: str | None) -> str:
    """What a component is to the model that it has most in common with, as far as the place says which came first."""
    if answer.adapted is not None and name is not None:
        return f"{phrase(finding.relation, finding.direction, scheme_words(finding.schemes))} {plain(name)}"
    if model is None or name is None:
        return unfound(finding)
    return in_common(finding, stand_of(answer.place, model), name)


def in_common(finding: ComponentFinding, stand: Stand | None, name: str) -> str:
    """What a component has in common with a model in that list: "from" is used of parents alone."""
    other, what = plain(name), phrase(finding.relation, None, scheme_words(finding.schemes), bare=True)
    own_words: Mapping[Relation, str] = {
        Relation.INDEPENDENT: unfound(finding),
        Relation.INCONCLUSIVE: f"alike in {other}; {_BEGUN[Relation.INCONCLUSIVE]}",
        Relation.SHARED_INIT: f"{phrase(Relation.SHARED_INIT, None)} {other}",
        Relation.SIBLING: f"{phrase(Relation.SIBLING, None)} {other}",
        Relation.MERGED: f"merged, nearest to {other}",
    }
    by_stand: Mapping[Stand | None, str] = {
        "parents": f"{phrase(finding.relation, Direction.CHILD, scheme_words(finding.schemes))} {other}",
        "copies": f"identical to {other}" if finding.relation == Relation.IDENTICAL else f"the same weights as {other}",
        "descendants": f"passed on to {other} ({what})",
        "siblings": f"shared with {other} (sibling, {what})",
        "open": f"shared with {other} ({what}, direction open)",
    }
    return own_words.get(finding.relation) or by_stand.get(stand, f"shared with {other} ({what})")


def unfound(finding: ComponentFinding) -> str:
    """A component of which nothing was found: what could not be tested is not called independent."""
    if finding.relation == Relation.INCONCLUSIVE and finding.evidence.min_detectable_r is None:
        return "not tested"
    return phrase(finding.relation, None)


def pair_verdict(found: Comparison) -> Verdict:
    """The word for two models: `derived` only where one of them is known to come from the other."""
    is_open = found.verdict.is_descent and not found.is_directed
    return Verdict.RELATED if is_open else found.verdict


def pair_stand(found: Comparison) -> Stand | None:
    """Where the second of two models stands, seen from the first."""
    if found.verdict == Verdict.IDENTICAL:
        return "copies"
    by_direction: Mapping[Direction | None, Stand] = {
        Direction.CHILD: "parents",
        Direction.PARENT: "descendants",
        Direction.UNDIRECTED: "open",
    }
    return by_direction.get(found.direction)


def pair_headline(found: Comparison, name: str) -> Headline:
    """The first line about two models, after their names; `name` is that of the first."""
    word, other = pair_verdict(found), plain(found.model_name)
    how = f"{_word(found.relation, found.basis)}, confidence {probability(found.confidence)}"
    if found.share < _NEARLY_ALL and any(one.inherited is not None for one in found.components):
        how = f"{percent(found.share)} of the parameters, {how}"
    if word.is_descent:
        ends = (name, other) if found.direction == Direction.CHILD else (other, name)
        return Headline(word.upper(), f"{ends[0]} from {ends[1]} ({how})")
    rests: Mapping[Verdict, str] = {
        Verdict.IDENTICAL: "the same weights",
        Verdict.RELATED: _BEGUN.get(found.relation, f"which came first is open ({how})"),
        Verdict.INDEPENDENT: "no inheritance found",
        Verdict.INCONCLUSIVE: "too little could be tested to tell",
    }
    return Headline(word.upper(), rests[word])


def lines(answer: Whois) -> Iterator[str]:
    """The rest of the place: ancestors, descendants, siblings, what is open, and parents that no index holds."""
    place = answer.place
    if place.ancestors:
        yield f"up to the root: {'; '.join(_step(answer, one) for one in place.ancestors)}"
    if place.copies and (len(place.copies) > 1 or answer.verdict != Verdict.IDENTICAL):
        yield f"copies: {_names(place.copies, more=8)}"
    if place.descendants:
        yield f"descendants: {_listed(place.descendants, answer)}"
    if place.siblings:
        yield f"siblings: {_listed(place.siblings, answer)}"
    copies = {
        hidden.between[0] for hidden in place.unobserved if any(isinstance(f, CopyOfUnknown) for f in hidden.basis)
    }
    for one in place.open:
        if one.relation == Relation.INCONCLUSIVE:
            yield f"open: {plain(one.model_name)} is alike; {_BEGUN[Relation.INCONCLUSIVE]}"
            continue
        which = "it, or what it was rounded from," if one.model in copies else "it"
        odds = f"probability {probability(one.probability)} that {which} is the parent"
        leans = f"; {'; '.join(map(plain, texts(one.basis)))}" if one.basis else ""
        word = phrase(one.relation, None, bare=True)
        yield f"open: {plain(one.model_name)} ({word}); either may come from the other, {odds}{leans}"
    if place.open:
        yield f"what would settle it: {would_settle(answer)}"
    for hidden in place.unobserved:
        ends = _joined([_name_of(answer, model) for model in hidden.between])
        why = f": {'; '.join(map(plain, texts(hidden.basis)))}" if hidden.basis else ""
        yield f"an unknown model between {ends} (probability {probability(hidden.probability)}){why}"


def comparison_of(answer: Whois, model: str) -> Comparison | None:
    """The comparison with one of the relatives, where the answer has it."""
    return next((one for one in (*answer.ancestors, *answer.alternatives) if one.model == model), None)


def name_of(answer: Whois, model: str) -> str:
    """The name of a relative or of the model itself; its id where it has none here."""
    if model == answer.sketch.id:
        return answer.sketch.name
    known = (one.model_name for stand in STANDS for one in relatives(answer.place, stand) if one.model == model)
    return next(known, model[:12])


def components_of(answer: Whois, parent: Relative) -> tuple[str, ...]:
    """The components that come from a parent, where it is not the parent of the whole."""
    if parent.components:
        return parent.components
    if answer.verdict != Verdict.PARTLY_DERIVED and len(answer.place.parents) == 1:
        return ()
    return tuple(finding.name for finding, model, _ in answer.components if model == parent.model)


def _from_parents(answer: Whois) -> str:
    parents = answer.place.parents
    if any(one.weight is not None for one in parents):
        parts = [_weighted(one) for one in parents]
        return f"merged from {_joined(parts)}"
    parts = [_parent(answer, one) for one in parents[:_FEW]]
    more = len(parents) - len(parts)
    return f"from {_joined([*parts, *([f'{more} more'] if more else [])])}"


def _weighted(one: Relative) -> str:
    return plain(one.model_name) if one.weight is None else f"{plain(one.model_name)} ({one.weight:.2f})"


def _parent(answer: Whois, one: Relative) -> str:
    """A parent with what came from it: the components where it did not give all, the parts where not all of one."""
    came = {finding.name: finding for finding, model, _ in answer.components if model == one.model}
    parts = {name: finding.inherited.parts for name, finding in came.items() if finding.inherited is not None}
    facts = [named(plain(name), parts.get(name, ())) for name in components_of(answer, one)]
    if any(parts.values()) or answer.sketch.unread:
        facts.append(f"{percent(sum(finding.share_inherited for finding in came.values()))} of the parameters")
    facts += [_word(one.relation, one.basis), f"probability {probability(one.probability)}"]
    return f"{plain(one.model_name)} ({', '.join(facts)})"


def _beside(answer: Whois) -> str:
    """What else in the file changes how the same weights act: an adapter that is not merged."""
    factors = sum(one.reason == AdapterPart("unmerged-factor") for one in answer.left_out)
    return f" but for an adapter that is not merged ({factors} factors)" if factors else ""


def _related(place: Place) -> str:
    if place.open and all(one.relation == Relation.INCONCLUSIVE for one in place.open):
        return f"to {_names(place.open)}: {_BEGUN[Relation.INCONCLUSIVE]}"
    if place.open:
        words = dict.fromkeys(_word(one.relation, one.basis) for one in place.open)
        is_hidden = all(one.relation == Relation.DISGUISED for one in place.open)
        how = f" ({', '.join(words)})" if is_hidden else ""
        return f"to {_names(place.open)}{how}, which came first is open"
    first = place.siblings[:_FEW]
    if all(one.relation == Relation.SHARED_INIT for one in first):
        return f"to {_names(place.siblings)}: the same initialisation, neither is known to come from the other"
    known = next((one.through for one in first if one.through is not None), None)
    if known is None:
        return f"sibling of {_names(place.siblings)}: a common parent is not known here"
    return f"sibling of {_names(place.siblings)}"


def _step(answer: Whois, one: Relative) -> str:
    through = f"through {_name_of(answer, one.through)}, " if one.through is not None else ""
    return f"{plain(one.model_name)} ({through}probability {probability(one.probability)})"


def _listed(found: Sequence[Relative], answer: Whois) -> str:
    shown = [f"{plain(one.model_name)} ({_facts(one, answer)})" for one in found[:_FEW]]
    more = f" and {len(found) - _FEW:,} more" if len(found) > _FEW else ""
    return f"{', '.join(shown)}{more}"


def _facts(one: Relative, answer: Whois) -> str:
    through = "" if one.through is None else f", through {_name_of(answer, one.through)}"
    words = "a common parent" if one.relation == Relation.SIBLING else _word(one.relation, one.basis)
    return f"{words}{through}, probability {probability(one.probability)}"


def _names(found: Sequence[Relative], more: int = 1) -> str:
    """The first names, and how many more there are."""
    shown = [plain(one.model_name) for one in found[:more]]
    return _joined([*shown, *([f"{len(found) - more} more"] if len(found) > more else [])])


def _more(number: int) -> list[str]:
    return [f"{number:,} more"] if number > 0 else []


def _joined(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _name_of(answer: Whois, model: str) -> str:
    return plain(name_of(answer, model))


def _descending(number: int) -> str:
    return "1 known model descends from it" if number == 1 else f"{number:,} known models descend from it"


def _models(number: int) -> str:
    return f"{number:,} model{'' if number == 1 else 's'}"


def _word(relation: Relation, basis: Sequence[Fact]) -> str:
    """The relation; for a disguised model the one beneath the disguise."""
    word = phrase(relation, None, bare=True)
    if relation != Relation.DISGUISED:
        return word
    from lineage.types.facts.disguises import Beneath

    beneath = next((fact.relation for fact in basis if isinstance(fact, Beneath)), None)
    return word if beneath is None else f"{word}, {phrase(beneath, None, bare=True)} beneath"
