"""What a card or a file of claims is taken to say, and what is left alone."""

from __future__ import annotations

import pytest

from lineage.errors import CheckpointError, Malformed
from lineage.policy import read_claims
from lineage.policy.claims import of_card
from lineage.policy.schemes import scheme_of
from lineage.policy.statements import parameter_count, statements

NAME = "acme/Nova-9B"


def said(text: str) -> list[tuple[str, str, int]]:
    return [(claim.kind, claim.value, claim.line) for claim in of_card(text, NAME)]


def test_the_front_matter_of_a_card():
    card = """---
license: other
license_name: llama3.1
base_model:
- meta-llama/Llama-3.1-8B
- acme/Other
base_model_relation: merge
quantization: int4
tags:
- text-generation
- 4-bit
---
# Nova
"""
    assert said(card) == [
        ("base-model", "meta-llama/Llama-3.1-8B", 5),
        ("base-model", "acme/Other", 6),
        ("relation", "merge", 7),
        ("licence", "llama3.1", 3),
        ("quantisation", "int4", 8),
        ("quantisation", "4-bit", 11),
    ]


@pytest.mark.parametrize(
    ("sentence", "value"),
    [
        ("This model was trained from scratch.", "yes"),
        ("This model was trained from scratch on an unknown dataset.", "yes"),
        ("Nova-9B was pretrained from scratch on 2T tokens.", "yes"),
        ("We trained the model from scratch.", "yes"),
        ("- **Trained from scratch** on Korean text", "yes"),
        ("이 모델은 처음부터 직접 학습되었습니다.", "yes"),
        ("This model was not trained from scratch.", "unclear"),
        ("Rather than training from scratch, we began with Llama.", "unclear"),
        ("The tokenizer was trained from scratch.", "unclear"),
        ("Llama 3 was trained from scratch on 15T tokens.", "unclear"),
        ("The base model was trained from scratch.", "unclear"),
        ("The vision encoder of this model was trained from scratch.", "unclear"),
        ("이 모델은 처음부터 학습된 것이 아니다.", "unclear"),
        ("This model can be trained from scratch with the script.", "unclear"),
    ],
)
def test_training_from_scratch(sentence, value):
    assert [c.value for c in statements(sentence, NAME) if c.kind == "from-scratch"] == [value]


@pytest.mark.parametrize(
    ("sentence", "value"),
    [
        ("We trained our own tokenizer on Korean text.", "yes"),
        ("The model uses its own tokenizer with 150k tokens.", "yes"),
        ("- **In-house tokenizer** of 196,608 tokens", "yes"),
        ("The tokenizer was trained from scratch.", "yes"),
        ("Nova-9B has a self-developed BPE tokenizer.", "yes"),
        ("자체 토크나이저를 개발했습니다.", "yes"),
        ("이 모델은 자체 개발한 토크나이저를 사용합니다.", "yes"),
        ("토크나이저는 처음부터 직접 학습했습니다.", "yes"),
        ("Our own tokenizer is based on that of Llama 3.", "unclear"),
        ("It does not have its own tokenizer.", "unclear"),
        ("Llama 3 has its own tokenizer.", "unclear"),
        ("You can use your own tokenizer.", None),
        ("Our own tokenizer extends cl100k.", "unclear"),
        ("기존 토크나이저를 확장해 자체 토크나이저를 만들었습니다.", "unclear"),
        ("Load the tokenizer with AutoTokenizer.", None),
        ("토크나이저는 Qwen2의 것을 사용합니다.", None),
    ],
)
def test_a_tokenizer_of_ones_own(sentence, value):
    found = [c.value for c in statements(sentence, NAME) if c.kind == "own-tokenizer"]
    assert found == ([] if value is None else [value])


def test_a_card_and_a_file_can_state_a_tokenizer_of_ones_own(tmp_path):
    assert ("own-tokenizer", "yes", 2) in said("---\nown_tokenizer: true\n---\n")
    assert ("own-tokenizer", "unclear", 4) in said("---\nbase_model: org/B\n---\nWe trained our own tokenizer.\n")
    toml = tmp_path / "claims.toml"
    toml.write_text("own_tokenizer = true\n")
    assert [(c.kind, c.value, c.line) for c in read_claims(toml, NAME)] == [("own-tokenizer", "yes", 1)]
    toml.write_text('own_tokenizer = "yes"\n')
    with pytest.raises(Malformed, match="own_tokenizer must be true or false"):
        read_claims(toml, NAME)


