from dataclasses import replace

import pytest

from lineage.report.json import comparison as comparison_json
from lineage.report.json import whois as whois_json
from lineage.report.text.terminal import compare_screen, whois_screen
from lineage.types import (
    Between,
    Comparison,
    ComponentFinding,
    Cue,
    Declared,
    Direction,
    Evidence,
    Excluded,
    Inherited,
    InheritedPart,
    Limits,
    Place,
    Relation,
    Relative,
    TensorMatch,
    Timings,
    Verdict,
    Whois,
)
from lineage.types.facts.changes import LowRank
from lineage.types.facts.cues import Computable, CopiedLayers, SpreadGains
from lineage.types.facts.descent import CopyOfUnknown, NamedIn
from lineage.types.facts.exclusions import NotAWeight, Stated
from lineage.types.facts.limits import LookedFor, NotTested
from lineage.types.facts.schemes import FewBits, StoredAs
from tests.small_models import sketched, trained

FOUND = Evidence(0.99996, 188.4, 7, 900, 1000, 1.5, -4000.0, 0.98, 0.03, 82)
NOTHING = Evidence(0.001, 0.4, 7, 1, 1000, 1.5, -0.2, 0.97, 0.06, 82)
VISION = ComponentFinding(
    "vision encoder",
    21,
    0.021,
    Relation.FINE_TUNED,
    Direction.CHILD,
    FOUND,
    0.99,
    (NamedIn("B rounds to A"),),
    ((0, 0),),
)
TEXT = ComponentFinding("text decoder", 966, 0.966, Relation.INDEPENDENT, None, NOTHING, 0.0, (), None)
HEAD = ComponentFinding(
    "projector",
    13,
    0.013,
    Relation.INCONCLUSIVE,
    None,
    replace(NOTHING, r=None, z=None, min_detectable_r=None),
    0.0,
    (),
    None,
)
PAIR = TensorMatch(
    "v.0.weight",
    "visual.0.weight",
    "query",
    "vision encoder",
    (0, 0),
    (64, 64),
    "structure",
    False,
    0.99,
    0.98,
    60.0,
    True,
)
UNUSED = replace(PAIR, a="norm", b="norm", used=False, why_not=Stated("too few units"), z=None, r=None)
ANCESTOR = Comparison(
    "ab" * 16,
    "qwen/Qwen2.5-VL-7B",
    Verdict.PARTLY_DERIVED,
    Relation.COMPONENT_REUSED,
    Direction.CHILD,
    0.021,
    FOUND,
    0.99,
    (NamedIn("B rounds to A"),),
    (VISION, TEXT, HEAD),
    (PAIR, UNUSED),
    (Excluded("rotary", Stated("fixed table")),),
)
COUNTER = NotAWeight("training-counter")
SKETCH = replace(sketched(trained(1), "acme/Nova-9B", licence="apache-2.0"), left_out=(("step", COUNTER),))
ANSWER = Whois(
    SKETCH,
    Verdict.PARTLY_DERIVED,
    ((VISION, ANCESTOR.model, ANCESTOR.model_name), (TEXT, None, None), (HEAD, None, None)),
    (ANCESTOR,),
    (replace(ANCESTOR, model="cd" * 16, model_name="other", relation=Relation.SIBLING, direction=None),),
    tuple(Excluded(f"rotary.{i}", Stated("fixed table")) for i in range(5)),
    (Excluded("step", COUNTER),),
    Limits(4812, "0123456789abcdef", 0.06, (LookedFor("tuning"),), (NotTested("merge"),)),
    Timings(0.1, 0.2, 0.3, 0.4),
    place=Place(
        parents=(Relative("ab" * 16, "qwen/Qwen2.5-VL-7B", Relation.COMPONENT_REUSED, 0.97, ("vision encoder",)),),
        siblings=(Relative("cd" * 16, "other", Relation.SIBLING, 0.9),),
    ),
)


def test_the_screen_says_all_that_a_reader_needs():
    screen = whois_screen(ANSWER, 120)
    vision, text, head = screen.splitlines()[1:4]
    assert screen.startswith(
        "acme/Nova-9B   PARTLY-DERIVED from qwen/Qwen2.5-VL-7B (vision encoder, reused, probability 0.97)\n"
    )
    for words in ("2.1%", "fine-tuned from qwen/Qwen2.5-VL-7B", "r 0.9999", "z 188", "p < 1e-300", "98.0% tested"):
        assert words in vision
    assert "no inheritance found" in text
    assert "would have seen r >= 0.06" in text
    assert "not tested" in head
    for words in (
        "direction: qwen/Qwen2.5-VL-7B is the parent, unless both come from one not known here (B rounds to A)",
        "siblings: other (a common parent, probability 0.90)",
        "left out: rotary.0, rotary.1, rotary.2 and 2 more (fixed table)",
        "left out: step (training counter)",
        "declared: no parent; licence apache-2.0",
        "searched: 4,812 models",
        "not tested: merges",
    ):
        assert words in screen


