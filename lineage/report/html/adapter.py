"""How an adapter relates to known models: its base, models it fits, differences that contain it, similar adapters."""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup

from lineage.report.figures import percent
from lineage.report.html.document import folded, section, table
from lineage.report.html.findings import other_models
from lineage.report.html.markup import between, joined, tag
from lineage.report.html.texts import Texts
from lineage.report.html.wording import NONE, model, p_figure, r_figure, z_figure
from lineage.types import Adapted, Addition, Fit, Whois


def adapter(say: Texts, answer: Whois, adapted: Adapted) -> Markup:
    """The section of an adapter, in place of the sections on a model's weights."""
    return section(
        "adapter",
        say("head.adapter"),
        tag("p", between(" ", _itself(say, answer, adapted))),
        tag("p", between(" ", _base(say, answer, adapted))),
        tag("h3", say("adapter.fits_head")),
        _fits(say, adapted),
        tag("h3", say("adapter.found_head")),
        _found(say, adapted),
        tag("h3", say("adapter.like_head")),
        _like(say, answer),
    )


def _itself(say: Texts, answer: Whois, adapted: Adapted) -> Iterator[Markup]:
    kind = "DoRA" if answer.sketch.format == "peft-dora" else "LoRA"
    least, most = adapted.ranks
    rank = say("adapter.rank", rank=most) if least == most else say("adapter.ranks", least=least, most=most)
    yield say("adapter.itself", kind=kind, rank=rank, tensors=adapted.tensors)
    if adapted.wholes:
        yield say("adapter.wholes", count=adapted.wholes)


def _base(say: Texts, answer: Whois, adapted: Adapted) -> Iterator[Markup]:
    """What it declares as its base, and whether its shapes fit."""
    named = [said for said in answer.sketch.declared if said.relation == "adapter"]
    held = [fit for fit in adapted.fits if fit.declared]
    if not named:
        yield say("adapter.no_base")
    for said in named:
        key = "adapter.base" if held else "adapter.absent"
        yield say(key, model=model(said.model), source=tag("bdi", said.source))
    for fit in held:
        if fit.fitting < adapted.tensors:
            name = model(fit.model_name)
            yield say("adapter.misfit", fitting=fit.fitting, tensors=adapted.tensors, model=name)


def _fits(say: Texts, adapted: Adapted) -> Markup:
    opened = tag("p", say("adapter.fits", opened=adapted.opened, possible=adapted.possible))
    if not adapted.fits:
        return joined(opened, tag("p", say("adapter.no_fits")))
    heads = [say(f"adapter.{key}") for key in ("model", "shapes", "declared")]
    caption = say("adapter.fits_head")
    rows = [_fit_row(say, fit, adapted) for fit in adapted.fits]
    return joined(opened, folded(caption, table(caption, heads, rows, (1,)), len(rows)))


def _fit_row(say: Texts, fit: Fit, adapted: Adapted) -> list[str]:
    shapes = say("adapter.of", fitting=fit.fitting, tensors=adapted.tensors)
    return [model(fit.model_name), shapes, say("adapter.yes") if fit.declared else NONE]


def _found(say: Texts, adapted: Adapted) -> Markup:
    if not adapted.additions:
        return tag("p", say("adapter.not_found", pairs=adapted.pairs))
    words = {one.word for one in adapted.additions}
    meant = [say("adapter.found", pairs=adapted.pairs)]
    meant += [say("adapter.merged_means")] if "merged" in words else []
    meant += [say("adapter.alike_means")] if "alike" in words else []
    heads = [say(f"adapter.{key}") for key in ("model", "top", "word")]
    figures = ["r", "z", "p", say("adapter.weight"), say("adapter.predicted")]
    rows = [_found_row(say, one) for one in adapted.additions]
    shown = table(say("adapter.found_head"), [*heads, *figures], rows, (3, 4, 5, 6, 7))
    return joined(tag("p", between(" ", meant)), shown)


def _found_row(say: Texts, one: Addition) -> list[str]:
    return [
        model(one.child_name),
        model(one.base_name),
        say("adapter.merged") if one.word == "merged" else say("adapter.alike"),
        r_figure(one.r),
        z_figure(one.z),
        p_figure(one.log10_p),
        f"{one.weight:.2f}",
        percent(one.predicted),
    ]


def _like(say: Texts, answer: Whois) -> Markup:
    """The adapters similar to it, and why."""
    others = (*answer.ancestors, *answer.alternatives)
    if not others:
        return tag("p", say("adapter.like_none", count=answer.limits.models_searched))
    reasons = [
        tag("li", model(one.model_name), ": ", between("; ", map(say.fact, one.basis))) for one in others if one.basis
    ]
    return joined(
        tag("p", say("adapter.like")),
        other_models(say, answer, others, say("adapter.like_head")),
        tag("ul", reasons) if reasons else "",
    )
