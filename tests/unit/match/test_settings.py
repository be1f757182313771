"""The nearest published configuration, part by part, and how common what is shared is."""

from __future__ import annotations

from lineage.match.settings import nearest_configuration
from lineage.types.settings import ConfiguredPart, EqualSetting, OtherSetting, PartConfiguration, PublishedConfiguration


def part(kind: ConfiguredPart = "text", model_type: str | None = None, **settings: int | float | str | bool):
    return PartConfiguration(kind, model_type, tuple(sorted(settings.items())))


def known(name: str, *parts: PartConfiguration) -> PublishedConfiguration:
    return PublishedConfiguration(name, "https://example.org", parts)


COMMON = [known(f"org/{i}", part(heads=32, layers=32, size=i)) for i in range(8)]
RARE = known("org/rare", part(heads=7, layers=32, size=99))


def test_one_rare_setting_says_more_than_common_ones():
    found = nearest_configuration([part(heads=7, layers=32, size=1000)], [*COMMON, RARE])
    assert found is not None
    (text,) = found.parts
    assert (text.model, text.known) == ("org/rare", 9)
    assert text.equal == (EqualSetting("heads", 7, 1, 9), EqualSetting("layers", 32, 9, 9))
    assert text.other == (OtherSetting("size", 1000, 99),)


def test_a_setting_that_one_of_the_two_does_not_give_is_not_compared():
    found = nearest_configuration([part(heads=32, depth=3)], [known("a/b", part(heads=32, width=5))])
    assert found is not None
    assert [one.name for one in found.parts[0].equal] == ["heads"]
    assert found.parts[0].other == ()


def test_each_part_has_its_own_nearest_and_says_what_it_is_declared_to_be():
    asked = [part("text", "own", heads=40), part("vision", "qwen2_5_vl", depth=32)]
    others = [known("x/text", part(heads=40)), known("y/sight", part("vision", depth=32), part(heads=1))]
    found = nearest_configuration(asked, others)
    assert found is not None
    assert {one.part: one.model for one in found.parts} == {"text": "x/text", "vision": "y/sight"}
    assert found.declared == (("text", "own"), ("vision", "qwen2_5_vl"))


def test_a_part_of_which_nothing_is_shared_is_left_out():
    found = nearest_configuration([part(heads=3)], [known("a/b", part(heads=4))])
    assert found is not None
    assert (found.parts, found.declared) == ((), ())


def test_without_a_config_there_is_nothing():
    assert nearest_configuration([], [RARE]) is None


def test_true_is_not_one_and_order_does_not_matter():
    others = [known("a/one", part(tied=1)), known("b/true", part(tied=True))]
    for order in (others, others[::-1]):
        found = nearest_configuration([part(tied=True)], order)
        assert found is not None
        assert [one.model for one in found.parts] == ["b/true"]