ATTENTION = Inherited(214, 0.214, 6, (InheritedPart("attention", tuple(range(12)), every=True),))
GRAFTED = replace(
    TEXT,
    relation=Relation.COMPONENT_REUSED,
    direction=Direction.CHILD,
    evidence=FOUND,
    confidence=1.0,
    inherited=ATTENTION,
)


def test_a_part_is_named_beside_its_own_share():
    """Nobody may quote 96.6% where the attention of it came along."""
    parent = replace(ANCESTOR, components=(GRAFTED,), share=0.214)
    place = Place(parents=(Relative(parent.model, "base", Relation.COMPONENT_REUSED, 0.97, ("text decoder",)),))
    answer = replace(ANSWER, components=((GRAFTED, parent.model, "base"),), ancestors=(parent,), place=place)
    first, row = whois_screen(answer, 200).splitlines()[:2]
    assert first.endswith(
        "DERIVED from base (text decoder: attention of all layers, 21.4% of the parameters, reused, probability 0.97)"
    )
    assert "21.4% of 96.6%  reused from base: attention of all layers" in row
    compared = compare_screen(SKETCH, SKETCH, replace(parent, model_name="base"), explain=False, width=200)
    assert "(21.4% of the parameters, reused, confidence 0.99)" in compared.splitlines()[0]
    assert "21.4% of 96.6%" in compared.splitlines()[1]
    said = whois_json(answer)["components"][0]
    assert (said["share"], said["inherited"]["share"]) == (0.966, 0.214)
    assert said["inherited"]["parts"][0]["kind"] == "attention"


def test_what_no_matrix_faces_is_not_called_tested_or_independent_at_once():
    unseen = replace(NOTHING, r=None, z=None, min_detectable_r=None, coverage=0.0)
    searched, untested = replace(TEXT, evidence=unseen), replace(HEAD, evidence=unseen)
    rows = whois_screen(replace(ANSWER, components=((searched, None, None), (untested, None, None)))).splitlines()
    assert "no inheritance found" in rows[1]
    assert "would have seen a copy" in rows[1]
    assert "not tested" in rows[2]
    assert "nothing to test it with" in rows[2]


def test_declared_parents_are_told_apart_from_measured_ones():
    said = replace(ANSWER, sketch=replace(SKETCH, declared=(Declared("acme/base", "finetune", "README.md"),)))
    assert "declared: finetune acme/base (README.md)" in whois_screen(said)


@pytest.mark.parametrize("width", [80, 100, 120])
def test_the_screen_fits(width):
    long = replace(
        ANSWER, components=((VISION, "ab" * 16, "organisation/" + "a-very-long-model-name-" * 6), *ANSWER.components)
    )
    assert max(map(len, whois_screen(long, width).splitlines())) <= width


def test_colour_only_where_it_is_wanted():
    assert "\x1b[" not in whois_screen(ANSWER)
    assert "\x1b[" in whois_screen(ANSWER, 100, True)


AT = Relative(ANCESTOR.model, ANCESTOR.model_name, Relation.FINE_TUNED, 0.97)
OTHER = Relative("cd" * 16, "other", Relation.FINE_TUNED, 0.6)


@pytest.mark.parametrize(
    ("verdict", "place", "line"),
    [
        ("derived", Place(parents=(AT,)), "DERIVED from qwen/Qwen2.5-VL-7B (fine-tuned, probability 0.97)"),
        (
            "derived",
            Place(parents=(replace(AT, weight=0.6), replace(OTHER, weight=0.4))),
            "DERIVED  merged from qwen/Qwen2.5-VL-7B (0.60) and other (0.40)",
        ),
        ("origin", Place(descendants=(AT, OTHER)), "ORIGIN  no ancestor found; 2 known models descend from it"),
        ("related", Place(open=(AT,)), "RELATED to qwen/Qwen2.5-VL-7B, which came first is open"),
        (
            "related",
            Place(siblings=(replace(OTHER, relation=Relation.SIBLING),)),
            "RELATED  sibling of other: a common parent is not known here",
        ),
        ("identical", Place(copies=(replace(AT, relation=Relation.IDENTICAL),)), "IDENTICAL to qwen/Qwen2.5-VL-7B"),
        ("independent", Place(), "INDEPENDENT  no inheritance found among 4,812 models"),
        ("inconclusive", Place(), "INCONCLUSIVE  too little could be tested to tell"),
    ],
)
def test_the_first_line_can_be_quoted_alone(verdict, place, line):
    screen = whois_screen(replace(ANSWER, verdict=Verdict(verdict), place=place, ancestors=()), 120)
    assert screen.splitlines()[0] == f"acme/Nova-9B   {line}"
    assert ("fine-tuned from" in screen) == bool(place.parents)


