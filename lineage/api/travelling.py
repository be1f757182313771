"""Indexes that travel: written as a folder, kept as layers beside one's own, or taken into it."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lineage import store
from lineage.api.indexes import folder_of, place_of
from lineage.api.ingesting import Ingested
from lineage.atomic_write import write_whole
from lineage.checkpoints import is_remote
from lineage.checkpoints.remote.whole_files import WholeFiles, whole_files
from lineage.errors import Malformed
from lineage.store.layers import Layer, Pulled, layer_index, layers, put_layer, remove_layer, require_layer_name
from lineage.store.manifest import MANIFEST, MOST_BYTES, File, Manifest
from lineage.store.signatures import MOST_BYTES as MOST_OF_SIGNATURE
from lineage.store.signatures import SIGNATURE, public_key, require_signed

if TYPE_CHECKING:
    from lineage.store import Home
    from lineage.types import CheckpointSketch

Steps = Callable[[int, int], None]
_AT_A_TIME = 8


def export(target: str | Path, index: str | Path | None = None, *, key: str | Path | None = None) -> Manifest:
    """Write the user's index as a folder that others can pull. Raises NoIndex, StoreError, OSError.

    With `key`, a PEM file of an Ed25519 key, the manifest is signed (raises MissingExtra, Malformed).
    The same index gives the same bytes; writing to an earlier export updates what has changed.
    """
    from lineage.store.exporting import export_index

    with store.SqliteIndex.open(folder_of(index)) as home:
        return export_index(home, Path(target), None if key is None else Path(key))


def pull(
    address: str | Path,
    index: str | Path | None = None,
    *,
    name: str | None = None,
    key: str | Path | None = None,
    watch: Steps | None = None,
) -> Pulled:
    """Keep the index at `address` (a folder, a URL, `hf:datasets/org/name`) as a read-only layer beside one's own.

    Every file is checked against the manifest, every sketch is read in full. A layer of that name is updated: only what
    changed is fetched. With `key`, a PEM file of a public Ed25519 key, the manifest must be signed with it, now and at
    each update. `watch` is called with the files fetched and to fetch. Raises CheckpointError, StoreError.
    """
    called = require_layer_name(name or _name_of(str(address)))
    source = whole_files(_absolute(address))
    content = source.read(MANIFEST, MOST_BYTES, is_exact=False)
    home = folder_of(index)
    before = next((one for one in layers(home) if one.name == called), None)
    signed_by = public_key(Path(key)) if key is not None else None if before is None else before.key
    if signed_by is not None:
        signature = source.read(SIGNATURE, MOST_OF_SIGNATURE, is_exact=False)
        require_signed(content, signature, signed_by, f"{source.address}/{MANIFEST}")
    store.SqliteIndex.create(home).close()
    return put_layer(
        home, called, source.address, content, lambda files, to: _fetched(source, files, to, watch), key=signed_by
    )


def import_index(
    address: str | Path, index: str | Path | None = None, *, watch: Steps | None = None
) -> Iterator[Ingested]:
    """Take every model of the index at `address` into one's own, and yield each. Raises as `pull` does."""
    from lineage import __version__

    source = whole_files(_absolute(address))
    content = source.read(MANIFEST, MOST_BYTES, is_exact=False)
    with tempfile.TemporaryDirectory(prefix="lineage-") as scratch:
        pulled = put_layer(
            Path(scratch),
            "import",
            source.address,
            content,
            lambda files, to: _fetched(source, files, to, watch),
            key=None,
        )
        taken = layer_index(Path(scratch), pulled.layer)
        with store.create_home(place_of(index)) as home:
            for record in taken.models():
                place = record.source or f"{source.address}/sketches/{record.id}.sketch"
                yield _imported(home, taken.layouts(record.id), record.name, place, __version__)
            home.finish_run()


def layers_of(index: str | Path | None = None) -> list[Layer]:
    """The layers beside the user's index, by name. Raises Malformed."""
    return layers(folder_of(index))


def drop_layer(name: str, index: str | Path | None = None) -> None:
    """Remove a layer. Raises Unknown."""
    remove_layer(folder_of(index), name)


def _imported(home: Home, layouts: Sequence[CheckpointSketch], name: str, source: str, version: str) -> Ingested:
    """Add a model in each layout, from its public address or, without one, from the sketch that was handed over."""
    first = layouts[0]
    added = [home.add(replace(one, name=name, path=source), version) for one in layouts]
    event: Literal["ingested", "unchanged"] = "ingested" if any(added) else "unchanged"
    return Ingested(event, name, first.id, name, first.params, len(first.tensors), first.bytes_read)


def _fetched(source: WholeFiles, files: Sequence[File], folder: Path, watch: Steps | None) -> None:
    """Put files into a folder, several at a time; the first that cannot be fetched stops it."""

    def fetch(file: File) -> None:
        content = source.read(file.path, file.size)
        if not file.is_content(content):
            said = "does not match the manifest: it was changed or damaged: refused"
            raise Malformed(f"{source.address}/{file.path}", said)
        write_whole(folder / file.path, content, durable=False)

    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        try:
            for done, _ in enumerate(pool.map(fetch, files), 1):
                if watch is not None:
                    watch(done, len(files))
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _absolute(address: str | Path) -> str | Path:
    """A folder by its absolute path, so that a layer can be updated from anywhere."""
    return address if is_remote(address) else Path(address).absolute()


def _name_of(address: str) -> str:
    """The name of a layer from this address: the last part of the address that is a name."""
    parts = [re.sub(r"[^A-Za-z0-9_.]", "_", part) for part in re.split(r"[/\\@]", address) if part]
    return (parts[-1] if parts else "layer").lstrip("_.") or "layer"
