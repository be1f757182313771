"""Writing an index as a portable folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lineage.atomic_write import write_whole
from lineage.errors import StoreError
from lineage.store.files import CATALOGUE, SKETCHES
from lineage.store.manifest import MANIFEST, File, Manifest, file_of, manifest_bytes, read_manifest
from lineage.store.public_addresses import addresses
from lineage.store.signatures import SIGNATURE, signature_of
from lineage.store.sqlite import SqliteIndex
from lineage.types import ModelRecord

RECORD = "lineage/record/1"


def export_index(home: SqliteIndex, target: Path, key: Path | None = None) -> Manifest:
    """Write the models of `home` to the folder `target`, which is new, empty, or an earlier export, and its manifest.

    With `key`, a PEM file of an Ed25519 key, the manifest is signed.
    The manifest is written last: until then the earlier one is in place, and a file that no longer matches it is
    refused. Paths of this machine do not travel. Raises StoreError for a folder of other things, CheckpointError,
    OSError.
    """
    if target.is_dir() and any(target.iterdir()) and not (target / MANIFEST).is_file():
        raise StoreError(f"{target}: holds other things: choose an empty folder")
    for part in (SKETCHES, CATALOGUE):
        (target / part).mkdir(parents=True, exist_ok=True)
    public = addresses([home])
    files: list[File] = []
    for record in home.models():
        layouts = [(None, record.weights_seen), *((one.id, one.weights_seen) for one in record.layouts)]
        for layout, weights_seen in layouts:
            source = home.sketch_file(record.id, layout, weights_seen)
            files.append(_put(target, f"{SKETCHES}/{source.name}", source.read_bytes()))
        said = json.dumps(_record(record, public.get(record.id)), indent=1) + "\n"
        files.append(_put(target, f"{CATALOGUE}/{record.id}.json", said.encode("ascii")))
    content = manifest_bytes(home.id, len(home), files)
    signature = None if key is None else signature_of(content, key)
    (target / SIGNATURE).unlink(missing_ok=True)  # of an earlier export
    write_whole(target / MANIFEST, content)
    if signature is not None:
        write_whole(target / SIGNATURE, signature)
    named = {file.path for file in files}
    for part in (SKETCHES, CATALOGUE):
        for path in (target / part).iterdir():
            if f"{part}/{path.name}" not in named:
                path.unlink()
    return read_manifest(content, MANIFEST)


def _put(target: Path, path: str, content: bytes) -> File:
    place = target / path
    if not place.is_file() or place.read_bytes() != content:
        write_whole(place, content, durable=False)
    return file_of(path, content)


def _record(record: ModelRecord, address: str | None) -> dict[str, Any]:
    return {
        "schema": RECORD,
        "id": record.id,
        "name": record.name,
        "source": address or "",
        "licence": record.licence,
        "declared": [{"model": d.model, "relation": d.relation, "source": d.source} for d in record.declared],
        "aliases": [alias for alias in record.aliases if not Path(alias).is_absolute()],
    }
