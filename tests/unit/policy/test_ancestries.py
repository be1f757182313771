"""Twenty ancestries and what the terms of their licences, as these state them, ask of the model below."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from lineage.policy import audit
from lineage.policy.rule_files import known_licences
from lineage.report import words
from lineage.types import Beside, Case, Relation
from tests.policy_cases import MODEL, case, edge, node


@dataclass(frozen=True)
class Ancestry:
    """A case, its verdict, and rules that have to come out so (rule -> standing); `silent` rules say nothing."""

    case: Case
    verdict: str
    found: dict[str, str] = field(default_factory=dict)
    silent: tuple[str, ...] = ()


def tuned(model_licence: str | None, base_licence: str | None, **facts: object) -> Case:
    """A fine-tune of one base."""
    return case(model_licence, [node("org/Base-7B", base_licence)], [edge("org/Base-7B")], **facts)  # type: ignore[arg-type]


def merged(model_licence: str, *licences: str) -> Case:
    """A merge of bases of these licences."""
    names = [f"org{i}/Base-7B" for i in range(len(licences))]
    bases = [node(name, licence) for name, licence in zip(names, licences, strict=True)]
    return case(model_licence, bases, [edge(name, relation=Relation.MERGED, weight=0.5) for name in names])


def chain(model_licence: str, middle: str, root: str) -> Case:
    """A fine-tune of a fine-tune."""
    return case(
        model_licence,
        [node("mid/Tuned-7B", middle), node("org/Base-7B", root)],
        [edge("mid/Tuned-7B"), edge("org/Base-7B", "mid/Tuned-7B")],
    )


LLAMA_FILES = Beside(
    ("LICENSE", "NOTICE", "README.md", "model.safetensors"),
    "---\nlicense: llama3.1\n---\nBuilt with Llama. Made from org/Base-7B.",
    False,
)
ANCESTRIES = {
    "MIT under Apache": Ancestry(
        tuned("apache-2.0", "mit"), "nothing-found", {"licence-text": "due"}, ("non-commercial",)
    ),
    "Apache under MIT keeps its notices and states changes": Ancestry(
        tuned("mit", "Apache-2.0"), "nothing-found", {"licence-text": "due", "state-changes": "due"}
    ),
    "public domain asks nothing": Ancestry(
        tuned("mit", "cc0-1.0"), "nothing-found", {}, ("licence-text", "attribution", "state-changes")
    ),
    "CC BY-NC under Apache": Ancestry(
        tuned("apache-2.0", "cc-by-nc-4.0"), "violated", {"non-commercial": "violated", "attribution": "due"}
    ),
    "CC BY-NC under CC BY-NC": Ancestry(
        tuned("cc-by-nc-4.0", "cc-by-nc-4.0"), "nothing-found", {"attribution": "due"}, ("non-commercial",)
    ),
    "CC BY-NC two generations up": Ancestry(
        chain("apache-2.0", "apache-2.0", "cc-by-nc-4.0"), "violated", {"non-commercial": "violated"}
    ),
    "CC BY-SA under Apache": Ancestry(tuned("apache-2.0", "cc-by-sa-4.0"), "violated", {"share-alike": "violated"}),
    "CC BY-SA 3.0 under 4.0": Ancestry(
        tuned("cc-by-sa-4.0", "cc-by-sa-3.0"), "nothing-found", {"attribution": "due"}, ("share-alike",)
    ),
    "CC BY-SA 4.0 under 3.0": Ancestry(tuned("cc-by-sa-3.0", "cc-by-sa-4.0"), "violated", {"share-alike": "violated"}),
    "CC BY-ND, tuned": Ancestry(tuned("cc-by-nd-4.0", "cc-by-nd-4.0"), "violated", {"no-derivatives": "violated"}),
    "CC BY-ND, cast to another type": Ancestry(
        case(
            "cc-by-nd-4.0", [node("org/Base-7B", "cc-by-nd-4.0")], [edge("org/Base-7B", relation=Relation.RE_ENCODED)]
        ),
        "nothing-found",
        {"attribution": "due"},
        ("no-derivatives",),
    ),
    "GPL under MIT has to be read": Ancestry(tuned("mit", "gpl-3.0"), "inconclusive", {"copyleft": "inconclusive"}),
    "OpenRAIL under MIT drops its restrictions": Ancestry(
        tuned("mit", "creativeml-openrail-m"), "violated", {"use-restrictions": "violated"}
    ),
    "OpenRAIL under OpenRAIL": Ancestry(
        tuned("bigscience-openrail-m", "creativeml-openrail-m"), "nothing-found", {}, ("use-restrictions",)
    ),
    "Llama 3.1 under another name": Ancestry(
        tuned("llama3.1", "llama3.1"),
        "violated",
        {"name": "violated", "display": "due", "notice-file": "due", "acceptable-use": "met", "user-limit": "due"},
        ("no-model-training",),
    ),
    "Llama 3.1 with all that it asks": Ancestry(
        tuned("llama3.1", "llama3.1", name="acme/Llama-3.1-Nova-8B", beside=LLAMA_FILES),
        "nothing-found",
        {"name": "met", "display": "met", "notice-file": "met", "licence-text": "met", "acceptable-use": "met"},
    ),
    "Llama 3.1 in a folder of some name": Ancestry(
        tuned("llama3.1", "llama3.1", name="checkpoint-400"), "nothing-found", {"name": "due"}
    ),
    "Llama 3 wants its number, Llama 2 no name at all": Ancestry(
        case(
            "llama3",
            [node("meta/Llama-3-8B", "llama3"), node("meta/Llama-2-7B", "llama2")],
            [edge("meta/Llama-3-8B", relation=Relation.MERGED), edge("meta/Llama-2-7B", relation=Relation.MERGED)],
            name="acme/Llama-Nova",
        ),
        "violated",
        {"name": "violated", "no-model-training": "due"},
    ),
    "Gemma under Apache": Ancestry(
        tuned("apache-2.0", "gemma"),
        "violated",
        {"use-restrictions": "violated", "notice-file": "due", "state-changes": "due", "read-the-text": "noted"},
        ("name",),
    ),
    "Gemma under Gemma": Ancestry(
        tuned("gemma", "gemma"), "nothing-found", {"notice-file": "due"}, ("use-restrictions",)
    ),
    "Qwen research under Qwen": Ancestry(
        tuned("qwen", "qwen-research"), "violated", {"non-commercial": "violated", "display": "due"}
    ),
    "two share-alikes in one merge": Ancestry(
        merged("cc-by-nc-sa-4.0", "cc-by-sa-4.0", "cc-by-nc-sa-4.0"), "violated", {"two-share-alikes": "violated"}
    ),
    "share-alike merged with non-commercial": Ancestry(
        merged("cc-by-sa-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0"),
        "violated",
        {"share-alike-and-non-commercial": "violated", "non-commercial": "violated"},
    ),
    "an ancestor that states nothing": Ancestry(
        tuned("apache-2.0", None), "inconclusive", {"ancestor-licence-unknown": "inconclusive"}, ("non-commercial",)
    ),
    "an ancestor whose licence is other": Ancestry(
        tuned("apache-2.0", "other"), "inconclusive", {"ancestor-licence-unknown": "inconclusive"}
    ),
    "a model that states nothing": Ancestry(
        tuned(None, "cc-by-nc-4.0"), "inconclusive", {"model-licence-unknown": "inconclusive"}, ("non-commercial",)
    ),
    "no ancestor at all": Ancestry(case("apache-2.0"), "nothing-found", {}, ("model-licence-unknown",)),
    "CC BY-NC, undirected": Ancestry(
        case("apache-2.0", [node("org/Base-7B", "cc-by-nc-4.0")], [edge(MODEL, "org/Base-7B", directed=False)]),
        "inconclusive",
        {"non-commercial": "possible", "attribution": "possible"},
    ),
    "CC BY-NC, directed by little": Ancestry(
        case("apache-2.0", [node("org/Base-7B", "cc-by-nc-4.0")], [edge("org/Base-7B", confidence=0.6)]),
        "inconclusive",
        {"non-commercial": "possible"},
    ),
    "CC BY-NC, declared": Ancestry(
        case(
            "apache-2.0",
            [node("org/Base-7B", "cc-by-nc-4.0")],
            [edge("org/Base-7B", relation=Relation.INCONCLUSIVE, source="declared", confidence=None)],
        ),
        "inconclusive",
        {"non-commercial": "possible"},
    ),
    "CC BY-NC shares an initialisation alone": Ancestry(
        case("apache-2.0", [node("org/Base-7B", "cc-by-nc-4.0")], [edge("org/Base-7B", relation=Relation.SHARED_INIT)]),
        "nothing-found",
        {},
        ("non-commercial", "attribution"),
    ),
    "CC BY-NC is a child": Ancestry(
        case("apache-2.0", [node("org/Tuned", "cc-by-nc-4.0")], [edge(MODEL, "org/Tuned")]),
        "nothing-found",
        {},
        ("non-commercial",),
    ),
}


def test_there_are_twenty_of_them():
    assert len(ANCESTRIES) >= 20


@pytest.mark.parametrize("ancestry", ANCESTRIES.values(), ids=ANCESTRIES.keys())
def test_an_ancestry_asks_what_its_licences_say(ancestry):
    found = audit(ancestry.case, "licence")
    assert found.verdict == ancestry.verdict, [(one.rule, one.standing, words.text(one.fact)) for one in found.findings]
    said = {one.rule: one.standing for one in reversed(found.findings)}
    assert {rule: said.get(rule) for rule in ancestry.found} == ancestry.found
    assert not set(ancestry.silent) & set(said)
    assert not any(
        "{" in words.text(said) for one in found.findings for said in (one.fact, one.advice) if said is not None
    )
    assert "not legal advice" in " ".join(map(words.text, found.notes))


def test_an_obligation_is_told_with_the_component_that_brought_it():
    vision = edge("org/Sight", relation=Relation.COMPONENT_REUSED, component="vision encoder", share=0.02)
    found = audit(case("apache-2.0", [node("org/Sight", "cc-by-nc-4.0")], [vision]), "licence")
    one = next(one for one in found.findings if one.rule == "non-commercial")
    assert (one.components, one.share, one.ancestor_name) == (("vision encoder",), 0.02, "org/Sight")
    assert one.source == "https://creativecommons.org/licenses/by-nc/4.0/legalcode"


def test_every_licence_has_a_source_and_a_name_of_its_own():
    table = known_licences()
    assert len(table.licences) >= 60
    for licence in table.licences:
        assert table.find(licence.id) is licence
        assert table.find(licence.name) is licence
        assert all(table.find(alias) is licence for alias in licence.aliases)
        assert all(table.find(other) is not None for other in licence.compatible)


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("Apache-2.0", "apache-2.0"), ("MIT License", "mit"), ("GPL-3.0-or-later", "gpl-3.0"),
        ("CC BY-NC 4.0", "cc-by-nc-4.0"), ("Llama 3.1 Community License Agreement", "llama3.1"),
        ("flux-1-dev-non-commercial-license", "flux-1-dev-non-commercial"),
        ("other", None), ("unknown", None), ("", None), (None, None), ("Acme Licence", None), ("mit OR gpl-3.0", None),
    ],
)  # fmt: skip
def test_a_licence_is_known_by_its_names_and_never_guessed(text, known):
    found = known_licences().find(text)
    assert (None if found is None else found.id) == known
