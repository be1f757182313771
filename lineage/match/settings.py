"""The published configurations most similar to that of the query: reported, never used as evidence."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lineage.types.settings import (
    ConfigurationFound,
    EqualSetting,
    OtherSetting,
    PartConfiguration,
    PartSettings,
    PublishedConfiguration,
    SettingValue,
)

Exact = tuple[type, SettingValue]


def nearest_configuration(
    asked: Sequence[PartConfiguration], known: Iterable[PublishedConfiguration]
) -> ConfigurationFound | None:
    """For each part the published configuration that shares the rarest settings; None where there is no config."""
    if not asked:
        return None
    published = list(known)
    parts = (_nearest(part, published) for part in asked)
    several = asked if len(asked) > 1 else ()  # for one part the answer has the architecture anyway
    declared = tuple((part.part, part.model_type) for part in several if part.model_type is not None)
    return ConfigurationFound(tuple(part for part in parts if part is not None), declared)


@dataclass(frozen=True, slots=True)
class _Common:
    """How many of the `known` configurations of a part have each value, and how many have the setting at all."""

    values: Counter[tuple[str, Exact]]
    given: Counter[str]
    known: int


def _nearest(asked: PartConfiguration, known: Sequence[PublishedConfiguration]) -> PartSettings | None:
    others = [(one, dict(part.settings)) for one in known for part in one.parts if part.part == asked.part]
    common = _Common(
        Counter((name, _exact(value)) for _, settings in others for name, value in settings.items()),
        Counter(name for _, settings in others for name in settings),
        len(others),
    )
    compared = (_compared(asked, one, settings, common) for one, settings in others)
    return min((one for one in compared if one.equal), key=_distance, default=None)


def _compared(
    asked: PartConfiguration, one: PublishedConfiguration, settings: dict[str, SettingValue], common: _Common
) -> PartSettings:
    both = [(name, value, settings[name]) for name, value in asked.settings if name in settings]
    equal = tuple(
        EqualSetting(name, value, common.values[name, _exact(value)], common.given[name])
        for name, value, theirs in both
        if _exact(value) == _exact(theirs)
    )
    other = tuple(OtherSetting(*setting) for setting in both if _exact(setting[1]) != _exact(setting[2]))
    return PartSettings(asked.part, one.model, one.source, common.known, equal, other)


def _distance(found: PartSettings) -> tuple[float, int, str]:
    """A sort key, smallest for the rarest common settings: the sum of log frequencies, then the differing settings."""
    rarity = sum(math.log((one.models + 1) / (one.of + 1)) for one in found.equal)
    return round(rarity, 9), len(found.other), found.model


def _exact(value: SettingValue) -> Exact:
    """A value with its kind: 1 is not true."""
    return type(value), value
