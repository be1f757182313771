"""Which axis lengths of a network of unknown architecture belong to hidden units."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lineage.anatomy.chains import Layer, Links

MIN_HIDDEN = 8  # shorter axes are colours, coordinates and the like
_LAST = re.compile(r"^(?:head|heads|classifier|logits|output|outputs|out|out_conv|conv_out|outc|final\w*|fc_out|last)$")
_FIRST = re.compile(r"^(?:stem|input|inputs|conv_in|in_conv|inc|input_\w+)$")


@dataclass(frozen=True, slots=True)
class Ends:
    """Lengths of axes whose counterpart is not known by name: made, read, certainly data.

    `colours` are the channels of the images that a purely convolutional network both reads and makes, `answers` what
    the only dense layer behind convolutions makes, or reads, or a mask. They may be as many as some hidden units.
    """

    made: frozenset[int]
    read: frozenset[int]
    data: frozenset[int]
    colours: frozenset[int]
    answers: frozenset[int]


def ends_of(layers: Sequence[Layer], links: Links, states: Iterable[int], tables: Iterable[tuple[int, int]]) -> Ends:
    """Collect the lengths that chains leave open.

    `states` are the sizes of recurrent hidden states (made, never read by their own layer's inputs),
    `tables` the (rows, columns) of look-up tables: rows are data, columns are made.
    """
    listed = list(tables)
    made = {layer.makes for layer in layers if layer.tensor.name not in links.made}
    read = {layer.reads for layer in layers if layer.tensor.name not in links.read}
    last = {layer.makes for layer in layers if layer.tensor.name not in links.made and _is_named(layer, _LAST)}
    first = {layer.reads for layer in layers if layer.tensor.name not in links.read and _is_named(layer, _FIRST)}
    return Ends(
        made=frozenset((made | set(states) | {columns for _, columns in listed}) - {0}),
        read=frozenset(read | {rows for rows, _ in listed}),
        data=frozenset(last | first | {rows for rows, _ in listed}),
        colours=_colours(layers),
        answers=_answers(layers),
    )


def hidden_lengths(ends: Ends) -> frozenset[int]:
    """Lengths that one tensor makes and another reads, and that are not data as far as can be inferred.

    Every network has an entry and an exit. If every length that is read is also made, or the other
    way round, then some data axis hides among them (an autoencoder's pixels), and no length is trusted. The
    colours of an image-to-image network are such an axis, and a network of convolutions has no other; so
    are the answers of its only dense layer.
    """
    entries = ends.read - ends.made or ends.colours
    exits = ends.made - ends.read or ends.colours
    if not entries or not (exits or ends.answers):
        return frozenset()
    data = ends.data if exits else ends.data | ends.answers
    return frozenset(n for n in (ends.made & ends.read) - data if n >= MIN_HIDDEN)


def _colours(layers: Sequence[Layer]) -> frozenset[int]:
    """Depthwise convolutions read one channel, too: one channel is an image's only if a single layer reads it."""
    if any(len(layer.tensor.shape) < 3 for layer in layers):
        return frozenset()
    read = Counter(layer.reads for layer in layers)
    made = {layer.makes for layer in layers}
    return frozenset(n for n, readers in read.items() if n in made and n < MIN_HIDDEN and (n > 1 or readers == 1))


def _answers(layers: Sequence[Layer]) -> frozenset[int]:
    """Few units are answers; for many, nothing shows which side of a matrix they are on. A mask is an answer, too.

    Where several layers read one channel, they are depthwise and do not read the mask that an image network makes.
    """
    pictures = all(len(layer.tensor.shape) == 4 for layer in layers)
    if pictures and sum(layer.reads == 1 for layer in layers) > 1 and any(layer.makes == 1 for layer in layers):
        return frozenset({1})
    dense = [layer for layer in layers if len(layer.tensor.shape) == 2]
    if len(dense) != 1 or len(layers) < 2:
        return frozenset()
    (last,) = dense
    return frozenset({last.makes} if last.makes < MIN_HIDDEN else {last.makes, last.reads})


def _is_named(layer: Layer, words: re.Pattern[str]) -> bool:
    module = layer.tensor.module
    return bool(module) and words.match(module[0]) is not None
