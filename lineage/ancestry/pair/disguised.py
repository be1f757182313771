"""Components unrelated by position whose neurons are the reference's in another order or basis."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lineage.match import LOG10_ALPHA
from lineage.sketch.neuron_layers import KINDS
from lineage.types import CheckpointSketch, ComponentFinding, Cue, Direction, Evidence, Relation
from lineage.types.facts import Fact

if TYPE_CHECKING:
    from lineage.match.disguise import Disguise

DISGUISED_R = 0.57
"""Correlation of paired codes from which two models are related by descent, whatever else is known.

Calibration half of the practice zoo: at most 0.56 for a shared initialisation alone (104 pairs), 0.59 and more from
parent to child (pruned and long-trained models included; for training to a cosine of 0.8: 0.47 and more).
"""
CHANNELS_R = 0.65
"""The same threshold for channels of networks without attention.

Four pairs trained on digits from one initialisation keep 0.52 to 0.58; children 0.79 and more (pruned ones included),
but 0.41 to 0.64 after training to a cosine of 0.8, which is left open or not seen at all.
"""
_KEPT = {3: 0.36, 2: 0.45}
"""The same threshold for the mean of codes, sizes and heads, by how many of the three are known.

There, a shared initialisation gives at most 0.32 and 0.41; training to a cosine of 0.8 gives at least 0.40 and, except
for one mixture at 0.39, at least 0.49.
"""

_LEARNED = 0.5
"""What two models must have in common beyond an initialisation (see `lineage.match.learned`): otherwise it may be all.

Small models trained apart from one step 0 (scripts/zoo/beginnings.py, and other seeds and courses) have at most 0.35 on
other data. On the same data in another order, up to 1.08: as they are, these are called fine-tuned, too, and which came
first is open. Children on the calibration half of the practice zoo have 1.1 and more, but for those of the three roots
that learned least, pruned or trained to a cosine of 0.8: 0.3 to 0.8. Real models of the shipped reference have 2.3 and
more.
"""
_LEARNED_NEAR = 0.2
"""The same threshold for models whose codes correlate by more than `_NEAR`.

Those that were trained apart on other data have at most 0.10 then (on the same data 0.43), children on that half 0.74
and more.
"""
_NEAR = 0.98  # few steps: what they learned is little, and less of it the same
_OFFSETS = 0.75
"""What the offsets of the norms behind channels must correlate by in each layer: they are learned.

