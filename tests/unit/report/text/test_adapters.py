"""The lines about an adapter, for what the command line's small models do not show."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lineage.report.text.adapters import adapter_lines, adapter_value
from lineage.types import Adapted, Addition, CheckpointSketch, Declared, Fit, Limits, Timings, Verdict, Whois

SKETCH = CheckpointSketch(
    "aa", "lineage-2", "full", "lora", "lora", "peft-lora", "llama", 1, 1, (),
    declared=(Declared("org/base", "adapter", "adapter_config.json base_model_name_or_path"),),
)  # fmt: skip
ANSWER = Whois(SKETCH, Verdict.INDEPENDENT, (), (), (), (), (), Limits(0, "ix", None, (), ()), Timings(0, 0, 0, 0))
FITS = tuple(Fit(f"{k}", f"model-{k}", 4, declared=False) for k in range(5))
NOTHING = Adapted((4, 4), 4, 0, (), (), 0, 0, 0)
ALIKE = Addition("alike", "cc", "child\x1b[2J", "bb", "base", 0.96, 41.0, -364.0, 0.95, 0.01)


def said(adapted: Adapted, answer: Whois = ANSWER) -> list[str]:
    return list(adapter_lines(answer, adapted))


@pytest.mark.parametrize(
    ("adapted", "line"),
    [
        (NOTHING, "adapter: LoRA of rank 4, changes 4 tensors; it is never compared with weights"),
        (replace(NOTHING, ranks=(2, 16), wholes=2), "adapter: LoRA of ranks 2 to 16, changes 4 tensors and brings 2"),
        (NOTHING, "base: declared to be org/base, which is not among the models searched"),
        (replace(NOTHING, fits=(Fit("b", "base", 3, declared=True),)), "only 3 of 4 shapes fit base: another base"),
        (replace(NOTHING, fits=FITS, opened=9), "shapes also fit: model-0, model-1, model-2 and 2 more (of 9 models"),
        (NOTHING, "shapes also fit: no other (of 0 models opened)"),
    ],
)
def test_what_it_is_and_what_it_fits(adapted: Adapted, line: str) -> None:
    assert any(line in found for found in said(adapted)), said(adapted)


def test_a_dora_is_called_one() -> None:
    assert said(NOTHING, replace(ANSWER, sketch=replace(SKETCH, format="peft-dora")))[0].startswith("adapter: DoRA")


def test_what_is_only_alike_is_no_accusation_and_moves_no_cursor() -> None:
    line = said(replace(NOTHING, additions=(ALIKE,)))[-1]
    assert line.startswith("child\\x1b[2J moved away from base as this adapter would: r 0.96, z 41, p < 1e-300")
    assert line.endswith("merged and changed since, or trained alike: the weights do not tell")


def test_a_model_has_no_such_value() -> None:
    assert adapter_value(None) is None
