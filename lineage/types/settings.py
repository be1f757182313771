"""Configurations: the settings of a model by part, and what they have in common with published ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SettingValue = bool | int | float | str
ConfiguredPart = Literal["text", "vision", "audio"]


@dataclass(frozen=True, slots=True)
class PartConfiguration:
    """The settings of one part of a model by name, in the order of names; `model_type` is what the file calls it."""

    part: ConfiguredPart
    model_type: str | None
    settings: tuple[tuple[str, SettingValue], ...]


@dataclass(frozen=True, slots=True)
class PublishedConfiguration:
    """The settings of a public model, and where they were read."""

    model: str
    source: str
    parts: tuple[PartConfiguration, ...]


@dataclass(frozen=True, slots=True)
class EqualSetting:
    """A setting that two configurations share, and how common it is: `models` of the `of` that give one have it."""

    name: str
    value: SettingValue
    models: int
    of: int


@dataclass(frozen=True, slots=True)
class OtherSetting:
    """A setting in which two configurations differ."""

    name: str
    value: SettingValue
    theirs: SettingValue


@dataclass(frozen=True, slots=True)
class PartSettings:
    """The published configuration that is nearest in one part: it shares the rarest settings.

    `known` is how many configurations were compared; `source` is where the nearest one was read.
    """

    part: ConfiguredPart
    model: str
    source: str
    known: int
    equal: tuple[EqualSetting, ...]
    other: tuple[OtherSetting, ...]


@dataclass(frozen=True, slots=True)
class ConfigurationFound:
    """What the configuration of a model has in common with published ones, and what it declares of its parts."""

    parts: tuple[PartSettings, ...]
    declared: tuple[tuple[ConfiguredPart, str], ...]
