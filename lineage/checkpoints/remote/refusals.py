"""What an answer that is not a file means, in one line.

The hub's own reasons (X-Error-Code): huggingface_hub/utils/_http.py.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from lineage.checkpoints.remote.session import Reply
from lineage.errors import Unreachable

_OF_THE_HUB = {
    "GatedRepo": "is gated: accept its terms on its page, then set HF_TOKEN to a token of that account",
    "RepoNotFound": "no such repository, or a private one: check the name, or set HF_TOKEN",
    "RevisionNotFound": "no such revision: check the branch, tag or commit behind the @",
    "EntryNotFound": "no such file in this revision",
}
_BY_STATUS = {
    401: "its server requires a token (401): set HF_TOKEN if it is a hub",
    403: "its server refuses access (403): ask its owner for it",
    404: "no such file or repository (404): check the address",
    410: "is gone (410)",
}


def refusal(shown: object, reply: Reply) -> Unreachable:
    """The error for an answer that is neither the file nor a passing failure."""
    reason = _OF_THE_HUB.get(reply.headers.get("X-Error-Code", "")) or _BY_STATUS.get(reply.status)
    where = urlsplit(reply.url).hostname
    return Unreachable(str(shown), reason or f"{where} gives the unexpected answer {reply.status}", reply.status)
