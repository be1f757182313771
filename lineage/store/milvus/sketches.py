"""Sketch files in any store that fsspec knows: a folder, memory, a bucket."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lineage.errors import LineageError, Malformed, MissingExtra, StoreError
from lineage.sketch import write_sketch
from lineage.sketch.sketch_file import MOST_BYTES
from lineage.types import CheckpointSketch


class SketchStore:
    """Sketch files by name below a URL, each written atomically where the store can do that.

    Files that are not in a local folder are fetched into a temporary one, which `close` deletes. Besides what they
    document, all methods raise StoreError, with one clear line.
    """

    def __init__(self, url: str) -> None:
        """Raises MissingExtra if the library for such URLs is not installed."""
        try:
            from fsspec.core import url_to_fs
            from fsspec.implementations.local import LocalFileSystem
        except ImportError:
            raise MissingExtra(
                "an index on a Milvus server needs pymilvus and fsspec: pip install 'weight-lineage[milvus]'"
            ) from None
        self.url = url
        try:
            self._files, root = url_to_fs(url)
        except ImportError as error:
            raise MissingExtra(f"{url}: {error}") from None
        except ValueError as error:
            raise StoreError(f"{url}: {error}") from None
        self._root = str(root).rstrip("/")
        self._folder = Path(self._root) if isinstance(self._files, LocalFileSystem) else None
        self._fetched: tempfile.TemporaryDirectory[str] | None = None

    def close(self) -> None:
        """Delete what was fetched."""
        if self._fetched is not None:
            self._fetched.cleanup()
            self._fetched = None

    def write(self, sketch: CheckpointSketch, name: str) -> int:
        """Write a sketch; returns its size in bytes."""
        with self._told():
            if self._folder is not None:
                path = self._folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                write_sketch(sketch, path)
                return path.stat().st_size
            path = self._scratch() / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_sketch(sketch, path)
            self._files.makedirs(f"{self._root}/{name}".rpartition("/")[0], exist_ok=True)
            self._files.put_file(str(path), f"{self._root}/{name}")
            return path.stat().st_size

    def size(self, name: str) -> int | None:
        """Bytes of a file; None where there is none."""
        with self._told():
            try:
                return _size(self._files.info(f"{self._root}/{name}"))
            except FileNotFoundError:
                return None

    def fetch(self, name: str) -> Path:
        """The file on this machine. Raises FileNotFoundError, and Malformed for one of a size that no sketch has."""
        if self._folder is not None:
            return self._folder / name
        path = self._scratch() / name
        if path.is_file():
            return path
        with self._told():
            size = _size(self._files.info(f"{self._root}/{name}"))
            if size is None or size > MOST_BYTES:
                raise Malformed(f"{self.url}/{name}", f"a sketch of {size} bytes is not believed")
            content = self._files.cat_file(f"{self._root}/{name}", 0, size)
        if len(content) != size:
            raise Malformed(f"{self.url}/{name}", f"has {len(content)} bytes, not the {size} that the store promised")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def remove(self, name: str) -> None:
        """Delete a file, if it exists."""
        with self._told(), suppress(FileNotFoundError):
            self._files.rm_file(f"{self._root}/{name}")
        if self._fetched is not None:
            (self._scratch() / name).unlink(missing_ok=True)

    def _scratch(self) -> Path:
        if self._fetched is None:
            self._fetched = tempfile.TemporaryDirectory(prefix="lineage-")
        return Path(self._fetched.name)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Raise any error of the store as StoreError, in one line; FileNotFoundError is passed on."""
        try:
            yield
        except (LineageError, FileNotFoundError):
            raise
        except Exception as error:  # of whichever library reaches this store
            raise StoreError(f"{self.url}: {str(error) or type(error).__name__:.300}") from None


def _size(about: Any) -> int | None:
    size = about.get("size")
    return size if type(size) is int and size >= 0 else None
