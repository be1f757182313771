"""Models in one layout: copies show how the tensors of one library are named and transposed in another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

from lineage.sketch.layouts import Names, Translation, layout_id, names_of, translated, translation
from lineage.types import CheckpointSketch


def fitting(query: CheckpointSketch, layouts: Sequence[CheckpointSketch]) -> CheckpointSketch:
    """The layout of a model with most tensors, by name and shape, in common with `query`; on a tie the first."""
    if len(layouts) == 1:
        return layouts[0]
    own = names_of(query)
    return max(layouts, key=lambda one: (len(own & names_of(one)), one.format == query.format))


def in_one_layout(
    groups: Sequence[Sequence[CheckpointSketch]], like: CheckpointSketch | None = None
) -> list[CheckpointSketch]:
    """A sketch for each group of copies, all in one layout as far as copies show how layouts translate.

    A model known in two layouts gives a translation for every model in one of them. Among layouts connected by such
    translations, that of `like` is taken, else the one in which the units of most weights are understood, on a tie the
    first in the groups. Id and name are those of the first sketch in each group.
    """
    if all(len({*map(names_of, group)}) == 1 for group in groups):
        return [group[0] for group in groups]  # no group has two layouts
    told = _told(groups)
    into = _chosen(told, groups, like)
    found = []
    for group in groups:
        first, sketch = group[0], _read(group, told, into)
        is_named = (sketch.id, sketch.name) == (first.id, first.name)
        found.append(sketch if is_named else replace(sketch, id=first.id, name=first.name))
    return found


@dataclass
class _Told:
    """Translations between layouts that one model has, and the share of weights understood in each layout (0..1)."""

    into: dict[tuple[Names, Names], Translation] = field(default_factory=dict)
    understood: dict[Names, float] = field(default_factory=dict)


def _told(groups: Sequence[Sequence[CheckpointSketch]]) -> _Told:
    """The translations that copies in different layouts give."""
    told = _Told()
    for group in groups:
        seen = {names_of(one): one for one in sorted(group, key=layout_id)} if len(group) > 1 else {}
        for one, other in combinations(sorted(seen, key=sorted), 2):
            there, back = translation(seen[one], seen[other]), translation(seen[other], seen[one])
            if there is not None and back is not None and (one, other) not in told.into:
                told.understood |= {layout: _understood(seen[layout]) for layout in (one, other)}
                told.into |= {(one, other): there, (other, one): back}
    return told


def _chosen(
    told: _Told, groups: Sequence[Sequence[CheckpointSketch]], like: CheckpointSketch | None
) -> Mapping[Names, Names]:
    """For each layout with translations, the layout into which it is translated (possibly itself)."""
    from lineage.ancestry.links import joined  # imported only for several layouts

    wanted = None if like is None else names_of(like)
    order = {
        name: -i for i, name in enumerate(names_of(group[0]) for group in reversed(groups)) if name in told.understood
    }

    def last(layout: Names) -> tuple[bool, float, int, list[tuple[str, tuple[int, ...]]]]:
        return layout != wanted, -told.understood[layout], order.get(layout, 1), sorted(layout)

    parts = [(part, min(part, key=last)) for part in joined(told.into)]
    return {layout: best for part, best in parts for layout in part}


def _read(group: Sequence[CheckpointSketch], told: _Told, into: Mapping[Names, Names]) -> CheckpointSketch:
    """A model in the chosen layout; the first of its copies if there is no translation."""
    own = {names_of(one): one for one in reversed(group)}
    layout = next((layout for layout in map(names_of, group) if layout in into), None)
    if layout is None:
        return group[0]
    if into[layout] in own:
        return own[into[layout]]
    sketch = own[layout]
    from lineage.ancestry.links import outward

    nearer = {one: other for other, one in outward(told.into, into[layout])}
    while layout != into[layout]:
        sketch = translated(sketch, told.into[layout, nearer[layout]])
        layout = nearer[layout]
    return sketch


def _understood(sketch: CheckpointSketch) -> float:
    """Share of the weights, 0..1, with at least one axis whose units are known to be exchangeable."""
    known = (t.params for t in sketch.tensors if any(axis.exchangeable for axis in t.part.axes))
    return round(sum(known) / sketch.params, 3)
