"""A repository of a hub: its files listed once, all of one commit.

The two addresses are those of huggingface_hub: `/api/models/REPO/revision/REVISION?blobs=true` (HfApi.model_info) and
`/REPO/resolve/COMMIT/FILE` (hf_hub_url); HF_ENDPOINT and HF_TOKEN mean the same as there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lineage.checkpoints.io import strict_json
from lineage.checkpoints.io.bytes import PositionedFile
from lineage.checkpoints.io.quoting import quoted
from lineage.checkpoints.remote.address import Address, HubAddress, below, endpoint, is_plain
from lineage.checkpoints.remote.context import Opened
from lineage.checkpoints.remote.refusals import refusal
from lineage.checkpoints.remote.session import Reply, Session, origin
from lineage.errors import Malformed, Unreachable
from lineage.types import Meter

MAX_LISTING = 64 << 20  # bytes
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a repository: its size, where the listing gives it, and the digest of its content."""

    size: int | None
    digest: str | None


def tokens() -> dict[str, str]:
    """HF_TOKEN, for the hub alone."""
    token = os.environ.get("HF_TOKEN", "").strip()
    return {origin(endpoint()): token} if token else {}


def require_hub() -> None:
    """Ask the hub anything. Raises Unreachable where it does not answer, MissingExtra."""
    Session({}).get(endpoint(), f"{endpoint()}/api/models?limit=1", {}, lambda reply: reply.status)


class HubFolder:
    """A folder of a repository at one commit; "" is the whole."""

    def __init__(self, opened: Opened, repo: str, commit: str, entries: Mapping[str, Entry], inside: str = "") -> None:
        self.path: Path = Address(f"hf:{repo}@{commit}", inside)
        self.meter = opened.meter
        self.repo = repo
        self.commit = commit
        self._opened = opened
        self._entries = entries
        self._inside = inside

    @property
    def naming(self) -> Path:
        """Where the hub's own download cache would put the folder, for the name of the model."""
        return Path(f"models--{self.repo.replace('/', '--')}", "snapshots", self.commit, self._inside)

    def files(self) -> list[str]:
        """Names of the files, in order, without hidden ones."""
        return sorted(name for name in self._names() if "/" not in name and not name.startswith("."))

    def folders(self) -> list[HubFolder]:
        """Folders in this one, in the order of names."""
        names = {name.partition("/")[0] for name in self._names() if "/" in name}
        return [self.below(name) for name in sorted(names) if not name.startswith(".")]

    def below(self, path: str) -> HubFolder:
        """The folder of that path in this one."""
        return HubFolder(self._opened, self.repo, self.commit, self._entries, self._whole(path))

    def is_folder(self, path: str) -> bool:
        """Whether there are files below that path."""
        return any(name.startswith(f"{path}/") for name in self._names())

    def holds(self, name: str) -> bool:
        """Whether the commit has such a file. Raises Malformed for a name that leads out of the folder."""
        return self._whole(name) in self._entries

    def open(self, name: str) -> PositionedFile:
        """Open a file. Raises Malformed for a name that leads out of the folder, Unreachable."""
        whole = self._whole(name)
        entry = self._entries.get(whole)
        if entry is None:
            raise Unreachable(self.path / name, "no such file in this revision", 404)
        folder = self.below(name.rpartition("/")[0]) if "/" in name else self
        url = below(f"{endpoint()}/{self.repo}/resolve/{self.commit}", whole)
        content = f"{url} {entry.digest}" if entry.digest else None
        return self._opened.file(self.path / name, url, folder, size=entry.size, content=content)

    def _names(self) -> list[str]:
        prefix = f"{self._inside}/" if self._inside else ""
        return [name.removeprefix(prefix) for name in self._entries if name.startswith(prefix)]

    def _whole(self, name: str) -> str:
        if not is_plain(name):
            raise Malformed(self.path, f"{quoted(name)} lies outside the folder: refused")
        return f"{self._inside}/{name}".strip("/")


def repository(session: Session, address: HubAddress, meter: Meter) -> HubFolder:
    """List the commit that a revision means now. Raises Unreachable, Malformed."""
    url = f"{endpoint()}/api/models/{address.repo}/revision/{quote(address.revision, safe='')}?blobs=true"

    def take(reply: Reply) -> bytes:
        if reply.status != 200:
            raise refusal(address, reply)
        return reply.body(MAX_LISTING + 1)

    text = session.get(address, url, {}, take)
    if len(text) > MAX_LISTING:
        raise Malformed(str(address), f"the listing of its files is over {MAX_LISTING:,} bytes: refused")
    listing = strict_json.parse_object(Path(str(address)), text, "the listing of its files")
    commit, siblings = listing.get("sha"), listing.get("siblings")
    if not isinstance(commit, str) or _COMMIT.fullmatch(commit) is None or not isinstance(siblings, list):
        raise Malformed(str(address), "its server gives a listing without a commit and files: is it a hub?")
    entries = dict(entry for sibling in siblings if (entry := _entry(sibling)) is not None)
    return HubFolder(Opened(session, meter), address.repo, commit, entries)


def _entry(sibling: Any) -> tuple[str, Entry] | None:
    """Path and facts of one file of a listing; None for a name that no sound repository has."""
    name = sibling.get("rfilename") if isinstance(sibling, dict) else None
    if not isinstance(name, str) or not name or not is_plain(name):
        return None
    large = sibling.get("lfs") if isinstance(sibling.get("lfs"), dict) else {}
    size, digest = large.get("size", sibling.get("size")), large.get("sha256", sibling.get("blobId"))
    known = type(size) is int and size >= 0
    return name, Entry(size if known else None, digest if isinstance(digest, str) else None)
