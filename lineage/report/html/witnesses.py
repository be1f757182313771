"""The tokenizer and the configuration, in a section of their own: what they show, marked as not evidence."""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup

from lineage.report.html.document import section, table
from lineage.report.html.markup import between, tag
from lineage.report.html.texts import Texts
from lineage.report.html.wording import NONE, model
from lineage.report.witnesses import (
    SETTINGS_ARE_SHARED,
    TOKENIZERS_ARE_SHARED,
    declared_types,
    setting_text,
    settings_witness,
    tokenizer_figures,
    tokenizer_witness,
    tokens_left_out,
)
from lineage.types import TokenizerComparison, Whois
from lineage.types.settings import ConfigurationFound, PartSettings


def witnesses(say: Texts, answer: Whois) -> Markup | None:
    """None where there are no such files, or nothing is known about them."""
    tokenizer, configuration = answer.witnesses.tokenizer, answer.witnesses.configuration
    if tokenizer is None and configuration is None:
        return None
    return section(
        "witnesses",
        say("head.witnesses"),
        tag("p", say("witnesses.intro")),
        *(() if tokenizer is None else _tokenizer(say, tokenizer)),
        *(() if configuration is None else _configuration(say, configuration)),
    )


def _tokenizer(say: Texts, found: TokenizerComparison) -> Iterator[Markup]:
    yield tag("h3", say("witnesses.tokenizer"))
    yield tag("p", tag("strong", say.fact(tokenizer_witness(found))))
    items = [tag("li", say.fact(fact)) for fact in tokenizer_figures(found)]
    if left_out := tokens_left_out(found):
        items.append(tag("li", say("witnesses.left_out", kinds=between(", ", map(say.fact, left_out)))))
    yield tag("ul", *items, tag("li", say.fact(TOKENIZERS_ARE_SHARED)))


def _configuration(say: Texts, found: ConfigurationFound) -> Iterator[Markup]:
    yield tag("h3", say("witnesses.configuration"))
    for declared in declared_types(found):
        yield tag("p", say.fact(declared))
    for part in found.parts:
        nearest, *_ = settings_witness(part)
        yield tag("p", tag("strong", say.fact(nearest)))
        yield _settings(say, part)
    yield tag("p", say.fact(SETTINGS_ARE_SHARED))


def _settings(say: Texts, part: PartSettings) -> Markup:
    """Each setting beside the nearest model's, with how common a shared one is."""
    equal = [
        [tag("code", one.name), setting_text(one.value), setting_text(one.value), _common(say, one.models, one.of)]
        for one in part.equal
    ]
    other = [[tag("code", one.name), setting_text(one.value), setting_text(one.theirs), NONE] for one in part.other]
    heads = [say("witnesses.setting"), say("witnesses.here"), model(part.model), say("witnesses.common")]
    return table(say("witnesses.caption", source=tag("bdi", part.source)), heads, [*equal, *other], figures=(3,))


def _common(say: Texts, models: int, of: int) -> Markup:
    return say("witnesses.models", models=models, of=of)
