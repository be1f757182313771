"""The relations of an adapter to the known models, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lineage.report.figures import correlation, p_value, percent, plain, score
from lineage.report.words import texts
from lineage.types import Adapted, Addition, Fit, Whois

_KINDS = {"lora": "LoRA", "dora": "DoRA", "loha": "LoHa", "lokr": "LoKr"}
_FEW = 3  # names spelled out before the rest is counted


def adapter_lines(answer: Whois, adapted: Adapted) -> Iterator[str]:
    """A line for what the adapter is, its declared base, the models that it fits, and each that it was found in."""
    yield _itself(answer, adapted)
    yield _base(answer, adapted)
    yield _fits(adapted)
    for one in adapted.additions:
        yield _merged(one) if one.word == "merged" else _alike(one)
    if answer.nearest is not None:
        for reason in texts(answer.nearest.basis):
            yield f"{plain(answer.nearest.model_name)} and this: {plain(reason)}"


def searched(adapted: Adapted, adapters: int) -> str:
    """What was searched: other adapters, and pairs of models whose difference an adapter may be."""
    counted = f"{adapters:,} adapter{'' if adapters == 1 else 's'}"
    return f"{counted} and the differences of {adapted.pairs:,} pairs of near models that it fits"


def adapter_value(adapted: Adapted | None) -> dict[str, Any] | None:
    """The key `adapter` of `lineage/whois/1`; null for a model."""
    if adapted is None:
        return None
    return {
        "ranks": list(adapted.ranks),
        "tensors": adapted.tensors,
        "whole_tensors": adapted.wholes,
        "models_opened": adapted.opened,
        "models_possible": adapted.possible,
        "pairs_tried": adapted.pairs,
        "fits": [
            {"model": f.model, "model_name": f.model_name, "fitting": f.fitting, "declared": f.declared}
            for f in adapted.fits
        ],
        "found_in": [
            {
                "word": one.word,
                "child": one.child,
                "child_name": one.child_name,
                "base": one.base,
                "base_name": one.base_name,
                "r": one.r,
                "z": one.z,
                "log10_p": one.log10_p,
                "weight": one.weight,
                "predicted": one.predicted,
            }
            for one in adapted.additions
        ],
    }


def _itself(answer: Whois, adapted: Adapted) -> str:
    kind = _KINDS.get(answer.sketch.format.rpartition("-")[2], "LoRA")
    least, most = adapted.ranks
    rank = f"rank {most}" if least == most else f"ranks {least} to {most}"
    rank = f"rank {most} at most" if kind in ("LoHa", "LoKr") else rank
    beside = f" and brings {adapted.wholes:,} whole tensors" if adapted.wholes else ""
    return f"adapter: {kind} of {rank}, changes {adapted.tensors:,} tensors{beside}; it is never compared with weights"


def _base(answer: Whois, adapted: Adapted) -> str:
    named = [fact.model for fact in answer.sketch.declared if fact.relation == "adapter"]
    if not named:
        return "base: none declared"
    held = [fit for fit in adapted.fits if fit.declared]
    if not held:
        return f"base: declared to be {plain(named[0])}, which is not among the models searched"
    return f"base: declared to be {plain(named[0])}; {'; '.join(_shapes(fit, adapted) for fit in held[:_FEW])}"


def _shapes(fit: Fit, adapted: Adapted) -> str:
    if fit.fitting == adapted.tensors:
        return f"all {adapted.tensors:,} shapes fit {plain(fit.model_name)}"
    return f"only {fit.fitting:,} of {adapted.tensors:,} shapes fit {plain(fit.model_name)}: another base, or renamed"


def _fits(adapted: Adapted) -> str:
    names = [plain(f.model_name) for f in adapted.fits if f.fitting == adapted.tensors and not f.declared]
    more = f" and {len(names) - _FEW:,} more" if len(names) > _FEW else ""
    shown = f"{', '.join(names[:_FEW])}{more}" if names else "no other"
    return f"shapes also fit: {shown} (of {adapted.opened:,} models opened)"


def _merged(one: Addition) -> str:
    ends = f"{plain(one.child_name)} on top of {plain(one.base_name)}"
    exact = f"base and adapter give {percent(one.predicted)} of the values that moved, within rounding"
    either = "an adapter extracted from their difference would too"
    return f"merged into {ends}: {_figures(one)}, weight {one.weight:.2f}; {exact}; {either}"


def _alike(one: Addition) -> str:
    ends = f"{plain(one.child_name)} moved away from {plain(one.base_name)}"
    doubt = "merged and changed since, or trained alike: the weights do not tell"
    return f"{ends} as this adapter would: {_figures(one)}; {doubt}"


def _figures(one: Addition) -> str:
    return f"{correlation(one.r)}, {score(one.z)}, {p_value(one.log10_p)}"