def test_lines_say_up_and_down_what_is_open_and_what_no_index_holds():
    place = Place(
        parents=(AT,),
        ancestors=(Relative("ef" * 16, "root", Relation.FINE_TUNED, 0.9, through=AT.model),),
        descendants=(OTHER,),
        open=(replace(OTHER, model="aa", model_name="twin", basis=(NamedIn("gains spread"),)),),
        unobserved=(Between((SKETCH.id, AT.model), 0.8, (CopyOfUnknown("Nova-int8"),)),),
    )
    screen = " ".join(whois_screen(replace(ANSWER, place=place), 120).split())
    for words in (
        "up to the root: root (through qwen/Qwen2.5-VL-7B, probability 0.90)",
        "descendants: other (fine-tuned, probability 0.60)",
        "open: twin (fine-tuned); either may come from the other, probability 0.60 that it is the parent; gains spread",
        "what would settle it: ",
        "an unknown model between acme/Nova-9B and qwen/Qwen2.5-VL-7B (probability 0.80)",
        "(probability 0.80): Nova-int8 holds rounded weights, and no known model gives them",
    ):
        assert words in screen


def test_a_rounded_neighbour_stands_for_what_it_was_rounded_from():
    near = Relative("aa", "Nova-int8", Relation.FINE_TUNED, 0.75)
    hidden = Between(("aa", SKETCH.id), 0.9, (CopyOfUnknown("Nova-int8"),))
    place = Place(
        parents=(AT,), open=(near, replace(near, model="bb", model_name="other", probability=0.1)), unobserved=(hidden,)
    )
    screen = " ".join(whois_screen(replace(ANSWER, place=place), 120).split())
    assert (
        "open: Nova-int8 (fine-tuned); either may come from the other, probability 0.75 that it, or what it was"
        in screen
    )
    assert "open: other (fine-tuned); either may come from the other, probability 0.10 that it is the parent" in screen


@pytest.mark.parametrize(
    ("direction", "line"),
    [
        ("child", "PARTLY-DERIVED acme/Nova-9B from qwen/Qwen2.5-VL-7B"),
        ("parent", "PARTLY-DERIVED qwen/Qwen2.5-VL-7B from acme/Nova-9B"),
        ("undirected", "RELATED which came first is open"),
    ],
)
def test_two_models_are_derived_only_with_a_direction(direction, line):
    pair = replace(ANCESTOR, direction=Direction(direction))
    screen = " ".join(
        compare_screen(SKETCH, SKETCH, pair, explain=False, not_tested=(NotTested("merge"),), width=120).split()
    )
    assert line in screen
    assert "not tested: merges" in screen
    assert (comparison_json(SKETCH, SKETCH, pair)["verdict"] == "related") == (direction == "undirected")


def hostile(text: str) -> str:
    return f"{text}\x1b[31m\u202e\n[bold]"


def test_nothing_from_a_file_steers_the_terminal():
    bad = replace(
        ANSWER,
        sketch=replace(
            SKETCH,
            name=hostile("n"),
            licence=hostile("l"),
            declared=(Declared(hostile("d"), hostile("r"), hostile("s")),),
        ),
        components=((replace(VISION, name=hostile("c"), schemes=(StoredAs(hostile("q")),)), "ab", hostile("m")),),
        ancestors=(replace(ANCESTOR, model_name=hostile("a"), basis=(NamedIn(hostile("b")),)),),
        place=Place(
            parents=(Relative(ANCESTOR.model, hostile("a"), Relation.FINE_TUNED, 0.9, (hostile("c"),)),),
            ancestors=(Relative("r", hostile("r"), Relation.FINE_TUNED, 0.9, through=ANCESTOR.model),),
            open=(Relative("o", hostile("o"), Relation.FINE_TUNED, 0.5, basis=(NamedIn(hostile("b")),)),),
            unobserved=(Between(("o", hostile("u")), 0.8),),
        ),
        excluded=(Excluded(hostile("t"), Stated(hostile("w"))),),
    )
    pairs = replace(
        ANCESTOR, tensors=(replace(PAIR, a=hostile("x"), role=hostile("y"), used=False, why_not=Stated(hostile("z"))),)
    )
    for screen in (whois_screen(bad, 120), compare_screen(bad.sketch, bad.sketch, pairs, explain=True)):
        assert not {"\x1b", "\u202e"} & set(screen)
        assert "[bold]" in screen  # strangers' markup is text


