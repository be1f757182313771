"""What a config says of the parts of a model, whatever names it uses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage.checkpoints.configuration import SETTINGS, parts_of


def settings(config: dict[str, object]) -> dict[str, dict[str, object]]:
    return {one.part: dict(one.settings) for one in parts_of(config)}


def test_one_setting_has_one_name_in_every_family():
    llama = {"vocab_size": 32000, "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32}
    gpt = {"vocab_size": 32000, "n_embd": 4096, "n_layer": 32, "n_head": 32}
    assert settings(llama) == settings(gpt) == {"text": llama}


def test_parts_are_told_apart_wherever_they_stand():
    inner = {"vision_config": {"depth": 32, "model_type": "qwen2_5_vl"}, "audio_config": {"encoder_layers": 4}}
    flat = {"model_type": "nova", "vocab_size": 9, **inner}
    nested = {"model_type": "nova_omni", "thinker_config": {**inner, "text_config": {"vocab_size": 9}}}
    expected = {"text": {"vocab_size": 9}, "vision": {"num_hidden_layers": 32}, "audio": {"num_hidden_layers": 4}}
    assert settings(flat) == settings(nested) == expected
    assert {one.part: one.model_type for one in parts_of(flat)}["vision"] == "qwen2_5_vl"


def test_what_a_text_part_says_itself_goes_before_what_stands_above_it():
    config = {"hidden_size": 1, "vocab_size": 7, "text_config": {"hidden_size": 2, "model_type": "inner"}}
    assert settings(config) == {"text": {"hidden_size": 2, "vocab_size": 7}}
    assert parts_of(config)[0].model_type == "inner"


@pytest.mark.parametrize(
    ("config", "part"),
    [({"hidden_size": 8, "patch_size": 16}, "vision"), ({"d_model": 8, "num_mel_bins": 80}, "audio")],
)
def test_a_model_of_pictures_or_sound_alone_is_called_so(config: dict[str, object], part: str):
    assert [one.part for one in parts_of(config)] == [part]


def test_what_no_one_can_compare_is_passed_over():
    config = {
        "vocab_size": float("nan"), "hidden_size": [1, "a"], "head_dim": {"a": 1}, "rope_theta": 1e6,
        "patch_size": [14, 14], "sliding_window": None, "secret": 1, "image_size": "x\n",
        "num_experts": 10**400,
    }  # fmt: skip
    assert settings(config) == {"text": {"rope_theta": 1000000, "patch_size": "14 14"}}


def test_a_base_of_positions_in_its_own_table_is_found():
    assert settings({"vocab_size": 3, "rope_parameters": {"rope_theta": 5e5}})["text"]["rope_theta"] == 500000


def test_nothing_of_a_part_is_no_part():
    assert parts_of({}) == ()
    assert parts_of({"model_type": "llama", "vision_config": {}}) == ()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=80),
    lambda inner: (
        st.lists(inner, max_size=20) | st.dictionaries(st.sampled_from(["text_config", "vision_config"]), inner)
    ),
    max_leaves=20,
)
keys = st.sampled_from([*sorted(SETTINGS), "text_config", "vision_config", "thinker_config", "model_type", "other"])


@given(st.dictionaries(keys, json_values, max_size=12))
def test_any_json_gives_values_that_can_be_shown(config: dict[str, object]):
    for part in parts_of(config):
        assert SETTINGS.issuperset(name for name, _ in part.settings)
        assert list(part.settings) == sorted(part.settings, key=lambda pair: pair[0])
        for _, value in part.settings:
            assert isinstance(value, bool | int | float | str)
            assert not isinstance(value, float) or (value == value and abs(value) < 1e16)
