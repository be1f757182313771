"""Statements of a card's prose that can be checked against weights: only those that are plainly about this model."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lineage.policy.names import bare
from lineage.types import Claim

UNCLEAR = "unclear"
"""The value of a statement that may be about something else: it never contradicts anything."""

_SCRATCH = re.compile(
    r"\b(?:pre-?)?train(?:ed|ing)?\b[^.;]{0,80}\bfrom[ -]scratch\b|\bfrom[ -]scratch\b[^.;]{0,40}\btrain"
    r"|(?:처음부터|프롬\s?스크래치|from scratch)[^.;]{0,40}(?:학습|훈련)",
    re.IGNORECASE,
)
_SUBJECT = re.compile(
    r"(?:this|our|the) (?:\w+ ){0,2}?(?:model|network|checkpoint)\b(?! (?:trained|it|that|which|family))"
    r"|it (?:is|was|has been) (?:pre-?)?trained"
    r"|(?:pre-?)?trained (?:entirely |completely |fully )?from[ -]scratch"
    r"|we (?:have )?(?:pre-?)?train(?:ed)? (?:it|this model|the model|our model)"
    r"|(?:이|본|해당|우리) 모델",
    re.IGNORECASE,
)
_DOUBT = re.compile(
    r"\b(?:not|never|no|nor|neither|without|rather|instead|unlike|than|except|only|if|can|could|would|should|may|base"
    r"|tokeni[sz]er|vocabulary|head|adapter|lora|projector|encoder|decoder|layers?|component|embeddings?|baseline|other"
    r"|compared|versus|previous|originally|teacher|scripts?|code|how)\b|n't\b|않|아니|토크나이저|인코더",
    re.IGNORECASE,
)
_OWN_TOKENIZER = re.compile(
    r"\b(?:(?:its|our|an?|the) own|self[- ]developed|in[- ]house|proprietary)\b (?:[\w-]+ ){0,3}?tokeni[sz]er\b"
    r"|\btokeni[sz]er\b[^.;]{0,60}\b(?:trained|built|developed)\b[^.;]{0,20}"
    r"\b(?:from scratch|in[- ]house|by (?:us|ourselves|our team))\b"
    r"|(?:자체|독자)(?:적인|적으로|\s?개발한?)?\s(?:\S+\s){0,2}?토크나이저|토크나이저[를는은]?\s(?:\S+\s){0,3}?(?:자체|직접|처음부터)",
    re.IGNORECASE,
)
_TOKENIZER_DOUBT = re.compile(
    r"\b(?:not|never|no|nor|neither|without|rather|instead|unlike|than|except|only|if|can|could|would|should|may|base"
    r"|based|extend(?:ed|s|ing)?|deriv\w+|adapt\w+|other|compared|versus|previous|originally|teacher|script|scripts|code"
    r"|how|bring|use your|train your)\b|n't\b|않|아니|확장|기반",
    re.IGNORECASE,
)
_TOKENIZER_SUBJECT = re.compile(
    r"(?:this|our|the) (?:\w+ ){0,2}?(?:model|network|checkpoint|tokeni[sz]er)\b(?! (?:that|which|family))"
    r"|it (?:is|was|has|uses)\b|we (?:have )?(?:\w+ )?(?:train|build|built|develop|design|use)"
    r"|(?:an? |its |our )?(?:own|self[- ]developed|in[- ]house|proprietary) "
    r"|(?:이|본|해당|우리) (?:모델|토크나이저)|(?:자체|독자)|토크나이저",
    re.IGNORECASE,
)
_COUNT = re.compile(
    r"(?<![\w.\-])(\d{1,3}(?:[, ]\d{3})+|\d+(?:\.\d+)?)\s*(t|b|m|k|trillion|billion|million|thousand)?(?![\w.])",
    re.IGNORECASE,
)
_PARAMETERS = re.compile(
    r"(?:(?:total |number of |no\. of |# ?|model )*(?:param(?:eter)?s?)(?: count)?|model size|파라미터(?: 수)?"
    r"|매개변수(?: 수)?)\s*[:|=]\s*(?P<value>[^|]+?)\s*(?:param(?:eter)?s?)?\s*$",
    re.IGNORECASE,
)
_SENTENCE_PARAMETERS = re.compile(
    r"(?:this|the) model (?:has|contains|consists of) (?:about |around |approximately |roughly |~ ?)?"
    r"(?P<value>[\d., ]+\s*(?:t|b|m|trillion|billion|million))[ -]param",
    re.IGNORECASE,
)
_IN_NAME = re.compile(r"(?:^|[-_ ])(\d+(?:\.\d+)?[bBmM])(?=[-_ .]|$)")
_SEVERAL = re.compile(r"\d+x\d|[-_ ][aA]\d+(?:\.\d+)?[bB]\b")
_QUANTISATION = re.compile(
    r"(?:weight )?quanti[sz]ation(?: (?:type|scheme|method|config))?\s*[:|=]\s*(?P<value>[^|]{1,60})$", re.IGNORECASE
)
_UNITS = {"t": 12, "b": 9, "m": 6, "k": 3}


def statements(text: str, name: str, first_line: int = 1) -> Iterator[Claim]:
    """The claims in the prose of a card about the model of that name; `first_line` is the number of its first line."""
    fenced = False
    for number, raw in enumerate(text.splitlines(), first_line):
        if raw.lstrip().startswith(("```", "~~~")):
            fenced = not fenced
        elif not fenced:
            yield from _of_line(raw[:2000], name, number)


def parameter_count(text: str) -> float | None:
    """A number of parameters: "7B", "6.7 billion", "6,738,415,616"; None without a number, or with several."""
    found = _COUNT.findall(text)
    if len(found) != 1:
        return None
    digits, unit = found[0]
    number = float(re.sub("[, ]", "", digits))
    if not unit:
        return number if number >= 1e4 else None
    return number * 10.0 ** _UNITS[unit[0].lower()]


def size_in_name(name: str) -> str | None:
    """The size in a name, "7B" of "Nova-7B"; None for mixtures of experts, whose names count differently."""
    found = _IN_NAME.findall(bare(name))
    return str(found[0]).upper() if len(found) == 1 and not _SEVERAL.search(name) else None


def _of_line(raw: str, name: str, number: int) -> Iterator[Claim]:
    plain = " ".join(re.sub(r"[*_`>#]|<[^<>]{0,200}>", "", raw).split()).strip("|-•· ")
    words = plain[:200]
    if raw.startswith("# ") and (size := size_in_name(plain)) is not None:
        yield Claim("parameters", size, words, number)
    found = _PARAMETERS.fullmatch(plain) or _SENTENCE_PARAMETERS.search(plain)
    if found is not None and "activ" not in plain.lower() and parameter_count(found["value"]) is not None:
        yield Claim("parameters", found["value"].strip(), words, number)
    if found := _QUANTISATION.fullmatch(plain):
        yield Claim("quantisation", found["value"].strip(), words, number)
    for sentence in re.split(r"(?<=[.!?;])\s+", plain):
        if _SCRATCH.search(sentence):
            yield Claim("from-scratch", _speaks_of(sentence, name), sentence[:200], number)
        if _OWN_TOKENIZER.search(sentence):
            yield Claim("own-tokenizer", _tokenizer_of(sentence, name), sentence[:200], number)


def _speaks_of(sentence: str, name: str) -> str:
    """Return "yes" if the sentence is plainly about this model and not qualified, else UNCLEAR."""
    start = sentence.lstrip().lower()
    named = len(bare(name)) > 3 and start.startswith(bare(name))
    if _DOUBT.search(sentence[len(bare(name)) :] if named else sentence):
        return UNCLEAR
    return "yes" if named or _SUBJECT.match(start) else UNCLEAR


def _tokenizer_of(sentence: str, name: str) -> str:
    """Return "yes" if the sentence is plainly about the tokenizer of this model and not qualified, else UNCLEAR."""
    start = sentence.lstrip().lower()
    named = len(bare(name)) > 3 and start.startswith(bare(name))
    if _TOKENIZER_DOUBT.search(sentence[len(bare(name)) :] if named else sentence):
        return UNCLEAR
    return "yes" if named or _TOKENIZER_SUBJECT.match(start) else UNCLEAR
