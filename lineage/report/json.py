"""Answers as JSON values, after the schemas in index/schema: unknown is null, no key is ever missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lineage.match.tails import log10_normal
from lineage.report.components import scheme_words
from lineage.report.facts import fact_value, fact_values
from lineage.report.figures import finite
from lineage.report.text.places import pair_verdict, placed_direction, would_settle
from lineage.report.words import text, texts

if TYPE_CHECKING:  # a sketch is told without what answers are made of
    from lineage.types import (
        CheckpointSketch,
        Comparison,
        ComponentFinding,
        Cue,
        Declared,
        Evidence,
        Excluded,
        Inherited,
        InheritedPart,
        Merge,
        Null,
        Relative,
        TensorMatch,
        Whois,
    )
    from lineage.types.facts import Fact

Json = dict[str, Any]


def whois(answer: Whois) -> Json:
    """`lineage/whois/2`; the direction of a component is that of its model's place."""
    from lineage.report.text.adapters import adapter_value
    from lineage.report.witness_json import witnesses_value

    limits, timings = answer.limits, answer.timings
    weights = {parent.model: parent.weight for parent in answer.place.parents}
    placed = [
        (replace(found, direction=placed_direction(answer, model, found.direction)), model, name)
        for found, model, name in answer.components
    ]
    return {
        "schema": "lineage/whois/2",
        "checkpoint": checkpoint(answer.sketch),
        "verdict": answer.verdict,
        "handed_over": fact_values(answer.handed_over),
        "place": _place(answer),
        "components": [component(*one) for one in placed],
        "ancestors": [ancestor(c, weights.get(c.model)) for c in answer.ancestors],
        "alternatives": [alternative(c) for c in answer.alternatives],
        "generic": [excluded(one) for one in answer.excluded],
        "left_out": [f"{one.tensor}: {text(one.reason)}" for one in answer.left_out],
        "left_out_facts": [excluded(one) for one in answer.left_out],
        "declared": [declared(d) for d in answer.sketch.declared],
        "limits": {
            "models_searched": limits.models_searched,
            "index_id": limits.index_id,
            "min_detectable_r": finite(limits.min_detectable_r),
            "transformations": texts(limits.transformations),
            "transformation_facts": fact_values(limits.transformations),
            "not_tested": texts(limits.not_tested),
            "not_tested_facts": fact_values(limits.not_tested),
        },
        "null": _null(answer.null),
        "adapter": adapter_value(answer.adapted),
        "witnesses": witnesses_value(answer.witnesses),
        "timings": {
            "read_s": finite(timings.read_s),
            "sketch_s": finite(timings.sketch_s),
            "search_s": finite(timings.search_s),
            "match_s": finite(timings.match_s),
        },
    }


def failed(path: str, error: str, exit_code: int) -> Json:
    """`lineage/failed/1`: the line in place of an answer that could not be given."""
    return {"schema": "lineage/failed/1", "path": path, "error": error, "exit_code": exit_code}


def comparison(
    a: CheckpointSketch,
    b: CheckpointSketch,
    found: Comparison,
    not_tested: Sequence[Fact] = (),
    handed_over: Sequence[Fact] = (),
) -> Json:
    """`lineage/compare/1`."""
    return {
        "schema": "lineage/compare/1",
        "a": checkpoint(a),
        "b": checkpoint(b),
        "handed_over": fact_values(handed_over),
        "verdict": pair_verdict(found),
        "relation": found.relation,
        "role": found.direction,
        "share": finite(found.share),
        **_evidence(found.evidence),
        "confidence": finite(found.confidence),
        "basis": texts(found.basis),
        "basis_facts": fact_values(found.basis),
        "cues": [_cue(c) for c in found.cues],
        "components": [component(c, found.model, found.model_name) for c in found.components],
        "tensors": [_tensor(m) for m in found.tensors],
        "generic": [excluded(one) for one in found.excluded],
        "limits": {
            "min_detectable_r": finite(found.evidence.min_detectable_r),
            "not_tested": texts(not_tested),
            "not_tested_facts": fact_values(not_tested),
        },
    }


