"""Recipes of merges: what MergeKit reads of them, and what they do not claim to know."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lineage.report.figures import yaml_text
from lineage.report.mergekit import configuration
from lineage.types import CheckpointSketch, Merge, MergePart
from tests.hand_made import HOSTILE
from tests.small_models import sketched, trained

SOUP = sketched(trained(1), "soup")
PAIR = (MergePart("aa", "left", 0.7), MergePart("bb", "right", 0.3))
TRIO = (MergePart("aa", "left", 0.5), MergePart("bb", "right", 0.4), MergePart("cc", "base", 0.1))


def text_of(found: Merge, sketch: CheckpointSketch = SOUP) -> str:
    return configuration(sketch, found).decode()


def read(found: Merge, sketch: CheckpointSketch = SOUP) -> dict[str, Any]:
    value: dict[str, Any] = yaml.safe_load(text_of(found, sketch))
    return value


def test_a_linear_merge():
    assert read(Merge(PAIR, "linear", 0.031)) == {
        "merge_method": "linear",
        "models": [
            {"model": "left", "parameters": {"weight": 0.7}},
            {"model": "right", "parameters": {"weight": 0.3}},
        ],
        "dtype": "float32",
    }


def test_weights_by_layer_are_lists_from_the_first_layer_to_the_last():
    layered = tuple(replace(part, by_layer=tuple((i, part.weight / (i + 1)) for i in range(3))) for part in PAIR)
    value = read(Merge(layered, "linear", 0.0))
    assert value["models"][0]["parameters"]["weight"] == [0.7, 0.35, pytest.approx(0.2333)]
    assert "embeddings, last norm and head are MergeKit's choice" in text_of(Merge(layered, "linear", 0.0))
    holed = tuple(replace(part, by_layer=part.by_layer[1:]) for part in layered)
    assert read(Merge(holed, "linear", 0.0))["models"][0]["parameters"]["weight"] == 0.7
    assert "the mean is given" in text_of(Merge(holed, "linear", 0.0))


def test_slerp_goes_from_the_first_to_the_second():
    layered = tuple(replace(part, by_layer=tuple((i, part.weight) for i in range(2))) for part in PAIR)
    value = read(Merge(layered, "slerp", 0.0))
    assert (value["merge_method"], value["base_model"]) == ("slerp", "left")
    assert [one["model"] for one in value["models"]] == ["left", "right"]
    assert value["parameters"] == {"t": [0.3, 0.3]}
    three = read(Merge(TRIO, "slerp", 0.0))
    assert (three["merge_method"], "base_model" in three, len(three["models"])) == ("linear", False, 3)


@pytest.mark.parametrize(("method", "word"), [("TIES", "ties"), ("DARE", "dare_linear"), ("DARE-TIES", "dare_ties")])
def test_differences_to_a_base_have_weight_density_and_how_they_were_joined(method, word):
    added = read(Merge(TRIO, method, 0.0, base="cc", density=0.4, is_mean=False))
    assert (added["merge_method"], added["base_model"]) == (word, "base")
    assert added["models"] == [
        {"model": "left", "parameters": {"weight": 0.5, "density": 0.4}},
        {"model": "right", "parameters": {"weight": 0.4, "density": 0.4}},
    ]
    assert added["parameters"] == {"normalize": False}
    assert read(Merge(TRIO, method, 0.0, base="cc", density=0.4, is_mean=True))["parameters"] == {
        "normalize": True, "lambda": pytest.approx(0.9),
    }  # fmt: skip


def test_a_density_that_is_not_known_is_left_out_and_said():
    found = Merge(TRIO, "TIES", 0.0, base="cc")
    assert read(found)["models"][0]["parameters"] == {"weight": 0.5}
    assert "parameters" not in {key for key in read(found) if key != "models"}
    assert "# density is left out" in text_of(found)
    assert "# density is left out" not in text_of(replace(found, density=0.5))


def test_task_arithmetic_needs_its_base_and_is_a_sum_without():
    parts = (MergePart("aa", "left", 0.8), MergePart("bb", "right", 0.5), MergePart("cc", "base", -0.3))
    value = read(Merge(parts, "task arithmetic", 0.0, base="cc"))
    assert (value["merge_method"], value["base_model"]) == ("task_arithmetic", "base")
    assert [one["parameters"]["weight"] for one in value["models"]] == [0.8, 0.5]
    without = Merge(parts, "task arithmetic", 0.0)
    assert [one["parameters"]["weight"] for one in read(without)["models"]] == [0.8, 0.5, -0.3]
    assert "to which is not known" in text_of(without)


def test_a_stack_has_its_slices_in_order():
    parts = (
        MergePart("aa", "left", 0.6, layer_map=((0, 0), (1, 1), (2, 2), (5, 1))),
        MergePart("bb", "right", 0.4, layer_map=((3, 2), (4, 3))),
    )
    value = read(Merge(parts, "passthrough", 0.0))
    assert value["merge_method"] == "passthrough"
    assert [(source["model"], source["layer_range"]) for one in value["slices"] for source in one["sources"]] == [
        ("left", [0, 3]),
        ("right", [2, 4]),
        ("left", [1, 2]),
    ]
    assert "models" not in value


def test_a_model_at_the_hub_is_named_by_its_repository():
    parts = tuple(replace(part, address=f"hf:org/{part.model_name}@abc") for part in PAIR)
    assert [one["model"] for one in read(Merge(parts, "linear", 0.0))["models"]] == ["org/left@abc", "org/right@abc"]
    assert "put its path here" not in text_of(Merge(parts, "linear", 0.0))
    assert text_of(Merge(PAIR, "linear", 0.0)).count("put its path here") == 2
    adapter = replace(PAIR[0], address="hf:org/left+evil")
    assert read(Merge((adapter, PAIR[1]), "linear", 0.0))["models"][0]["model"] == "left"
    other = replace(PAIR[0], address="pypi:left==1.0")
    assert read(Merge((other, PAIR[1]), "linear", 0.0))["models"][0]["model"] == "left"


@pytest.mark.parametrize("method", ["linear", "slerp", "TIES", "passthrough"])
@pytest.mark.parametrize(
    "name", [*HOSTILE, "a+lora", "org/a@b", "- x: [", "a: !!python/object:os.system", "# x", "null"]
)
def test_a_name_stays_a_name(method, name):
    parts = (MergePart("aa", name, 0.7, layer_map=((0, 0),)), MergePart("bb", "right", 0.3, layer_map=((1, 1),)))
    found = Merge(parts, method, 0.0, (("dd", name),), base="aa")
    text = text_of(found, replace(SOUP, name=name))
    value = yaml.safe_load(text)
    sources = [s for one in value.get("slices", ()) for s in one["sources"]] or value["models"]
    named = [value.get("base_model"), *(one["model"] for one in sources)]
    assert ({"model": {"path": name}} if {"+", "@"} & set(name) else name) in named
    assert value["merge_method"] in {"linear", "slerp", "ties", "passthrough"}
    assert set(value) <= {"merge_method", "models", "slices", "base_model", "parameters", "dtype"}
    assert text.isprintable() or all(c.isprintable() or c == "\n" for c in text)


def test_the_type_is_that_of_the_file_or_left_out():
    assert "dtype" not in read(Merge(PAIR, "linear", 0.0), _typed("gguf q4_k"))
    assert "# dtype is left out: the file holds gguf q4_k" in text_of(Merge(PAIR, "linear", 0.0), _typed("gguf q4_k"))
    assert read(Merge(PAIR, "linear", 0.0), _typed("bfloat16"))["dtype"] == "bfloat16"


def test_what_would_explain_it_as_well_and_what_weights_do_not_tell_is_said():
    text = text_of(Merge(PAIR, "linear", 0.031, (("cc", "twin"),)))
    assert '# "twin" would explain it as well as a parent named below' in text
    assert "# 3.1% of the movement is left unexplained" in text
    assert "# weights do not tell the tokenizer" in text


def test_the_example_of_the_documents_is_what_is_written():
    addresses = ("hf:acme/left", None, "hf:acme/base")
    parts = tuple(replace(part, address=place) for part, place in zip(TRIO, addresses, strict=True))
    found = Merge(parts, "TIES", 0.0003, base="cc", density=0.48, is_mean=False)
    page = (Path(__file__).parents[3] / "docs" / "exports.md").read_text(encoding="utf-8")
    assert f"```yaml\n{text_of(found)}```\n" in page


@given(st.text())
def test_every_text_comes_back_from_yaml_on_one_line(text):
    assert "\n" not in yaml_text(text)
    if not any("\ud800" <= c <= "\udfff" for c in text):
        assert yaml.safe_load(f"a: {yaml_text(text)}\n")["a"] == text


def _typed(dtype: str) -> CheckpointSketch:
    return replace(SOUP, tensors=tuple(replace(t, dtype=dtype) for t in SOUP.tensors))
