"""Checkpoints on servers: `hf:org/name@revision` and `https://host/file`, read by ranges, never downloaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lineage.on_first_use import names_of

if TYPE_CHECKING:
    from lineage.checkpoints.remote.address import is_remote, shown
    from lineage.checkpoints.remote.hub import require_hub
    from lineage.checkpoints.remote.locating import Located, locate

__all__ = ["Located", "is_remote", "locate", "require_hub", "shown"]

__getattr__ = names_of(
    __name__,
    {
        "Located": "locating", "is_remote": "address", "locate": "locating", "require_hub": "hub", "shown": "address",
    },
)  # fmt: skip