def checkpoint(sketch: CheckpointSketch) -> Json:
    """Head of a checkpoint: what was read, and the id by which an index knows it."""
    return {
        "id": sketch.id,
        "name": sketch.name,
        "path": sketch.path,
        "format": sketch.format,
        "architecture": sketch.architecture,
        "params": sketch.params,
        "unread_params": sketch.unread,
        "tensors": len(sketch.tensors),
        "bytes": sketch.nbytes,
        "bytes_read": sketch.bytes_read,
        "depth": sketch.depth,
        "sketch_id": sketch.id,
        "sketch_family": sketch.family,
        "licence": sketch.licence,
        "weights_seen": sketch.weights_seen,
    }


def component(finding: ComponentFinding, model: str | None, name: str | None) -> Json:
    """One component of a query, and the indexed model that it belongs to."""
    return {
        "name": finding.name,
        "params": finding.params,
        "share": finite(finding.share),
        "inherited": _inherited(finding.inherited),
        "relation": finding.relation,
        "model": model,
        "model_name": name,
        "role": finding.direction,
        **_evidence(finding.evidence),
        "confidence": finite(finding.confidence),
        "basis": texts(finding.basis),
        "basis_facts": fact_values(finding.basis),
        "scheme": scheme_words(finding.schemes),
        "scheme_facts": fact_values(finding.schemes),
        "layer_map": None if finding.layer_map is None else [list(pair) for pair in finding.layer_map],
        "expert_map": None if finding.expert_map is None else [list(pair) for pair in finding.expert_map],
    }


def inherited_parts(parts: Sequence[InheritedPart]) -> list[Json]:
    """The parts of a component that were inherited; none where all of it was."""
    return [
        {"kind": part.kind, "layers": list(part.layers), "every_layer": part.every, "some": part.some} for part in parts
    ]


def ancestor(found: Comparison, weight: float | None) -> Json:
    """One parent or copy; `weight` is that of a merge's parent, null where no merge was found."""
    return {
        "model": found.model,
        "model_name": found.model_name,
        "relation": found.relation,
        "role": found.direction,
        "share": finite(found.share),
        **_evidence(found.evidence),
        "confidence": finite(found.confidence),
        "basis": texts(found.basis),
        "basis_facts": fact_values(found.basis),
        "weight": finite(weight),
    }


def alternative(found: Comparison) -> Json:
    """Another model with significant evidence."""
    return {
        "model": found.model,
        "model_name": found.model_name,
        "relation": found.relation,
        "r": finite(found.evidence.r),
        "z": finite(found.evidence.z),
        "log10_p": finite(found.evidence.log10_p),
    }


def excluded(one: Excluded) -> Json:
    """A tensor that is not evidence, or was not read."""
    return {"tensor": one.tensor, "reason": text(one.reason), "reason_fact": fact_value(one.reason)}


def declared(said: Declared) -> Json:
    """A parent that a card or config declares."""
    return {"model": said.model, "relation": said.relation, "source": said.source}


def merge(sketch: CheckpointSketch, found: Merge | None) -> Json:
    """`lineage/decompose/1`; no parts, and null, where the model is not a merge of what was searched."""
    parts, base = (found.parts, found.base) if found is not None else ((), None)
    return {
        "schema": "lineage/decompose/1",
        "checkpoint": checkpoint(sketch),
        "parts": [
            {
                "model": part.model,
                "model_name": part.model_name,
                "weight": finite(part.weight),
                "by_layer": [[layer, finite(weight)] for layer, weight in part.by_layer],
                "layer_map": [list(pair) for pair in part.layer_map],
                "address": part.address,
                "weights_seen": part.weights_seen,
            }
            for part in parts
        ],
        "method": None if found is None else found.method,
        "residual": None if found is None else finite(found.residual),
        "base": next((named(part.model, part.model_name) for part in parts if part.model == base), None),
        "density": None if found is None else finite(found.density),
        "is_mean": None if found is None else found.is_mean,
        "alternatives": [named(*other) for other in (found.alternatives if found is not None else ())],
    }


