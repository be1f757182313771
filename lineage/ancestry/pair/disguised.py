"""Components that nothing relates by place, whose neurons are the reference's in another order or basis."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from lineage.match import LOG10_ALPHA
from lineage.match.disguise import SUGGESTIVE, Disguise, disguises, networks
from lineage.sketch.neurons import KINDS
from lineage.types import CheckpointSketch, ComponentFinding, Evidence
from lineage.types.facts.changes import SameNeurons
from lineage.types.relations import NOTHING_FOUND

DISGUISED_R = 0.57
"""Correlation of paired codes from which a model descends from the other.

Calibration half of the practice zoo: at most 0.54 where two share their initialisation only (15 pairs), 0.59 and more
from parent to child (231 pairs, what was pruned or trained long included), at most 0.13 between unrelated models.
"""

_OWNERS = ("text decoder", "text encoder")  # of a stream on which experts stand


def seen_through(
    a: CheckpointSketch, b: CheckpointSketch, components: tuple[ComponentFinding, ...], overall: Evidence
) -> tuple[tuple[ComponentFinding, ...], Evidence]:
    """The components of query `a`, those that are the reference's in disguise called so; the evidence of the whole.

    The tables at which a tower begins are the basis in which its neurons are compared, and come with it; so do the
    heads beside the experts of a mixture, where they agree. Of what else stands on the stream of such a tower nothing
    was tested.
    """
    lost = {c.name for c in components if c.relation in NOTHING_FOUND}
    sought = [one for one in a.neurons if one.component in lost]
    if not sought or not _may_be_alike(a, b):
        return components, overall
    proven = {
        held.component[0]: held
        for held in disguises(sought, b.neurons)
        if held.log10_p + math.log10(overall.hypotheses) < LOG10_ALPHA and held.r >= DISGUISED_R
    }
    if not proven:
        return components, overall
    found = tuple(_told(c, a, proven) if c.name in lost else c for c in components)
    by_place = sum(c.share for c in components if c.name not in lost)
    largest = max((c for c in found if c.relation == "disguised"), key=lambda c: c.params)
    return found, largest.evidence if largest.share > by_place else overall


def _may_be_alike(a: CheckpointSketch, b: CheckpointSketch) -> bool:
    """Whether a first look at what neurons do together leaves it open: it spares most pairs the closer one."""
    left, right = networks(a), networks(b)
    return bool(left.size and right.size) and float((left @ right.T).max()) > SUGGESTIVE


def _told(finding: ComponentFinding, a: CheckpointSketch, proven: Mapping[str, Disguise]) -> ComponentFinding:
    held = proven.get(finding.name)
    if held is None:
        held = _on_one_stream(finding.name, a, proven)
        if held is None:
            return finding
        if finding.name != "embeddings" and not (finding.name in _OWNERS and held.heads >= DISGUISED_R):
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
        role="undirected",
        evidence=evidence,
        confidence=1.0,
        basis=(_same(held),),
        layer_map=tuple(one.layers for one in held.layers),
    )


def _same(held: Disguise) -> SameNeurons:
    pairs = [pair for layer in held.layers for pair in layer.pairs.tolist()]
    moved = sum(ours != theirs for ours, theirs in pairs)
    return SameNeurons(len(held.layers), len(pairs) / sum(layer.of for layer in held.layers), moved / len(pairs))


def _on_one_stream(component: str, a: CheckpointSketch, proven: Mapping[str, Disguise]) -> Disguise | None:
    """What is in disguise on a residual stream on which another component stands too."""
    own = _streams(component, a)
    return next((held for tower, held in proven.items() if own & _streams(tower, a)), None)


def _streams(component: str, a: CheckpointSketch) -> set[str]:
    labels = {axis.label for t in a.tensors if t.part.component == component for axis in t.part.axes}
    return {label for label in labels if label.endswith("/residual")}


def _tested(component: str, a: CheckpointSketch, held: Disguise) -> float:
    """Share of a component's parameters in the matrices whose neurons were held."""
    layers = {one.layers[0] for one in held.layers}
    own = [t for t in a.tensors if t.part.component == component and t.part.excluded is None]
    seen = [t for t in own if t.part.layer in layers and t.part.role.removeprefix("expert-") in KINDS]
    return sum(t.params for t in seen if len(t.shape) > 1) / max(1, sum(t.params for t in own))
