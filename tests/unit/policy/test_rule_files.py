"""Rule files of one's own: what they may say, and the line of what they may not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lineage.errors import Malformed
from lineage.policy import audit, for_policy
from lineage.policy.rule_files import RuleFile, built_in, parse_rules
from lineage.policy.vocabulary import PLACEHOLDERS, TERMS
from lineage.types.facts_policy import Quotation
from tests.policy_cases import case, edge, node

HEAD = 'format = 1\npolicy = "licence"\n'
RULE = '[[rule]]\nid = "mine"\nabout = "ancestor"\nsays = "violated"\ntext = "no {ancestor}"\n'


def parsed(text: str) -> RuleFile:
    return parse_rules(text, Path("ours.toml"))


def standings(one, policy: str, text: str) -> dict[str, str]:
    return {f.rule: f.standing for f in audit(one, policy, parsed(text)).findings}


BASE = case("apache-2.0", [node("org/Base-7B", "mit")], [edge("org/Base-7B")])


@pytest.mark.parametrize(
    ("when", "applies"),
    [
        ('ancestor-name = ["ORG/*"]', True),
        ('ancestor-name = ["other/*"]', False),
        ('ancestor-name-not = ["org/*"]', False),
        ('ancestor-licence = ["mit", "bsd*"]', True),
        ('ancestor-licence-not = ["mit"]', False),
        ("ancestor-licence-known = true", True),
        ("ancestor-licence-unsure = true", False),
        ('ancestor-terms = ["notice"]', True),
        ('ancestor-terms = ["notice", "share-alike"]', False),
        ('ancestor-lacks = ["non-commercial"]', True),
        ('model-licence = ["apache-*"]', True),
        ('model-licence-not = ["apache-*"]', False),
        ('model-terms = ["state-changes"]', True),
        ('model-lacks = ["state-changes"]', False),
        ("model-licence-known = false", False),
        ("same-licence = false", True),
        ('relation = ["merged"]', False),
        ('relation-not = ["merged"]', True),
        ("share-at-least = 0.5", True),
        ('certainty = ["declared"]', False),
        ("direct = true", True),
        ("direct = false", False),
        ('component = ["text*"]', True),  # the whole has every component
        ('ancestor-name = ["org/*"], ancestor-licence = ["gemma"]', False),
    ],
)
def test_conditions(when, applies):
    found = standings(BASE, "licence", f"{HEAD}{RULE}when = {{ {when} }}\n")
    assert (found.get("mine") == "violated") is applies


def test_a_rule_about_the_model():
    rule = '[[rule]]\nid = "much"\nabout = "model"\nsays = "violated"\ntext = "{share} inherited"\n'
    text = f'format = 1\npolicy = "from-scratch"\n{rule}when = {{ inherited-share-at-least = 0.9 }}\n'
    assert standings(BASE, "from-scratch", text)["much"] == "violated"
    assert "much" not in standings(case("mit"), "from-scratch", text)


def test_a_class_can_be_asked_for():
    rule = '[[rule]]\nid = "own"\nabout = "model"\nsays = "violated"\ntext = "{bound} is below T4"\n'
    text = f'format = 1\npolicy = "t-class"\n{rule}when = {{ class-below = "T4-1" }}\n'
    assert audit(BASE, "t-class", parsed(text)).verdict == "violated"
    assert audit(case("mit"), "t-class", parsed(text)).verdict == "nothing-found"


def test_licences_of_ones_own_are_known_and_replace_others():
    own = '[[licence]]\nid = "acme-1"\nname = "Acme 1"\nsource = "https://acme.example/1"\nterms = ["non-commercial"]\n'
    one = case("apache-2.0", [node("org/Base", "ACME 1 License")], [edge("org/Base")])
    assert standings(one, "licence", "format = 1\n" + own)["non-commercial"] == "violated"
    strict = own.replace('"acme-1"', '"mit"').replace("Acme 1", "MIT, as our lawyers read it")
    assert standings(BASE, "licence", "format = 1\n" + strict)["non-commercial"] == "violated"


def test_a_rule_cannot_make_what_is_possible_certain():
    open_one = replace(BASE, lineage=replace(BASE.lineage, edges=(edge("org/Base-7B", directed=False),)))
    assert standings(open_one, "licence", HEAD + RULE)["mine"] == "possible"


def test_every_text_of_the_package_names_words_that_exist():
    for name in ("licence", "from-scratch", "t-class"):
        file = built_in(name)
        assert file.policy == name
        assert len(file.rules) > 3
    assert {term for one in built_in("licences").licences for term in one.terms} <= set(TERMS)
    asked = {
        term for rule in built_in("licence").rules for key in ("ancestor-terms",) for term in rule.when.get(key, ())
    }
    assert asked >= set(TERMS), "a term that no rule asks about"
    assert PLACEHOLDERS


def test_words_of_the_package_have_keys_and_those_of_others_none():
    ours = [rule for name in ("licence", "from-scratch", "t-class") for rule in built_in(name).rules]
    assert all(rule.text.key and rule.text.key.endswith(f".{rule.id}") for rule in ours)
    assert len({rule.text.key for rule in ours}) == len(ours)
    own = parsed(HEAD + RULE.replace('"mine"', '"share-alike"') + 'advice = "ask"\n').rules[0]
    assert (own.text, own.advice) == (Quotation("no {ancestor}"), Quotation("ask"))


BROKEN = {
    "syntax": ('format = 1\nrule = [\n"a"\n', 3, ""),
    "no format": ('policy = "licence"\n', 1, "format"),
    "another format": ("format = 2\n", 1, "format"),
    "headlines of one's own": (HEAD + '[words]\nviolated = "no"\n', 3, "words"),
    "an unknown key at the top": (HEAD + 'polcy = "x"\n', 3, "did you mean 'policy'"),
    "an unknown policy": ('format = 1\npolicy = "licences"\n', 2, "licences"),
    "rules without a policy": ("format = 1\n" + RULE, 2, "policy"),
    "an unknown key of a rule": (HEAD + RULE + 'colour = "red"\n', 8, "colour"),
    "an unknown condition": (HEAD + RULE + 'when = { ancestr-terms = [] }\n', 8, "did you mean 'ancestor-terms'"),
    "a condition of another kind of rule": (HEAD + RULE + 'when = { state = ["nothing"] }\n', 8, "state"),
    "a condition in a table of its own": (HEAD + RULE + "[rule.when]\nshare-at-least = 2\n", 9, "share from 0 to 1"),
    "an unknown term": (HEAD + RULE + 'when = { model-terms = ["non-comercial"] }\n', 8, "mean 'non-commercial'"),
    "a term that is no list": (HEAD + RULE + 'when = { ancestor-terms = "notice" }\n', 8, "list"),
    "an empty list": (HEAD + RULE + "when = { relation = [] }\n", 8, "list"),
    "a flag that is none": (HEAD + RULE + 'when = { same-licence = "yes" }\n', 8, "true or false"),
    "a share that is true": (HEAD + RULE + "when = { share-at-least = true }\n", 8, "share"),
    "an unknown relation": (HEAD + RULE + 'when = { relation = ["stolen"] }\n', 8, "stolen"),
    "conditions that are no table": (HEAD + RULE + "when = 1\n", 8, "when"),
    "an unknown placeholder": (HEAD + RULE.replace("{ancestor}", "{ancestor.name}"), 7, "ancestor.name"),
    "no text": (HEAD + RULE.replace('text = "no {ancestor}"\n', ""), 3, "text"),
    "a text of two lines": (HEAD + RULE.replace("no {ancestor}", "a\\nb"), 7, "text"),
    "an unknown word": (HEAD + RULE.replace('"violated"', '"forbidden"'), 6, "forbidden"),
    "no about": (HEAD + RULE.replace('about = "ancestor"\n', ""), 3, "about is missing"),
    "an id with blanks": (HEAD + RULE.replace('"mine"', '"my rule"'), 4, "id"),
    "one id twice": (HEAD + RULE + RULE, 9, "twice"),
    "a second broken rule": (HEAD + RULE + RULE.replace('"mine"', '"two"').replace("says", "say"), 11, "says"),
    "a bound elsewhere": (HEAD + RULE.replace('"violated"', '"bound"') + 'bound = "T2"\n', 5, "component"),
    "a bound without a class": (HEAD + RULE.replace('"violated"', '"bound"'), 6, "go together"),
    "a class in another policy": (
        HEAD + RULE.replace('"ancestor"', '"model"') + 'when = { class-below = "T3" }\n', 4, "t-class"
    ),
    "a check of a model": (HEAD + RULE.replace('"ancestor"', '"model"') + 'check = "licence-file"\n', 8, "check"),
    "a source that is no address": (HEAD + RULE + 'source = "javascript:alert(1)"\n', 8, "address"),
    "rules that are no tables": (HEAD + "rule = 3\n", 3, "[[rule]]"),
    "a licence without a source": ('format = 1\n[[licence]]\nid = "x"\nname = "X"\nterms = []\n', 2, "source"),
    "a licence whose terms need more": (
        'format = 1\n[[licence]]\nid = "x"\nname = "X"\nsource = "https://x.org"\nterms = ["display"]\n', 6, "need"
    ),
    "a licence of unknown terms": (
        'format = 1\n[[licence]]\nid = "x"\nname = "X"\nsource = "https://x.example"\nterms = ["nice"]\n', 6, "nice"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "line", "says"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_file_is_refused_with_its_line(text, line, says):
    with pytest.raises(Malformed) as refused:
        parsed(text)
    assert str(refused.value).startswith(f"ours.toml: line {line}: "), str(refused.value)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 700


def test_rules_of_another_policy_or_with_a_taken_id_are_refused():
    with pytest.raises(Malformed, match="policy licence, not t-class"):
        for_policy(parsed(HEAD + RULE), "t-class", "ours.toml")
    with pytest.raises(Malformed, match="exists already"):
        for_policy(parsed(HEAD + RULE.replace("mine", "share-alike")), "licence", "ours.toml")
    assert for_policy(parsed("format = 1\n"), "t-class", "ours.toml").rules == ()
