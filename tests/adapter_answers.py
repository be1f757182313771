"""Answers about trained adapters of tests/fixtures/adapters, with the models of tests/fixtures/zoo to search."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

from lineage.ancestry import compare_adapters, whois
from lineage.checkpoints import open_checkpoint
from lineage.sketch import sketch_checkpoint
from lineage.store import SketchFolder
from lineage.types import Adapted, Addition, CheckpointSketch, Declared, Fit, Verdict, Whois

FIXTURES = Path(__file__).parent / "fixtures"
MERGED, ALONE, AGAIN = "taken-out-of-lora4", "first-1-qa", "first-1-qa-again"
BASE, CHILD = "gpt2-0-prose.sft", "gpt2-0-prose.sft.lora4"


@cache
def adapter(name: str) -> CheckpointSketch:
    """One of the adapters."""
    return replace(sketch_checkpoint(open_checkpoint(FIXTURES / "adapters" / name)), path=name)


@cache
def asked(name: str) -> Whois:
    """What it is to the models."""
    return whois(adapter(name), [SketchFolder(FIXTURES / "zoo")])


@cache
def beside_its_like() -> Whois:
    """The one that stands alone, where an adapter with the same first factors is known too."""
    found = compare_adapters(adapter(ALONE), adapter(AGAIN))
    components = tuple((finding, found.model, found.model_name) for finding in found.components)
    return replace(asked(ALONE), verdict=Verdict.RELATED, components=components, alternatives=(found,), nearest=found)


def hostile(name: str) -> Whois:
    """An answer about an adapter in which every text from a file is `name`."""
    answer = asked(MERGED)
    adapted = answer.adapted
    assert adapted is not None
    (merged,) = (replace(one, child_name=name, base_name=name) for one in adapted.additions)
    told = replace(
        adapted,
        wholes=2,
        fits=tuple(Fit(fit.model, name, 3, declared=True) for fit in adapted.fits),
        additions=(merged, moved_alike(merged)),
    )
    sketch = replace(answer.sketch, name=name, declared=(Declared(name, "adapter", name), Declared(name, name, name)))
    return replace(answer, sketch=sketch, adapted=told)


def moved_alike(merged: Addition) -> Addition:
    """Another model, which is not a sum."""
    return replace(merged, word="alike", child="e" * 32, child_name="tuned-alike", r=0.91, predicted=0.02)


def adapted(answer: Whois) -> Adapted:
    assert answer.adapted is not None
    return answer.adapted
