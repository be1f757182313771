"""What can be seen of an obligation in the name, the card and the files of a model."""

from __future__ import annotations

import re
from typing import Literal

from lineage.policy.conditions import agree
from lineage.policy.names import bare
from lineage.policy.subjects import Ancestor, Model
from lineage.policy.vocabulary import Check
from lineage.types import Beside

Seen = Literal["met", "failed", "unseen"]

_LICENCE_FILE = re.compile(r".*(licen[cs]e|copying|terms).*", re.IGNORECASE)
_NOTICE_FILE = re.compile(r".*notice.*", re.IGNORECASE)


def seen(check: Check, model: Model, ancestor: Ancestor, beside: Beside | None) -> Seen:
    """Whether an obligation is met; "failed" only where what is seen rules it out."""
    licence, card = ancestor.licence, "" if beside is None else " ".join(beside.card.lower().split())
    files = () if beside is None else beside.files
    if check == "name-prefix":
        return _begins(model.name, licence.prefix if licence is not None else None)
    if check == "card-phrase":
        return _met(licence is not None and bool(licence.display) and str(licence.display).lower() in card)
    if check == "notice-file":
        return _met(any(_NOTICE_FILE.fullmatch(name) for name in files))
    if check == "licence-file":
        return _met(any(_LICENCE_FILE.fullmatch(name) for name in files))
    if check == "card-names-ancestor":
        name = ancestor.surest.ancestor_name
        return _met(name is not None and bare(name) in card)
    return _met(agree(licence, model.licence) is True)


def _begins(name: str, prefix: str | None) -> Seen:
    """A name with an organisation is a published name; the name of a file or folder may differ from it."""
    if prefix is None or bare(name).startswith(prefix.lower()):
        return "met"
    return "failed" if re.fullmatch(r"[\w.-]+/[\w.-]+", name) else "unseen"


def _met(is_met: bool) -> Seen:
    return "met" if is_met else "unseen"
