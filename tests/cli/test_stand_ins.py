"""`whois hf:...` on small stand-ins with the tensor names of the models of the debate: both cases, both languages."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from debate_shapes import real_shapes
from hub_server import Hub

from tests import stand_ins
from tests.cli.conftest import Desk, Run
from tests.cli.test_schemas import check
from tests.cli.test_tokenizers import section_of

PUBLISHED = {
    "naver-hyperclovax/HyperCLOVAX-SEED-Think-32B": 33e9, "Qwen/Qwen2.5-VL-7B-Instruct": 8.3e9,
    "upstage/Solar-Open-100B": 102.6e9, "zai-org/GLM-4.5-Air": 106e9, "microsoft/Phi-3.5-MoE-instruct": 41.9e9,
}  # fmt: skip
"""Parameters as the models' cards give them."""


@pytest.fixture(scope="module")
def repos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    home = tmp_path_factory.mktemp("stand-ins")
    return {f"stand-in/{name}": stand_ins.saved(name, home / name) for name in stand_ins.MAKERS}


@pytest.fixture
def asked(run: Run, desk: Desk, repos: dict[str, Path], hub: Callable[..., Hub]) -> Callable[..., Any]:
    """`asked("think", "--json")`: whois about a stand-in, where `sight`, `omni` and `air` are in the index."""
    hub(repos)
    known = [f"hf:stand-in/{name}" for name in ("sight", "omni", "air")]
    assert run("ingest", *known, "--index", desk.index).code == 0
    return lambda name, *words: run("whois", f"hf:stand-in/{name}", "--index", desk.index, *words)


def test_the_names_and_shapes_are_those_of_models_of_the_published_size():
    for name, shapes in real_shapes().items():
        assert sum(map(math.prod, shapes.values())) == pytest.approx(PUBLISHED[name], rel=0.012), name


def test_an_encoder_tuned_and_reused_one_identical_and_a_decoder_of_its_own(asked):
    answer = asked("think", "--json").json
    check("whois.json", answer)
    found = {one["name"]: one for one in answer["components"]}
    sight, sound, text = (found[name] for name in ("vision encoder", "audio encoder", "text decoder"))
    assert (sight["relation"], sight["model_name"]) == ("fine-tuned", "stand-in/sight")
    assert 0.99 < sight["r"] < 0.999
    assert (sound["relation"], sound["model_name"]) == ("identical", "stand-in/omni")
    assert (text["relation"], text["model"], text["min_detectable_r"] < 0.1) == ("independent", None, True)
    assert {found[name]["relation"] for name in ("embeddings", "head")} == {"independent"}
    assert answer["verdict"] == "related"  # which came first, weights do not say
    witnesses = answer["witnesses"]
    assert witnesses["tokenizer"]["relation"] == "independent"
    assert {"part": "vision", "model_type": "qwen2_5_vl"} in witnesses["configuration"]["declared"]
    assert answer["checkpoint"]["bytes_read"] < answer["checkpoint"]["bytes"] * 1.2


def test_two_mixtures_of_experts_that_were_trained_apart(asked):
    answer = asked("open_moe", "--json").json
    assert answer["verdict"] == "independent"
    assert {one["relation"] for one in answer["components"]} == {"independent"}
    assert all(one["min_detectable_r"] < 0.25 for one in answer["components"])
    said = " ".join(asked("open_moe").out.split())
    cosine, z = re.search(r"cosine (\d\.\d+), z (-?\d+\.\d) with stand-in/air", said).groups()  # type: ignore[union-attr]
    assert float(cosine) > 0.98
    assert abs(float(z)) < 3


def test_a_mixture_that_was_tuned_is_related_in_every_component(asked):
    answer = asked("tuned_air", "--json").json
    assert {(one["relation"], one["model_name"]) for one in answer["components"]} == {("fine-tuned", "stand-in/air")}
    assert [one["model"] for one in answer["declared"]] == ["stand-in/air"]


@pytest.mark.parametrize(
    ("language", "sight", "sound", "own", "declared"),
    [
        ("en", "fine-tuned", "identical", "none (r ≥", "its vision part is declared to be qwen2_5_vl"),
        ("ko", "미세조정", "동일", "없음(r ≥", "비전 부분의 종류를 qwen2_5_vl(으)로 밝힘"),
    ],
)
def test_the_page_says_the_same_in_both_languages(asked, tmp_path, language, sight, sound, own, declared):
    page = tmp_path / "think.html"
    assert asked("think", "--report", page, "--lang", language).code == 0
    words = {
        "en": ("Vision encoder", "Audio encoder", "Text decoder"),
        "ko": ("비전 인코더", "오디오 인코더", "텍스트 디코더"),
    }
    rows = re.findall(r"<tr>.*?</tr>", section_of(page, "shares"), re.DOTALL)
    for component, said in zip(words[language], (sight, sound, own), strict=True):
        row = next(one for one in rows if f"</span> {component}</th>".lower() in one.lower())
        assert said in row
    assert declared in section_of(page, "witnesses")


def test_what_lies_in_sub_folders_is_another_model(asked):
    assert asked("think/decoder/audio", "--json").json["checkpoint"]["params"] == 32 * 32
