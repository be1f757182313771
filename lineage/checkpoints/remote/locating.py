"""What an address means: a folder or a file of a server, at the commit that its revision means now."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lineage.checkpoints.io.bytes import Folder, PositionedFile
from lineage.checkpoints.remote.address import HubAddress, parse
from lineage.checkpoints.remote.hub import repository, tokens
from lineage.checkpoints.remote.prefetch import Ahead
from lineage.checkpoints.remote.session import Session
from lineage.checkpoints.remote.web import naming, web_file
from lineage.errors import UnsupportedFormat
from lineage.types import Meter


@dataclass(frozen=True, slots=True)
class Located:
    """A remote folder or file, ready to be read; the model in it is named after the parts of `naming`."""

    place: Folder | PositionedFile
    naming: Path
    ahead: Ahead


def locate(text: str) -> Located:
    """Find what an address means, at the commit that its revision means now.

    Raises Malformed for no address, Unreachable, UnsupportedFormat for a sketch or a folder of a server, MissingExtra.
    """
    address, meter = parse(text), Meter()
    if str(address).endswith(".sketch"):
        raise UnsupportedFormat(str(address), "is a sketch at a server: download it first")
    session = Session(tokens())
    ahead = Ahead(session)
    if not isinstance(address, HubAddress):
        return Located(web_file(session, address, meter), naming(address), ahead)
    folder = repository(session, address, meter)
    if not address.path:
        return Located(folder, folder.naming, ahead)
    if folder.is_folder(address.path):
        inner = folder.below(address.path)
        return Located(inner, inner.naming, ahead)
    return Located(folder.open(address.path), folder.naming / address.path, ahead)