def test_explain_shows_pairs_why_not_and_the_null():
    screen = compare_screen(SKETCH, SKETCH, ANCESTOR, explain=True, width=120)
    assert "v.0.weight = visual.0.weight" in screen
    assert "no: too few units" in screen
    assert "relabelling" in screen
    assert "82 hypotheses" in screen
    assert "relabelling" not in compare_screen(SKETCH, SKETCH, ANCESTOR, explain=False)


def test_explain_shows_maps_schemes_findings_and_cues_with_their_odds():
    cues = (
        Cue("computable", Direction.CHILD, 51.0, Computable("this-model", "rounding")),
        Cue("gains-spread", Direction.PARENT, 12.4, SpreadGains("reference", 0.02)),
    )
    evidence = replace(FOUND, contained=0.75)
    vision = replace(
        VISION,
        evidence=evidence,
        schemes=(FewBits("int4", 32),),
        layer_map=((0, 0), (1, 1), (2, 1), (3, 2)),
        expert_map=((0, "mlp"), (1, 2)),
    )
    found = replace(
        ANCESTOR,
        components=(vision, TEXT, HEAD),
        cues=cues,
        basis=(Computable("this-model", "rounding"), LowRank(4, 14)),
    )
    screen = " ".join(compare_screen(SKETCH, SKETCH, found, explain=True, width=120).split())
    for words in (
        "fine-tuned (int4, one scale for 32) from qwen/Qwen2.5-VL-7B; confidence 0.99",
        "75.0% of the rows of a matrix found in another order",
        "layers 0-1 = 0-1, 2-3 = 1-2",
        "experts 0 = mlp, 1 = 2",
        "cue computable: this model is the child, 51 to 1; this model can be computed from the reference by rounding",
        "cue gains-spread: this model is the parent, 12 to 1",
        "is the parent, unless both come from one not known here (this model can be computed from",
        "seen: difference of rank 4 in 14 matrices",
    ):
        assert words in screen
    assert "to 1" not in compare_screen(SKETCH, SKETCH, found, explain=False)


def test_cues_and_contained_rows_are_in_the_json():
    found = replace(
        ANCESTOR,
        evidence=replace(FOUND, contained=0.5),
        cues=(Cue("layers", Direction.CHILD, 19.0, CopiedLayers("this-model")),),
    )
    document = comparison_json(SKETCH, SKETCH, found)
    assert document["cues"] == [
        {
            "name": "layers",
            "role": "child",
            "ratio": 19.0,
            "text": "this model holds copies of the reference's layers",
            "text_fact": {
                "id": "copied-layers",
                "values": {"deeper": "this-model"},
                "text": "this model holds copies of the reference's layers",
            },
        }
    ]
    assert document["contained"] == 0.5
    assert [c["contained"] for c in document["components"]] == [None, None, None]


def test_agreement_of_values_is_shown_where_units_are_few():
    small = replace(VISION, evidence=replace(FOUND, z=2.0))
    screen = whois_screen(replace(ANSWER, components=((small, "ab" * 16, "parent"),)), 120)
    assert "values 900 of 1,000 equal (chance 1.5)" in " ".join(screen.split())


def test_unknown_is_null_and_infinity_is_unknown():
    odd = replace(HEAD, evidence=replace(HEAD.evidence, log10_p=float("-inf"), coverage=float("nan")))
    (component,) = whois_json(replace(ANSWER, components=((odd, None, None),)))["components"]
    assert [component[key] for key in ("r", "z", "log10_p", "coverage", "model", "layer_map")] == [None] * 6


def test_a_tensors_p_value_is_a_logarithm_that_does_not_underflow():
    used, unused = comparison_json(SKETCH, SKETCH, ANCESTOR)["tensors"]
    assert used["log10_p"] == pytest.approx(-784, abs=2)
    assert unused["log10_p"] is None