Trained apart on other data, eight pairs of networks have at most 0.1, on the same data 0.7 to 0.9; children have 0.8
and more.
"""

_A_LITTLE = 0.5  # share of a component's parameters
_BY_PLACE = 4.0  # z of a component of which something corresponds by position

_AS_WELL = 0.9  # share of the likeness beneath a disguise: r of .999 against .99 without one, below .6 with a part left

_OWNERS = ("text decoder", "text encoder")  # components that own the residual stream of experts


class Seen(NamedTuple):
    """The result after looking beneath disguises: components, evidence of the whole model, and cues of direction."""

    components: tuple[ComponentFinding, ...]
    evidence: Evidence
    cues: tuple[Cue, ...] = ()


class _Told(NamedTuple):
    held: Disguise
    cues: tuple[Cue, ...]
    direction: Direction | None
    basis: tuple[Fact, ...]


def seen_through(
    a: CheckpointSketch, b: CheckpointSketch, components: tuple[ComponentFinding, ...], overall: Evidence
) -> Seen:
    """The components of query `a`, with "disguised" for those that are the reference's in disguise; the evidence.

    A component of which some rows alone were found is looked at too. If neurons are similar beyond chance
    but may share an initialisation only, the component is "inconclusive", not "independent". The tables at the
    start of a disguised tower define the basis of the comparison and have its relation; so have the attention
    heads beside the experts of a mixture and the heads of the model, if they agree. Other components on the stream
    of such a tower were not tested and are "inconclusive".
    """
    lost = {c.name for c in components if c.relation.finds_nothing}
    parts = {c.name for c in components if _is_a_little(c)}
    sought = [one for one in a.neurons if one.component in lost | parts]
    of_channels = any(one.keyed == "input" for one in sought)
    if not sought or not (of_channels or _may_be_alike(a, b)):
        return Seen(components, overall)
    from lineage.match.disguise import disguises  # imported only here: few models with neurons are alike

    alike = {
        held.component[0]: held
        for held in disguises(sought, b.neurons)
        if held.log10_p + math.log10(overall.hypotheses) < LOG10_ALPHA and not _agrees_by_place(held, components)
    }
    near = {name: held for name, held in alike.items() if _is_near(held)}
    proven = {name: held for name, held in near.items() if _is_more_than_a_beginning(a, b, held)}
    open_ones = {name: held for name, held in near.items() if name not in proven}
    components = tuple(
        _left_open(c, a, open_ones, alike) if c.name in lost and _tower(c.name, a, proven) is None else c
        for c in components
    )
    lost |= parts & proven.keys()
    if not proven:
        return Seen(components, _of_open_ones(components, overall))
    told = {name: _told(a, b, held) for name, held in proven.items()}
    found = tuple(_named(c, a, b, told) if c.name in lost else c for c in components)
    by_place = sum(c.share for c in components if c.name not in lost)
    largest = max((c for c in found if c.relation == Relation.DISGUISED), key=lambda c: c.params)
    if largest.share <= by_place:
        return Seen(found, overall)
    tower = _tower(largest.name, a, proven)
    cues = told[tower].cues if tower is not None else ()
    if not _is_all(found, b):
        cues = tuple(replace(cue, certain=False) for cue in cues)
    return Seen(found, largest.evidence, cues)


def _agrees_by_place(held: Disguise, components: Collection[ComponentFinding]) -> bool:
    """Whether a component agrees by place as well as beneath a disguise: then nothing was disguised."""
    by_place = next(c.evidence for c in components if c.name == held.component[0])
    return _is_seen_by_place(by_place) and (by_place.r or 0.0) >= _AS_WELL * held.likeness


def _is_a_little(finding: ComponentFinding) -> bool:
    """Whether some rows of a component were found, and nothing by place: an order of channels leaves such rows."""
    is_part = finding.relation == Relation.COMPONENT_REUSED
    return is_part and not _is_seen_by_place(finding.evidence) and finding.share_inherited < _A_LITTLE * finding.share


def _is_seen_by_place(evidence: Evidence) -> bool:
    return evidence.z is not None and evidence.z > _BY_PLACE


def _is_all(components: Collection[ComponentFinding], b: CheckpointSketch) -> bool:
    """Whether both models consist of the same components, all of them disguised or heads."""
    others = {t.part.component for t in b.tensors if t.part.excluded is None}
    hidden = {c.name for c in components if c.relation == Relation.DISGUISED}
    return {c.name for c in components} == others and others <= hidden | {"head"}


def _is_near(held: Disguise) -> bool:
    """Whether two are nearer than models that were trained to a plateau from one initialisation."""
    if held.keyed == "input":
        return held.r >= CHANNELS_R
    kept = held.kept
    return held.r >= DISGUISED_R or float(np.mean(kept)) >= _KEPT.get(len(kept), 1.0)


def _is_more_than_a_beginning(a: CheckpointSketch, b: CheckpointSketch, held: Disguise) -> bool:
    """Whether two have more in common than an initialisation, or differ by a disguise alone.

    Two that were trained apart from one step 0 may be as near as parent and child, if not for long.
    """
    from lineage.ancestry.pair.beneath import is_same

    if is_same(held):
        return True
    if held.keyed == "input":
        from lineage.ancestry.pair.channel_offsets import offsets_in_common

        offsets = offsets_in_common(a, b, held)
        return offsets is not None and offsets >= _OFFSETS
    return held.learned is not None and held.learned >= (_LEARNED_NEAR if held.r > _NEAR else _LEARNED)


def _left_open(
    finding: ComponentFinding, a: CheckpointSketch, near: Mapping[str, Disguise], alike: Collection[str]
) -> ComponentFinding:
    """A component that is alike but may share no more than an initialisation, or is on the stream of such a tower.

    With the evidence of the neurons where these are near; others on such a stream were not tested.
    """
    tower = _tower(finding.name, a, near)
    if tower is None:
        return replace(finding, relation=Relation.INCONCLUSIVE) if finding.name in alike else finding
    if finding.name not in (tower, "embeddings"):
        return replace(finding, relation=Relation.INCONCLUSIVE)
    from lineage.ancestry.pair.beneath import same_neurons

    held = near[tower]
    return replace(
        finding,
        relation=Relation.INCONCLUSIVE,
        evidence=_evidence(finding, a, held),
        basis=(same_neurons(held),),
        layer_map=tuple(one.layers for one in held.layers),
    )


def _of_open_ones(components: Collection[ComponentFinding], overall: Evidence) -> Evidence:
    """The evidence of the largest component that was left open for its neurons, if nothing as large agrees by place."""
    found = [c for c in components if c.relation == Relation.INCONCLUSIVE and c.is_alike and c.basis]
    largest = max(found, key=lambda c: c.params, default=None)
    by_place = sum(c.share for c in components if not c.relation.finds_nothing)
    return overall if largest is None or largest.share <= by_place else largest.evidence


def _told(a: CheckpointSketch, b: CheckpointSketch, held: Disguise) -> _Told:
    # Imported only here: few models with neurons are disguised.
    from lineage.ancestry.pair.beneath import cues_beneath, undone
    from lineage.ancestry.pair.direction import direction

    cues = tuple(cues_beneath(a, b, held))
    way, pointed = direction(cues)
    return _Told(held, cues, way, (*pointed, *undone(a, b, held)))


def _may_be_alike(a: CheckpointSketch, b: CheckpointSketch) -> bool:
    """Whether the network vectors are similar enough for a comparison of neurons, which most pairs do not need.

    Those of channels say nothing where one of the two was made narrower: each channel left out changes all behind it.
    """
    from lineage.match.disguise import SUGGESTIVE, networks  # imported only for models with neurons

    left, right = networks(a), networks(b)
    return bool(left.size and right.size) and float((left @ right.T).max()) > SUGGESTIVE


def _named(
    finding: ComponentFinding, a: CheckpointSketch, b: CheckpointSketch, told: Mapping[str, _Told]
) -> ComponentFinding:
    from lineage.ancestry.pair.heads_beneath import of_heads

    tower = _tower(finding.name, a, told)
    if tower is None:
        return finding
    held, _, direction, basis = told[tower]
    if finding.name in (tower, "embeddings") or (finding.name in _OWNERS and held.heads >= DISGUISED_R):
        evidence = _evidence(finding, a, held)
    else:
        rows = of_heads(a, b, finding.name, held, finding.evidence.hypotheses)
        if rows is None or rows.log10_p >= LOG10_ALPHA or (rows.r or 0.0) < DISGUISED_R:
            return replace(finding, relation=Relation.INCONCLUSIVE)
        evidence = rows
    return replace(
        finding,
        relation=Relation.DISGUISED,
        direction=direction,
        evidence=evidence,
        confidence=1.0,
        basis=basis,
        inherited=None,
        layer_map=tuple(one.layers for one in held.layers),
    )


def _evidence(finding: ComponentFinding, a: CheckpointSketch, held: Disguise) -> Evidence:
    return Evidence(
        r=held.likeness,
        z=held.z,
        groups=len(held.layers),
        agreeing=0,
        compared=0,
        expected=0.0,
        log10_p=min(0.0, held.log10_p + math.log10(finding.evidence.hypotheses)),
        coverage=_tested(finding.name, a, held),
        min_detectable_r=None,
        hypotheses=finding.evidence.hypotheses,
    )


def _tower(component: str, a: CheckpointSketch, towers: Collection[str]) -> str | None:
    """The disguised component among `towers` that is `component` itself or shares its residual stream; else None."""
    if component in towers:
        return component
    own = _streams(component, a)
    return next((tower for tower in towers if own & _streams(tower, a)), None)


def _streams(component: str, a: CheckpointSketch) -> set[str]:
    labels = {axis.label for t in a.tensors if t.part.component == component for axis in t.part.axes}
    return {label for label in labels if label.endswith("/residual")}


def _tested(component: str, a: CheckpointSketch, held: Disguise) -> float:
    """Share of a component's parameters in the matrices whose neurons were compared."""
    layers = {one.layers[0] for one in held.layers}
    own = [t for t in a.tensors if t.part.component == component and t.part.excluded is None]
    if held.keyed == "input":
        from lineage.ancestry.pair.towers import Tower, compared

        return sum(t.params for t in compared(Tower(a, component, layers))) / max(1, sum(t.params for t in own))
    seen = [t for t in own if t.part.layer in layers and t.part.role.removeprefix("expert-") in KINDS]
    return sum(t.params for t in seen if len(t.shape) > 1) / max(1, sum(t.params for t in own))
