"""How a policy sees a tokenizer (taken, open, own) and a configuration (the settings of another model, or not)."""

from __future__ import annotations

from lineage.policy.names import bare
from lineage.policy.vocabulary import SettingsState, TokenizerState
from lineage.types import TokenizerComparison
from lineage.types.settings import ConfigurationFound, PartSettings

_LEAST = 6  # settings that are equal, the size and depth among them, before all are called those of another
_SHAPE = {"hidden_size", "num_hidden_layers"}


def tokenizer_state(found: TokenizerComparison | None) -> TokenizerState:
    """`taken` where the known tokenizer came first, `open` where it is not known which of two related ones did.

    `own` where it is related to none, or came first itself.
    """
    if found is None or found.relation == "inconclusive":
        return "unknown"
    if found.relation == "independent" or found.parent == "a":
        return "own"
    return "taken" if found.parent == "b" else "open"


def settings_of_text(found: ConfigurationFound | None) -> PartSettings | None:
    """What is nearest to the text part of a configuration."""
    parts = () if found is None else found.parts
    return next((part for part in parts if part.part == "text"), None)


def settings_state(found: PartSettings | None, model: str) -> SettingsState:
    """`same` where all settings that a published configuration gives are equal, and it is that of another model."""
    if found is None or bare(found.model) == bare(model):
        return "unknown"
    equal = {one.name for one in found.equal}
    return "same" if not found.other and len(equal) >= _LEAST and equal >= _SHAPE else "other"
