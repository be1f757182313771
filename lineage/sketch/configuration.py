"""The settings of a model in the header of its `.sketch`; see section 13 of index/FORMAT.md."""

from __future__ import annotations

from typing import Any, get_args

from lineage.types.settings import ConfiguredPart, PartConfiguration, SettingValue

_PARTS: tuple[ConfiguredPart, ...] = get_args(ConfiguredPart)
_MOST_SETTINGS, _MOST_TEXT, _MOST_NUMBER = 64, 256, 1 << 53


def written_configuration(parts: tuple[PartConfiguration, ...]) -> list[list[Any]]:
    """The header entry: part, type, and the settings by name."""
    return [[one.part, one.model_type, dict(one.settings)] for one in parts]


def read_configuration(value: Any) -> tuple[PartConfiguration, ...]:
    """The same from a header. Raises ValueError, TypeError for what does not fit."""
    if not isinstance(value, list) or len(value) > len(_PARTS):
        raise ValueError("not a configuration")
    return tuple(_part(*one) for one in value)


def _part(part: Any, model_type: Any, settings: Any) -> PartConfiguration:
    if part not in _PARTS or not isinstance(settings, dict) or len(settings) > _MOST_SETTINGS:
        raise ValueError("not a configuration")
    word = None if model_type is None else _text(model_type)
    held = sorted((_text(name), _value(one)) for name, one in settings.items())
    return PartConfiguration(_PARTS[_PARTS.index(part)], word, tuple(held))


def _value(value: Any) -> SettingValue:
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float) and abs(value) <= _MOST_NUMBER:  # which no NaN is
        return value
    return _text(value)


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > _MOST_TEXT or not value.isprintable():
        raise ValueError("not a setting")
    return value
