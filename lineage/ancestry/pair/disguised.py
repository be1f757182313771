"""Components that nothing relates by place, whose neurons are the reference's in another order or basis."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from lineage.match import LOG10_ALPHA
from lineage.match.disguise import SUGGESTIVE, Disguise, disguises, networks
from lineage.sketch.neuron_layers import KINDS
from lineage.types import CheckpointSketch, ComponentFinding, Cue, Direction, Evidence
from lineage.types.facts import Fact
from lineage.types.relations import NOTHING_FOUND

DISGUISED_R = 0.57
"""Correlation of paired codes from which a model descends from the other, whatever else is known.

Calibration half of the practice zoo: at most 0.56 where two share their initialisation only (104 pairs), 0.59 and more
from parent to child (what was pruned or trained long included, but for training to a cosine of 0.8: 0.47 and more).
"""
_KEPT = {3: 0.36, 2: 0.45}
"""The same of the mean of codes, sizes and heads, by how many of the three are known.

There, of a shared initialisation at most 0.32 and 0.41, of what was trained to a cosine of 0.8 at least 0.40 and, one
mixture at 0.39 aside, 0.49.
"""

_OWNERS = ("text decoder", "text encoder")  # of a stream on which experts stand


class Seen(NamedTuple):
    """What is seen beneath disguises: components, the evidence of the whole, and which way it points if that is one."""

    components: tuple[ComponentFinding, ...]
    evidence: Evidence
    cues: tuple[Cue, ...] = ()


class _Told(NamedTuple):
    held: Disguise
    cues: tuple[Cue, ...]
    role: Direction | None
    basis: tuple[Fact, ...]


def seen_through(
    a: CheckpointSketch, b: CheckpointSketch, components: tuple[ComponentFinding, ...], overall: Evidence
) -> Seen:
    """The components of query `a`, those that are the reference's in disguise called so; the evidence of the whole.

    Where neurons are alike beyond chance and it is open whether more than an initialisation is shared, nothing is said
    to be independent. The tables at which a tower begins are the basis in which its neurons are compared, and come with
    it; so do the heads beside the experts of a mixture, where they agree. Of what else stands on the stream of such a
    tower nothing was tested.
    """
    lost = {c.name for c in components if c.relation in NOTHING_FOUND}
    sought = [one for one in a.neurons if one.component in lost]
    if not sought or not _may_be_alike(a, b):
        return Seen(components, overall)
    alike = {
        held.component[0]: held
        for held in disguises(sought, b.neurons)
        if held.log10_p + math.log10(overall.hypotheses) < LOG10_ALPHA
    }
    proven = {name: held for name, held in alike.items() if _descends(held)}
    components = tuple(
        replace(c, relation="inconclusive") if c.name in alike.keys() - proven.keys() else c for c in components
    )
    if not proven:
        return Seen(components, overall)
    told = {name: _told(a, b, held) for name, held in proven.items()}
    found = tuple(_named(c, a, told) if c.name in lost else c for c in components)
    by_place = sum(c.share for c in components if c.name not in lost)
    largest = max((c for c in found if c.relation == "disguised"), key=lambda c: c.params)
    if largest.share <= by_place:
        return Seen(found, overall)
    tower = _tower(largest.name, a, proven)
    cues = told[tower].cues if tower is not None else ()
    if not _is_all(found, b):
        cues = tuple(replace(cue, certain=False) for cue in cues)
    return Seen(found, largest.evidence, cues)


def _is_all(components: Collection[ComponentFinding], b: CheckpointSketch) -> bool:
    """Whether two models have nothing besides one tower in disguise, the tables at its beginning and heads on it."""
    others = {t.part.component for t in b.tensors if t.part.excluded is None}
    hidden = {c.name for c in components if c.relation == "disguised"}
    return {c.name for c in components} == others and others <= hidden | {"head"}


def _descends(held: Disguise) -> bool:
    kept = held.kept
    return held.r >= DISGUISED_R or float(np.mean(kept)) >= _KEPT.get(len(kept), 1.0)


def _told(a: CheckpointSketch, b: CheckpointSketch, held: Disguise) -> _Told:
    # Nearly all models with neurons are in no disguise: they do not wait for what would be beneath one.
    from lineage.ancestry.pair.beneath import cues_beneath, undone
    from lineage.ancestry.pair.direction import direction

    cues = tuple(cues_beneath(a, b, held))
    role, pointed = direction(cues)
    return _Told(held, cues, role, (*pointed, *undone(a, b, held)))


def _may_be_alike(a: CheckpointSketch, b: CheckpointSketch) -> bool:
    """Whether a first look at what neurons do together leaves it open: it spares most pairs the closer one."""
    left, right = networks(a), networks(b)
    return bool(left.size and right.size) and float((left @ right.T).max()) > SUGGESTIVE


def _named(finding: ComponentFinding, a: CheckpointSketch, told: Mapping[str, _Told]) -> ComponentFinding:
    tower = _tower(finding.name, a, told)
    if tower is None:
        return finding
    held, _, role, basis = told[tower]
    if finding.name not in (tower, "embeddings") and not (finding.name in _OWNERS and held.heads >= DISGUISED_R):
        return replace(finding, relation="inconclusive")
    evidence = Evidence(
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
    return replace(
        finding,
        relation="disguised",
        role=role,
        evidence=evidence,
        confidence=1.0,
        basis=basis,
        layer_map=tuple(one.layers for one in held.layers),
    )


def _tower(component: str, a: CheckpointSketch, towers: Collection[str]) -> str | None:
    """What is in disguise of a component, or of the residual stream on which it stands too."""
    if component in towers:
        return component
    own = _streams(component, a)
    return next((tower for tower in towers if own & _streams(tower, a)), None)


def _streams(component: str, a: CheckpointSketch) -> set[str]:
    labels = {axis.label for t in a.tensors if t.part.component == component for axis in t.part.axes}
    return {label for label in labels if label.endswith("/residual")}


def _tested(component: str, a: CheckpointSketch, held: Disguise) -> float:
    """Share of a component's parameters in the matrices whose neurons were held."""
    layers = {one.layers[0] for one in held.layers}
    own = [t for t in a.tensors if t.part.component == component and t.part.excluded is None]
    seen = [t for t in own if t.part.layer in layers and t.part.role.removeprefix("expert-") in KINDS]
    return sum(t.params for t in seen if len(t.shape) > 1) / max(1, sum(t.params for t in own))
