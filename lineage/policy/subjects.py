"""What rules are about: the model with its licence, its ancestors, its components and their state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lineage.policy.descents import inherited_share, surety
from lineage.policy.licences import Licence, Table
from lineage.policy.vocabulary import Architecture, SettingsState, State, TokenizerState
from lineage.policy.witnesses import settings_of_text, settings_state, tokenizer_state
from lineage.types import Case, Certainty, ComponentFinding, DescentLine, Relation

_SAME_LAYOUT = 0.99  # share of the parameters whose tensors must match the layout of another model
_STATES: Mapping[Certainty, State] = {"measured": "inherited", "possible": "possible", "declared": "declared"}


@dataclass(frozen=True, slots=True)
class Model:
    """The model under audit: what its card states, and what is known of its architecture.

    `tokenizer_name` is the nearest of `tokenizers` known ones; `equal_settings` of its text part are those of
    `settings_of`.
    """

    name: str
    licence_text: str | None
    licence: Licence | None
    ancestors: tuple[Ancestor, ...]
    inherited: float
    architecture: Architecture
    architecture_name: str
    nearest: str | None
    models: int
    reach: float | None
    tokenizer: TokenizerState = "unknown"
    tokenizer_name: str | None = None
    tokenizers: int = 0
    settings: SettingsState = "unknown"
    settings_of: str | None = None
    equal_settings: int = 0


@dataclass(frozen=True, slots=True)
class Ancestor:
    """One ancestor with every line to it; `licence` is None where it is not known."""

    lines: tuple[DescentLine, ...]
    licence: Licence | None

    @property
    def surest(self) -> DescentLine:
        """The line that is known best."""
        return self.lines[0]


@dataclass(frozen=True, slots=True)
class Component:
    """One component, its state, the line that decides it, and the smallest r that would have been seen in it.

    `share` is that of the model's parameters that the state is about: where a part was inherited, that part's. Rows
    added to a table do not make it a new model.
    """

    name: str
    share: float
    state: State
    line: DescentLine | None
    reach: float | None


def model_of(case: Case, lines: Sequence[DescentLine], table: Table, architectures: Sequence[str]) -> Model:
    """The model of a case, its ancestors the surest first."""
    sketch, nearest, witnesses = case.answer.sketch, case.answer.nearest, case.answer.witnesses
    tokenizer, settings = witnesses.tokenizer, settings_of_text(witnesses.configuration)
    grouped: dict[str, list[DescentLine]] = {}
    for line in sorted(lines, key=surety):
        grouped.setdefault(line.ancestor, []).append(line)
    return Model(
        name=sketch.name,
        licence_text=sketch.licence,
        licence=table.find(sketch.licence),
        ancestors=tuple(Ancestor(tuple(one), table.find(one[0].licence)) for one in grouped.values()),
        inherited=inherited_share(case, lines),
        architecture=_architecture(case, architectures),
        architecture_name=sketch.architecture,
        nearest=None if nearest is None else nearest.model_name,
        models=case.answer.limits.models_searched,
        reach=case.answer.limits.min_detectable_r,
        tokenizer=tokenizer_state(tokenizer),
        tokenizer_name=None if tokenizer is None else tokenizer.b,
        tokenizers=0 if tokenizer is None else tokenizer.order.hypotheses,
        settings=settings_state(settings, sketch.name),
        settings_of=None if settings is None else settings.model,
        equal_settings=0 if settings is None else len(settings.equal),
    )


def components_of(case: Case, lines: Sequence[DescentLine]) -> tuple[Component, ...]:
    """Every component with its state, which the surest of its nearest lines decides."""
    return tuple(_component(finding, lines) for finding, _, _ in case.answer.components)


def _component(finding: ComponentFinding, lines: Sequence[DescentLine]) -> Component:
    mine = sorted((line for line in lines if line.component in (None, finding.name)), key=surety)
    nearest = [line for line in mine if not line.through] or mine
    line = nearest[0] if nearest else None
    state = _unrelated(finding)
    if line is not None and (line.certainty != "declared" or state == "nothing"):
        state = _STATES[line.certainty]
    is_part = line is not None and line.parts and line.component == finding.name and state in _STATES.values()
    share = line.share if line is not None and is_part and line.share is not None else finding.share
    return Component(finding.name, share, state, line, finding.evidence.min_detectable_r)


def _unrelated(finding: ComponentFinding) -> State:
    """The state of a component without an ancestor; a model whose only relatives descend from it has no ancestor."""
    if finding.relation == Relation.SHARED_INIT:
        return "shared-init"
    return "untested" if finding.relation == Relation.INCONCLUSIVE else "nothing"


def _architecture(case: Case, published: Sequence[str]) -> Architecture:
    """What the architecture is; another model's layout counts only where the config asks for no code of its own."""
    if case.answer.sketch.architecture not in published:
        return "unknown"
    plain = case.beside is not None and not case.beside.own_code
    return "same-layout" if plain and _like_nearest(case) >= _SAME_LAYOUT else "published"


def _like_nearest(case: Case) -> float:
    """Share of the parameters whose tensor has the role, layer and shape of one of the nearest model."""
    nearest, sketch = case.answer.nearest, case.answer.sketch
    if nearest is None:
        return 0.0
    placed = {match.a for match in nearest.tensors if match.how == "structure" and not match.transposed}
    weights = [t for t in sketch.tensors if t.part.excluded is None and len(t.shape) > 1]
    return sum(t.params for t in weights if t.name in placed) / max(1, sum(t.params for t in weights))