def named(model_id: str, name: str) -> Json:
    """A model by id, with its name for people."""
    return {"model": model_id, "model_name": name}


def _place(answer: Whois) -> Json:
    """Where the model stands."""
    place = answer.place
    return {
        "parents": [
            {
                **_relative(one),
                "components": list(one.components),
                "weight": finite(one.weight),
                "facts": fact_values(one.basis),
            }
            for one in place.parents
        ],
        "ancestors": [
            {**named(one.model, one.model_name), "through": one.through, "probability": finite(one.probability)}
            for one in place.ancestors
        ],
        "descendants": [{**_relative(one), "through": one.through} for one in place.descendants],
        "siblings": [{**_relative(one), "through": one.through} for one in place.siblings],
        "copies": [_relative(one) for one in place.copies],
        "open": [
            {
                **named(one.model, one.model_name),
                "relation": one.relation,
                "probability_parent": finite(one.probability),
                "would_settle": would_settle(answer),
            }
            for one in place.open
        ],
        "unobserved": [
            {
                "between": list(hidden.between),
                "probability": finite(hidden.probability),
                "basis": texts(hidden.basis),
                "basis_facts": fact_values(hidden.basis),
            }
            for hidden in place.unobserved
        ],
    }


def _relative(one: Relative) -> Json:
    return {
        **named(one.model, one.model_name),
        "relation": one.relation,
        "probability": finite(one.probability),
    }


def _evidence(evidence: Evidence) -> Json:
    return {
        "r": finite(evidence.r),
        "z": finite(evidence.z),
        "log10_p": finite(evidence.log10_p),
        "coverage": finite(evidence.coverage),
        "groups": evidence.groups,
        "values": {"agreeing": evidence.agreeing, "compared": evidence.compared, "expected": finite(evidence.expected)},
        "contained": finite(evidence.contained),
        "min_detectable_r": finite(evidence.min_detectable_r),
        "hypotheses": evidence.hypotheses,
    }


def _inherited(found: Inherited | None) -> Json | None:
    if found is None:
        return None
    return {
        "params": found.params,
        "share": finite(found.share),
        "untested_params": found.untested,
        "parts": inherited_parts(found.parts),
    }


def _null(null: Null) -> Json:
    """What chance gave; the draws themselves are summarised by their mean, spread and extremes."""
    from statistics import fmean, pstdev

    return {
        "models": null.models,
        "matrices": len(null.matrices),
        "unrelated": [
            {"component": u.component, **named(u.model, u.model_name), "r": finite(u.r), "z": finite(u.z)}
            for u in null.unrelated
        ],
        "relabelled": [
            {
                "component": one.component,
                **named(one.model, one.model_name),
                "draws": len(one.z),
                "mean": finite(fmean(one.z)),
                "sd": finite(pstdev(one.z)),
                "least": finite(min(one.z)),
                "most": finite(max(one.z)),
                "reach": finite(one.reach),
            }
            for one in null.relabelled
        ],
    }


def _cue(cue: Cue) -> Json:
    return {
        "name": cue.name,
        "role": cue.direction,
        "ratio": finite(cue.ratio),
        "text": text(cue.fact),
        "text_fact": fact_value(cue.fact),
    }


def _tensor(match: TensorMatch) -> Json:
    return {
        "a": match.a,
        "b": match.b,
        "role": match.role,
        "component": match.component,
        "layers": list(match.layers),
        "shape": list(match.shape),
        "how": match.how,
        "transposed": match.transposed,
        "r": finite(match.r),
        "cosine": finite(match.cosine),
        "z": finite(match.z),
        "log10_p": None if match.z is None else finite(log10_normal(match.z)),
        "used": match.used,
        "why_not": None if match.why_not is None else text(match.why_not),
        "why_not_fact": None if match.why_not is None else fact_value(match.why_not),
    }
