"""Whether enough of a model is read for an answer."""

from __future__ import annotations

import math
from pathlib import Path

from lineage.checkpoints.reader import Contents
from lineage.errors import UnsupportedFormat
from lineage.types.facts.exclusions import Exclusion, UnreadPacking, UnreadType
from lineage.written_reasons import written

MOST = 0.01  # share of the parameters that may be unread: shares in an answer are shown in whole percents
_MOST_ODD = 0.5  # that may be of a type that is not known, as with damaged values: it is one tensor, not a packing


def refuse_unread(path: Path, contents: Contents) -> None:
    """Refuse a model of which more than a hundredth is in packings that are not read. Raises UnsupportedFormat.

    What is read of such a model is not the model: an answer would give shares of the rest only. Tensors of an odd
    type, which lie beside others that are read, may be up to half of it.
    """
    count = sum(values for _, values in contents.unread)
    odd = sum(values for reason, values in contents.unread if isinstance(reason, UnreadType))
    params = max(1, count + sum(math.prod(view.shape) for view in contents.tensors))
    if count - odd > MOST * params or odd >= _MOST_ODD * params:
        packings = "; ".join(dict.fromkeys(_said(reason) for reason, _ in contents.unread))
        raise UnsupportedFormat(
            path,
            f"is unread, {count / params:.0%} of the parameters: {packings}; give the weights that it was made from",
        )


def _said(reason: Exclusion) -> str:
    if isinstance(reason, UnreadPacking):
        return f"packed as {reason.packing}, which is not read here"
    return written(reason)