@pytest.mark.parametrize("text", ["Start from scratch.", "```\ntrained from scratch\n```", "Training took a week."])
def test_other_sentences_claim_nothing(text):
    assert [c for c in statements(text, NAME) if c.kind == "from-scratch"] == []


def test_where_a_base_is_named_the_sentence_may_speak_of_that():
    card = "---\nbase_model: org/Base\n---\nThis model was trained from scratch.\n"
    assert ("from-scratch", "unclear", 4) in said(card)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("# Nova-7B", "7B"),
        ("- **Number of Parameters**: 7.61B", "7.61B"),
        ("| Parameters | 7B |", "7B"),
        ("Parameters: 6,738,415,616", "6,738,415,616"),
        ("Model size: 7B params", "7B"),
        ("This model has about 7 billion parameters.", "7 billion"),
        ("매개변수 수: 7B", "7B"),
        ("Parameters: 7B, 13B and 70B", None),
        ("Active parameters: 3B", None),
        ("# Mixtral-8x7B", None),
        ("# Qwen3-30B-A3B", None),
        ("It outperforms 70B parameter models.", None),
        ("Hyperparameters: 3e-4", None),
        ("Parameters: learning_rate=2", None),
    ],
)
def test_parameter_counts(line, value):
    assert [c.value for c in statements(line, NAME) if c.kind == "parameters"] == ([] if value is None else [value])


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("7B", 7e9),
        ("6.7 billion", 6.7e9),
        ("350M", 3.5e8),
        ("6,738,415,616", 6738415616),
        ("7", None),
        ("7B or 8B", None),
    ],
)
def test_counts_as_numbers(text, count):
    assert parameter_count(text) == count


@pytest.mark.parametrize(
    ("text", "scheme"),
    [
        ("int4", (4, True)), ("w8a8", (8, True)), ("4-bit", (4, False)), ("nf4", (4, False)), ("Q4_K_M", (4, False)),
        ("ggml q8_0", (8, True)), ("awq int4 group 128", (4, True)), ("float8_e4m3fn", (8, False)),
        ("bfloat16", (16, False)), ("none", (16, False)), ("gptq", (None, False)), ("print8", None),
    ],
)  # fmt: skip
def test_schemes(text, scheme):
    assert scheme_of(text) == scheme


def test_a_file_of_claims(tmp_path):
    toml = tmp_path / "claims.toml"
    toml.write_text(
        'base_model = ["org/a", "org/b"]\nfrom_scratch = true\nparameters = 7_000_000_000\nlicense = "mit"\n'
    )
    assert [(c.kind, c.value, c.line) for c in read_claims(toml, NAME)] == [
        ("base-model", "org/a", 1), ("base-model", "org/b", 1), ("from-scratch", "yes", 2),
        ("parameters", "7000000000", 3), ("licence", "mit", 4),
    ]  # fmt: skip
    json = tmp_path / "claims.json"
    json.write_text('{\n "quantization": "int8",\n "from_scratch": false\n}')
    assert [(c.kind, c.value, c.line) for c in read_claims(json, NAME)] == [("quantisation", "int8", 2)]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("c.toml", 'base_modle = "x"\n', "line 1: unknown claim 'base_modle'"),
        ("c.toml", '\nfrom_scratch = "yes"\n', "line 2: from_scratch must be true or false"),
        ("c.toml", "parameters = [[1]]\n", "line 1: parameters must be a short text"),
        ("c.toml", "license = 'a\n", "line 1: "),
        ("c.json", "[1]", "not a JSON object"),
        ("c.json", '{"a": 1, "a": 2}', "twice"),
        ("c.json", '{"license": {"a": 1}}', "license must be a short text"),
    ],
)
def test_a_broken_file_of_claims_is_refused(tmp_path, name, text, says):
    (tmp_path / name).write_text(text)
    with pytest.raises(Malformed) as refused:
        read_claims(tmp_path / name, NAME)
    assert says in str(refused.value)


def test_of_a_folder_the_card_is_read(tmp_path):
    (tmp_path / "README.md").write_text("---\nlicense: mit\n---\n")
    assert [claim.value for claim in read_claims(tmp_path, NAME)] == ["mit"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match="no such file"):
        read_claims(tmp_path / "empty", NAME)
